#include "sim/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <string_view>

namespace trainyard {
namespace {

constexpr int narrowest = 60, widest = 120, when_piped = 100;

std::string_view environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? std::string_view{} : std::string_view(value);
}

// The first of these that is set decides, as in setlocale(3).
bool locale_is_utf8() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view value = environment(variable);
    if (value.empty()) continue;
    for (const std::string_view spelling : {"UTF-8", "utf-8", "UTF8", "utf8"})
      if (value.find(spelling) != std::string_view::npos) return true;
    return false;
  }
  return false;
}

int width_of(bool terminal) {
  const std::string_view columns = environment("COLUMNS");
  int width = 0;
  if (std::from_chars(columns.data(), columns.data() + columns.size(), width).ec == std::errc{} && width > 0)
    return std::clamp(width, narrowest, widest);
  winsize window{};
  if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
    return std::clamp(static_cast<int>(window.ws_col), narrowest, widest);
  return when_piped;
}

}  // namespace

TextStyle style_of(const std::ostream& out) {
  const bool terminal = &out == &std::cout && isatty(STDOUT_FILENO) == 1;
  const bool colour = terminal && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  return {.colour = colour, .width = width_of(terminal), .unicode = locale_is_utf8()};
}

}  // namespace trainyard
