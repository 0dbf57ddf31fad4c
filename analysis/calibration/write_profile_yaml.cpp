#include "analysis/calibration/write_profile_yaml.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

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

// Takes the file away again.
struct Removed {
  fs::path file;
  ~Removed() {
    std::error_code ignored;
    fs::remove(file, ignored);
  }
};

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
  const fs::path file = folder / fmt::format("trainyard-{}-{}.yaml", getpid(), fmt::ptr(&document));
  const Removed removed{file};
  if (!(std::ofstream(file, std::ios::binary) << text << std::flush))
    throw InputError({folder.string(), 0, 0}, "cannot be written", "the result is checked there");
  if (document.kind == ProfileKind::device)
    load_device_profile(file.string());
  else
    load_network_profile(file.string());
}

}  // namespace trainyard
