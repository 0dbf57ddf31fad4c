// Text of a capture made readable: what terminals, notebooks, logs and wikis wrap around a line is taken off, while
// every character remembers where the user sees it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

// One line without escapes, prefixes and quotes. columns[i] is the column (from 1) of text[i] in the file's line.
struct CaptureLine {
  int number = 0;
  std::string text;
  std::vector<int> columns;
  bool table = false;  // a row of a markdown table: cells stand between '|'

  int column_at(std::size_t i) const;  // also for the end of the line
};

// Removes: ANSI escapes (also those whose ESC byte was lost in copying), CR, a byte order mark, JSON or Python string
// quoting (literal \t, \n, \u001b; such a line may hold several), "0: " and "[1,0]<stdout>:" of parallel launchers,
// "#", ">", "*" and "//" in front, non-breaking spaces.
// InputError for text that no capture can be: empty, over 4 MiB, binary, UTF-16.
std::vector<CaptureLine> capture_lines(std::string_view text, const std::string& name_in_messages);

}  // namespace trainyard
