#include "analysis/validation/csv_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// One pass over the text, record by record.
class CsvScanner {
 public:
  CsvScanner(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::optional<CsvRecord> next() {
    while (at_line_end()) skip_line_end();
    if (done()) return std::nullopt;
    CsvRecord record{.line = line_, .fields = {}};
    while (true) {
      record.fields.push_back(peek() == '"' ? quoted_field() : bare_field());
      if (done()) return record;
      if (peek() != ',') break;
      ++position_;
      if (done()) {
        record.fields.emplace_back();
        return record;
      }
    }
    skip_line_end();
    return record;
  }

 private:
  bool done() const { return position_ >= text_.size(); }
  char peek() const { return done() ? '\n' : text_[position_]; }
  bool at_line_end() const { return !done() && (peek() == '\n' || peek() == '\r'); }

  [[noreturn]] void fail(int line, std::string message, std::string hint = {}) const {
    throw InputError({file_, line, 0}, std::move(message), std::move(hint));
  }

  void skip_line_end() {
    if (peek() == '\r' && ++position_ < text_.size() && peek() != '\n')
      fail(line_, "a carriage return without a line feed");
    if (!done()) ++position_;
    ++line_;
  }

  std::string bare_field() {
    const std::size_t start = position_;
    while (!done() && peek() != ',' && !at_line_end()) {
      if (peek() == '"')
        fail(line_, "a quote inside an unquoted field", "quote the whole field and double the quotes in it");
      if (peek() == '\0') fail(line_, "a NUL byte", "the file is not UTF-8 text");
      ++position_;
    }
    return std::string(text_.substr(start, position_ - start));
  }

  std::string quoted_field() {
    const int opened = line_;
    std::string field;
    for (++position_;; ++position_) {
      if (done()) fail(opened, "a quote that is never closed");
      if (peek() == '\0') fail(line_, "a NUL byte", "the file is not UTF-8 text");
      if (peek() == '\n') ++line_;
      if (peek() == '"') {
        if (position_ + 1 < text_.size() && text_[position_ + 1] == '"')
          ++position_;
        else
          break;
      }
      field += peek();
    }
    ++position_;
    if (!done() && peek() != ',' && !at_line_end()) fail(line_, "text after a closing quote");
    return field;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t position_ = 0;
  int line_ = 1;
};

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

std::vector<std::string> checked_header(CsvRecord record, const std::string& file) {
  std::vector<std::string> header;
  for (const std::string& field : record.fields) {
    const std::string name = trimmed(field);
    if (name.empty()) throw InputError({file, record.line, 0}, fmt::format("column {} has no name", header.size() + 1));
    if (std::find(header.begin(), header.end(), name) != header.end())
      throw InputError({file, record.line, 0}, fmt::format("column '{}' occurs twice", name));
    header.push_back(name);
  }
  return header;
}

}  // namespace

std::optional<std::size_t> CsvTable::column(std::string_view name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header.begin());
}

CsvTable parse_csv(std::string_view text, const std::string& file) {
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  CsvScanner scanner(text, file);
  std::optional<CsvRecord> first = scanner.next();
  if (!first) throw InputError({file, 0, 0}, "the file is empty", "a table starts with a line of column names");
  CsvTable table{.file = file, .header = checked_header(*std::move(first), file), .records = {}};
  while (std::optional<CsvRecord> record = scanner.next()) {
    if (record->fields.size() != table.header.size())
      throw InputError({file, record->line, 0},
                       fmt::format("{} fields where the header has {}", record->fields.size(), table.header.size()),
                       "quote fields that contain commas");
    for (std::string& field : record->fields) field = trimmed(field);
    table.records.push_back(*std::move(record));
  }
  return table;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace trainyard
