#include "analysis/calibration/write_profile_yaml.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "models/profile_yaml.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

// Double-quoted YAML, which escapes as JSON does; other control characters become blanks.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result + '"';
}

std::string constant_line(const FittedConstant& c) {
  std::string line = fmt::format("  {}: {{value: {}, source: {}, sources: 1", c.name, c.value, quoted(c.source));
  if (!c.residual.empty()) line += fmt::format(", residual: {}", quoted(c.residual));
  return line + "}\n";
}

// A file that goes away again unless it is renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(fs::path path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  bool write(const std::string& text) const {
    std::ofstream file(path_, std::ios::binary);
    file << text << std::flush;
    return static_cast<bool>(file);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

bool same_file(const std::string& a, const std::string& b) {
  std::error_code none;
  if (fs::equivalent(a, b, none)) return true;
  const fs::path whole = fs::weakly_canonical(fs::absolute(a, none), none);
  return !whole.empty() && whole == fs::weakly_canonical(fs::absolute(b, none), none);
}

}  // namespace

std::string profile_yaml(const ProfileDocument& d) {
  std::string text =
      fmt::format("kind: {}\nname: {}\ninherits: {}\n", d.kind == ProfileKind::device ? "device" : "network",
                  quoted(d.name), quoted(d.inherits));
  if (!d.description.empty()) text += fmt::format("description: {}\n", quoted(d.description));
  text += d.constants.empty() ? "constants: {}\n" : "constants:\n";
  for (const FittedConstant& c : d.constants) text += constant_line(c);
  return text;
}

void check_profile_text(const ProfileDocument& document, const std::string& text) {
  const fs::path folder = fs::temp_directory_path();
  const TemporaryFile file(folder / fmt::format("trainyard-{}-{}.yaml", getpid(), fmt::ptr(&document)));
  if (!file.write(text)) throw InputError({folder.string(), 0, 0}, "cannot be written", "the result is checked there");
  if (document.kind == ProfileKind::device)
    load_device_profile(file.path().string());
  else
    load_network_profile(file.path().string());
}

void require_separate_files(const std::vector<std::string>& read, const std::vector<std::string>& written) {
  for (auto file = written.begin(); file != written.end(); ++file) {
    std::error_code none;
    if (fs::exists(*file, none) && !fs::is_regular_file(*file, none)) continue;
    const auto same = [&](const std::string& other) { return same_file(*file, other); };
    const SourceLocation where{*file, 0, 0};
    if (std::any_of(read.begin(), read.end(), same))
      throw InputError(where, "is read by this command and would be overwritten", "give another file to write");
    if (std::any_of(written.begin(), file, same))
      throw InputError(where, "would be written twice by this command", "give each result its own file");
  }
}

void write_whole_file(const std::string& path, const std::string& text) {
  const SourceLocation where{path, 0, 0};
  std::error_code error;
  if (fs::is_directory(path, error)) throw InputError(where, "is a folder");
  if (fs::exists(path, error) && !fs::is_regular_file(path, error)) {  // a device or a pipe is written to as it is
    std::ofstream file(path, std::ios::binary);
    file << text << std::flush;
    if (!file) throw InputError(where, "cannot be written");
    return;
  }
  const TemporaryFile file(fmt::format("{}.{}.tmp", path, getpid()));
  if (!file.write(text)) throw InputError(where, "cannot be written", "is there such a folder, and room in it?");
  fs::rename(file.path(), path, error);
  if (error) throw InputError(where, fmt::format("cannot be written: {}", error.message()));
}

}  // namespace trainyard
