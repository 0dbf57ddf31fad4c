#include "tests/support/architecture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <string_view>

namespace trainyard::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string_view>;

struct Folder {
  std::string_view path;
  Words may_include;  // beside itself; "*" = everything
};

// The more deeply nested come first: the first prefix of a file's path is its folder.
const std::vector<Folder>& folders() {
  static const std::vector<Folder> table = {
      {"analysis/trace", {"analysis", "sim/base", "topology", "models", "sim/plan", "sim/program", "sim/engine"}},
      {"analysis/report",
       {"analysis", "analysis/sweep", "analysis/placement", "sim/base", "topology", "models", "sim/plan", "sim/program",
        "sim/engine"}},
      {"analysis/job", {"analysis", "sim/base", "models"}},
      {"analysis/calibration", {"analysis", "sim/base", "models", "topology"}},
      {"analysis/sweep",
       {"analysis", "analysis/placement", "sim/base", "topology", "models", "sim/plan", "sim/program", "sim/engine"}},
      {"analysis/placement",
       {"analysis", "sim/base", "topology", "models", "sim/plan", "sim/program", "sim/engine"}},
      {"analysis/adaptation",
       {"analysis", "analysis/validation", "analysis/calibration", "sim/base", "topology", "models", "sim/plan",
        "sim/program", "sim/engine"}},
      {"analysis/validation", {"analysis", "sim/base", "topology", "models", "sim/plan", "sim/program", "sim/engine"}},
      {"analysis", {"sim/base", "topology", "models", "sim/plan", "sim/program", "sim/engine"}},
      {"sim/base", {}},
      {"sim/plan", {"sim/base", "topology", "models"}},
      {"sim/program", {"sim/base", "models", "sim/plan"}},
      {"sim/engine", {"sim/base", "topology", "models", "sim/plan", "sim/program"}},
      {"sim/cli", {"*"}},
      {"topology", {"sim/base"}},
      {"models", {"sim/base"}},
      {"tests", {"*"}},
  };
  return table;
}

// A library and the paths that may include it: a prefix of the path, or, with a leading '*', a part of the file's name.
struct Door {
  std::string_view header;
  Words paths;
};

const std::vector<Door>& doors() {
  static const std::vector<Door> table = {
      {"boost/graph", {"topology/graph", "topology/routes", "analysis/placement/"}},
      {"boost/program_options", {"sim/cli/", "tests/"}},
      {"yaml-cpp/", {"sim/base/yaml_reader", "*_yaml"}},
      {"nlohmann/", {"*_json", "*json_", "*hugging_face_config", "topology/describe", "sim/cli/", "tests/"}},
      {"protozero/", {"analysis/trace/perfetto", "tests/"}},
      {"catch2/", {"tests/"}},
      {"benchmark/", {"tests/"}},
      {"sqlite3.h", {"analysis/sweep/result_store", "tests/"}},
      {"muParser", {"analysis/sweep/where_expression"}},
      {"simgrid/", {"sim/engine/simgrid_network"}},
      {"Eigen/", {"analysis/calibration/fit", "analysis/adaptation/map_fit"}},
      {"cuda", {"analysis/calibration/microbench"}},
      {"nccl", {"analysis/calibration/microbench"}},
  };
  return table;
}

constexpr std::array<std::string_view, 20> top_level = {"CMakeLists.txt",
                                                        "sim",
                                                        "topology",
                                                        "models",
                                                        "scenarios",
                                                        "tests",
                                                        "analysis",
                                                        "README.md",
                                                        "yard",
                                                        "LICENSE",
                                                        ".ci",
                                                        ".git",
                                                        ".clang-format",
                                                        ".clang-tidy",
                                                        ".gitignore",
                                                        "CMakePresets.json",
                                                        "packages.txt",
                                                        "build",
                                                        "compile_commands.json",
                                                        ".github"};

