// Where a named input lives: "dgx-h100" -> scenarios/clusters/dgx-h100.yaml.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

// The file behind `name_or_path` of a kind of scenario (`folder`: "clusters", "models", "topologies" …).
// A text with '/' or an extension (.yaml .yml .json .txt .xml .csv) is a path: taken relative to `base_directory` (the
// folder of the file that mentions it) if it exists there, else to the working directory. Anything else is a name:
// <root>/<folder>/<name>.yaml or .txt, where the roots are $TRAINYARD_SCENARIOS, the source tree's scenarios/ and the
// installed share/trainyard/scenarios, in this order.
// InputError if there is no such file, with the nearest known name as a hint.
std::string scenario_file(std::string_view folder, std::string_view name_or_path,
                          const std::string& base_directory = {});

// The names that scenario_file accepts for a folder, sorted, without extension; empty if there is no such folder.
std::vector<std::string> scenario_names(std::string_view folder);

}  // namespace trainyard
