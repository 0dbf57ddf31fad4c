#pragma once

#include <cstddef>
#include <string_view>

namespace trainyard {

// Bytes of the UTF-8 character (RFC 3629) that `text`, which is not empty, begins with; 0: its first byte begins none.
std::size_t utf8_length(std::string_view text);

}  // namespace trainyard
