// Tables of words that published cells use.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "analysis/validation/row_parts.hpp"

namespace trainyard::row {

template <class Kind>
struct Word {
  std::string_view text;  // anywhere in the lower-case cell; the first of a table that occurs decides
  Kind kind;
};

template <class Kind, std::size_t size>
std::optional<Kind> first_word(const std::array<Word<Kind>, size>& words, const std::string& cell) {
  const std::string text = lower(cell);
  for (const Word<Kind>& word : words)
    if (text.find(word.text) != std::string::npos) return word.kind;
  return std::nullopt;
}

}  // namespace trainyard::row
