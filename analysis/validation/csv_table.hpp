// Comma-separated tables as RFC 4180 defines them: quoted fields may hold commas, quotes (doubled) and line ends; lines
// end with LF or CRLF; a UTF-8 byte order mark is skipped, and so are empty lines. Everything else that is not such a
// table is an InputError with file:line: a ragged row, a stray or open quote, a lone CR, a NUL byte, an empty file, a
// header with an empty or repeated name.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

struct CsvRecord {
  int line = 0;                     // where the record starts, from 1
  std::vector<std::string> fields;  // as many as the header
  friend bool operator==(const CsvRecord&, const CsvRecord&) = default;
};

struct CsvTable {
  std::string file;  // for messages
  std::vector<std::string> header;
  std::vector<CsvRecord> records;
  std::optional<std::size_t> column(std::string_view name) const;
  friend bool operator==(const CsvTable&, const CsvTable&) = default;
};

CsvTable parse_csv(std::string_view text, const std::string& file);

// A field as RFC 4180 writes it: quoted only where needed.
std::string csv_field(std::string_view text);

}  // namespace trainyard
