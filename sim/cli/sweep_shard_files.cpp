#include "sim/cli/sweep_shard_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <system_error>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

// "results.shard-3-of-8.db" -> "results.db"; nothing for other files.
std::optional<std::string> results_of(const std::string& file) {
  // Beside a store that is being written, or whose writer was killed.
  for (const char* suffix : {"-wal", "-shm", ".lock"})
    if (file.ends_with(suffix)) return std::nullopt;
  static const std::regex pattern(R"((.*)\.shard-\d+-of-\d+(\.[^.]*)?)");
  std::smatch match;
  if (!std::regex_match(file, match, pattern)) return std::nullopt;
  return match.str(1) + match.str(2);
}

}  // namespace

std::vector<std::string> shard_files(const std::string& folder, const std::string& output) {
  std::map<std::string, std::vector<std::string>> found;  // by what they are shards of
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (const auto results = results_of(entry->path().filename().string()))
      found[*results].push_back(entry->path().string());
  const SourceLocation where{folder, 0, 0};
  if (error) throw InputError(where, fmt::format("cannot be read: {}", error.message()));
  if (found.empty())
    throw InputError(where, "has no *.shard-I-of-N.db", "`trainyard sweep SWEEP --shard I/N` makes them");
  auto chosen = found.find(fs::path(output).filename().string());
  if (chosen == found.end() && found.size() == 1) chosen = found.begin();
  if (chosen == found.end()) {
    std::vector<std::string> names;
    for (const auto& [name, files] : found) names.push_back(name);
    throw InputError(where, fmt::format("has shards of several results: {}", fmt::join(names, ", ")),
                     "give -o one of these names, or the files themselves");
  }
  std::sort(chosen->second.begin(), chosen->second.end());
  return chosen->second;
}

}  // namespace trainyard