bool inside(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

const Folder* folder_of(std::string_view path) {
  const auto found =
      std::find_if(folders().begin(), folders().end(), [path](const Folder& f) { return inside(path, f.path); });
  return found == folders().end() ? nullptr : &*found;
}

bool may_enter(const Door& door, const std::string& path) {
  const std::string file = fs::path(path).filename().string();
  return std::any_of(door.paths.begin(), door.paths.end(), [&](std::string_view allowed) {
    return allowed.front() == '*' ? file.find(allowed.substr(1)) != std::string::npos : path.starts_with(allowed);
  });
}

struct Include {
  std::string header;
  bool quoted = false;
};

std::optional<Include> include_of(const std::string& line) {
  const std::size_t hash = line.find_first_not_of(" \t");
  if (hash == std::string::npos || line[hash] != '#') return std::nullopt;
  const std::size_t word = line.find_first_not_of(" \t", hash + 1);
  if (word == std::string::npos || line.compare(word, 7, "include") != 0) return std::nullopt;
  const std::size_t open = line.find_first_of("\"<", word);
  if (open == std::string::npos) return std::nullopt;
  const std::size_t close = line.find_first_of("\">", open + 1);
  if (close == std::string::npos) return std::nullopt;
  return Include{line.substr(open + 1, close - open - 1), line[open] == '"'};
}

std::string quoted_violation(const std::string& path, const std::string& header) {
  if (header.find("..") != std::string::npos) return fmt::format("includes {} through '..'", header);
  const Folder* from = folder_of(path);
  const Folder* to = folder_of(header);
  if (to == nullptr) return fmt::format("includes {} without its path from the root", header);
  if (from == nullptr || from == to) return {};
  const Words& allowed = from->may_include;
  const bool everything = std::find(allowed.begin(), allowed.end(), "*") != allowed.end();
  // Nobody but the tests may include the tests.
  if (everything && (to->path != "tests" || from->path == "tests")) return {};
  if (std::find(allowed.begin(), allowed.end(), to->path) != allowed.end()) return {};
  return fmt::format("includes {}; {} may include {}", header, from->path,
                     allowed.empty() ? "nothing else" : fmt::format("{}", fmt::join(allowed, ", ")));
}

// The microbenchmarks build alone, each with one compiler call: they include each other by their path in their folder.
constexpr std::string_view standalone = "analysis/calibration/microbench";
bool standalone_include(const fs::path& root, const std::string& path, const std::string& header) {
  return inside(path, standalone) && header.find("..") == std::string::npos &&
         (fs::exists((root / path).parent_path() / header) || fs::exists(root / standalone / header));
}

std::string library_violation(const std::string& path, const std::string& header) {
  for (const Door& door : doors())
    if (header.starts_with(door.header) && !may_enter(door, path))
      return fmt::format("includes <{}>, whose door is {}", header, fmt::join(door.paths, ", "));
  return {};
}

bool opens_namespace(const std::string& line) {
  const std::size_t at = line.find("using namespace ");
  return at != std::string::npos && line.find("//") >= at;
}

void read_file(const fs::path& root, const std::string& path, std::vector<std::string>& found) {
  std::ifstream in(root / path);
  const bool header = path.ends_with(".hpp");
  bool guarded = false;
  int number = 0;
  const auto report = [&](const std::string& what) {
    if (!what.empty()) found.push_back(fmt::format("{}:{}: {}", path, number, what));
  };
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.starts_with("#pragma once")) guarded = true;
    if (header && opens_namespace(line)) report("opens a namespace for everyone who includes it");
    const std::optional<Include> include = include_of(line);
    if (!include) continue;
    if (include->quoted && !standalone_include(root, path, include->header))
      report(quoted_violation(path, include->header));
    report(library_violation(path, include->header));
  }
  number = 1;
  if (header && !guarded) report("has no #pragma once");
}

std::vector<std::string> sources_below(const fs::path& root) {
  std::vector<std::string> paths;
  for (const char* folder : {"sim", "topology", "models", "analysis", "tests"}) {
    if (!fs::is_directory(root / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (entry.is_regular_file() &&
          (extension == ".hpp" || extension == ".cpp" || extension == ".h" || extension == ".cu"))
        paths.push_back(fs::relative(entry.path(), root).generic_string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

std::vector<std::string> architecture_violations(const fs::path& root) {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    const std::string entry_name = entry.path().filename().string();
    const bool output = entry_name.ends_with(".pftrace") || entry_name.ends_with(".pftrace.gz");
    if (!output && std::find(top_level.begin(), top_level.end(), entry_name) == top_level.end())
      found.push_back(fmt::format("{}: nothing but the agreed entries lies at the top", entry_name));
  }
  std::sort(found.begin(), found.end());
  for (const std::string& path : sources_below(root)) {
    if (folder_of(path) == nullptr) found.push_back(fmt::format("{}: its folder is in no row of the table", path));
    read_file(root, path, found);
  }
  return found;
}

}  // namespace trainyard::testing
