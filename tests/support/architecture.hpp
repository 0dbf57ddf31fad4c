// Reads a source tree and tells where it breaks the architecture: who may include whom, which file may know which
// library, and what lies at the top. The rules are tables in architecture.cpp, the picture is in the README.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace trainyard::testing {

// One line per violation, "models/a.cpp:3: includes topology/cluster.hpp; models may include sim/base", in path order.
std::vector<std::string> architecture_violations(const std::filesystem::path& root);

}  // namespace trainyard::testing
