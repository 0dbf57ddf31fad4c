// Is a file that should hold text one at all?
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "sim/base/errors.hpp"

namespace trainyard {

// InputError at the first control character that no text has: blanks, line ends and the escape character (coloured
// output in scripts) are text, as are all bytes above ASCII.
inline void require_text(std::string_view text, const std::string& name_in_messages) {
  constexpr std::string_view control_in_text = "\t\n\v\f\r\x1b";
  for (std::size_t offset = 0; offset < text.size(); ++offset) {
    const auto byte = static_cast<unsigned char>(text[offset]);
    const bool control = byte < 0x20 || byte == 0x7f;
    if (control && control_in_text.find(text[offset]) == std::string_view::npos)
      throw InputError({name_in_messages, 0, 0}, fmt::format("not text: byte 0x{:02x} at offset {}", byte, offset));
  }
}

}  // namespace trainyard
