// Measured loads of a layer's routed experts: numbers in any unit, only their ratios count.
#pragma once

#include <string>
#include <vector>

#include "sim/base/yaml_reader.hpp"

namespace trainyard {

// A router has at most this many experts (as models/check_shape).
inline constexpr std::size_t most_expert_loads = 1'000'000;

// From YAML: a list of numbers, or the path of a file that holds them, relative to the YAML's own folder.
std::vector<double> read_expert_loads(const YamlValue& value);

// From the text of such a file: numbers separated by commas, blanks or line ends; a JSON array is fine, a heading is
// not. InputError with file:line:column at what is no finite number of at least 0, where nothing stands between two
// commas, and where there is no load at all.
std::vector<double> parse_expert_loads(const std::string& text, const std::string& name_in_messages);

}  // namespace trainyard
