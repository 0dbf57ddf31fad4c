#include "sim/base/scenario_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <system_error>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

constexpr std::array name_extensions = {".yaml", ".txt"};

std::vector<fs::path> roots() {
  std::vector<fs::path> all;
  if (const char* chosen = std::getenv("TRAINYARD_SCENARIOS"); chosen != nullptr && *chosen != '\0')
    all.emplace_back(chosen);
  all.emplace_back(TRAINYARD_SCENARIO_DIR);
  std::error_code none;
  const fs::path program = fs::read_symlink("/proc/self/exe", none);  // an installed prefix may have been moved
  if (!none) all.push_back(program.parent_path().parent_path() / "share/trainyard/scenarios");
  return all;
}

bool is_file(const fs::path& path) {
  std::error_code none;
  return fs::exists(path, none) && !fs::is_directory(path, none);
}

bool is_path(std::string_view text) {
  constexpr std::array extensions = {".yaml", ".yml", ".json", ".txt", ".xml", ".csv"};
  if (text.find('/') != std::string_view::npos) return true;
  return std::any_of(extensions.begin(), extensions.end(), [&](std::string_view e) { return text.ends_with(e); });
}

}  // namespace

std::vector<std::string> scenario_names(std::string_view folder) {
  std::set<std::string> names;
  for (const fs::path& root : roots()) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(root / folder, none))
      if (std::find(name_extensions.begin(), name_extensions.end(), entry.path().extension()) != name_extensions.end())
        names.insert(entry.path().stem().string());
  }
  return {names.begin(), names.end()};
}

std::string scenario_file(std::string_view folder, std::string_view name_or_path, const std::string& base_directory) {
  const std::string text(name_or_path);
  if (is_path(text)) {
    if (!base_directory.empty() && is_file(fs::path(base_directory) / text))
      return (fs::path(base_directory) / text).string();
    if (is_file(text)) return text;
    throw InputError({text, 0, 0}, "cannot open the file");
  }
  for (const fs::path& root : roots())
    for (const char* extension : name_extensions)
      if (const fs::path file = root / folder / (text + extension); is_file(file)) return file.string();
  const std::vector<std::string> known = scenario_names(folder);
  std::string hint = did_you_mean(text, known);
  if (hint.empty() && !known.empty()) hint = fmt::format("known: {}", fmt::join(known, ", "));
  throw InputError({}, fmt::format("nothing is called '{}' in scenarios/{}", text, folder), hint);
}

}  // namespace trainyard
