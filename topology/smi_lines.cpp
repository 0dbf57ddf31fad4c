#include "topology/smi_lines.hpp"

#include <fmt/format.h>

#include <cctype>
#include <cstddef>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

constexpr std::size_t largest_capture = std::size_t{4} << 20;  // a 64-device matrix is about 30 kB

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

void append(CaptureLine& line, char c, std::size_t column) {
  line.text.push_back(c);
  line.columns.push_back(static_cast<int>(column) + 1);
}

void refuse_what_is_no_text(std::string_view text, const std::string& name) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    throw InputError({name, 0, 0}, "the file is empty", "expected the output of `nvidia-smi topo -m`");
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
    throw InputError({name, 0, 0}, "the file is UTF-16 text", "save it as UTF-8");
  if (text.find('\0') != std::string_view::npos)
    throw InputError({name, 0, 0}, "the file is binary, not text", "expected the output of `nvidia-smi topo -m`");
  if (text.size() > largest_capture)
    throw InputError({name, 0, 0}, fmt::format("the file has {} bytes, too many for a topology capture", text.size()),
                     "expected the output of `nvidia-smi topo -m`, a few kB");
}

// The length of an escape sequence at `at`, 0 if there is none: ESC [ … letter, or "[4m" without its ESC.
std::size_t escape_length(std::string_view s, std::size_t at) {
  const bool with_escape = s[at] == '\x1b';
  const std::size_t bracket = with_escape ? at + 1 : at;
  if (bracket >= s.size() || s[bracket] != '[') return with_escape ? 1 : 0;
  std::size_t end = bracket + 1;
  while (end < s.size() && (is_digit(s[end]) || s[end] == ';')) ++end;
  if (end >= s.size()) return with_escape ? end - at : 0;
  const bool ends = with_escape ? std::isalpha(static_cast<unsigned char>(s[end])) != 0 : s[end] == 'm';
  return ends ? end + 1 - at : (with_escape ? 1 : 0);
}

CaptureLine without_escapes(const CaptureLine& in) {
  CaptureLine out{in.number, {}, {}, false};
  for (std::size_t i = 0; i < in.text.size();) {
    if (const std::size_t skip = escape_length(in.text, i); skip > 0) {
      i += skip;
    } else if (in.text.compare(i, 2, "\xc2\xa0") == 0) {  // non-breaking space, as wikis write it
      append(out, ' ', static_cast<std::size_t>(in.columns[i] - 1));
      i += 2;
    } else {
      if (in.text[i] != '\r') append(out, in.text[i], static_cast<std::size_t>(in.columns[i] - 1));
      ++i;
    }
  }
  return out;
}

// Literal escapes of a string written in source code: JSON of a notebook, a Python repr.
struct SourceEscape {
  std::string_view written;
  char meant;
};
constexpr SourceEscape source_escapes[] = {{"\\t", '\t'},     {"\\n", '\n'},     {"\\r", '\r'},   {"\\u001b", '\x1b'},
                                           {"\\x1b", '\x1b'}, {"\\033", '\x1b'}, {"\\e[", '\x1b'}};

const SourceEscape* source_escape_at(std::string_view s, std::size_t at) {
  if (s[at] != '\\') return nullptr;
  for (const SourceEscape& e : source_escapes)
    if (s.substr(at, e.written.size()) == e.written) return &e;
  return nullptr;
}

bool is_quoted(std::string_view s) {
  return s.find("\\t") != std::string_view::npos || s.find("\\n") != std::string_view::npos;
}

// The content of a quoted line; each literal \n starts a further line of the same number.
std::vector<CaptureLine> unquoted(const CaptureLine& in) {
  const std::size_t escape = in.text.find('\\');
  const std::size_t quote = in.text.find_last_of("\"'", escape);
  std::vector<CaptureLine> out(1, CaptureLine{in.number, {}, {}, false});
  const std::size_t begin = quote == std::string::npos ? 0 : quote + 1;
  for (std::size_t i = begin; i < in.text.size();) {
    const char c = in.text[i];
    if (quote != std::string::npos && c == in.text[quote]) break;
    const SourceEscape* escaped = source_escape_at(in.text, i);
    if (escaped == nullptr) {
      append(out.back(), c, static_cast<std::size_t>(in.columns[i] - 1));
      ++i;
      continue;
    }
    if (escaped->meant == '\n')
      out.push_back(CaptureLine{in.number, {}, {}, false});
    else
      append(out.back(), escaped->meant, static_cast<std::size_t>(in.columns[i] - 1));
    i += escaped->written == "\\e[" ? 2 : escaped->written.size();
  }
  return out;
}

// Length of what a launcher or a comment puts in front of every line.
std::size_t prefix_length(std::string_view s) {
  std::size_t i = 0;
  while (i < s.size() && is_blank(s[i])) ++i;
  if (s.substr(i, 1) == "[") {  // Open MPI: "[1,0]<stdout>:"
    const std::size_t end = s.find(">:", i);
    if (end != std::string_view::npos && s.find('<', i) < end) return end + 2;
  }
  std::size_t digits = i;
  while (digits < s.size() && is_digit(s[digits])) ++digits;
  if (digits > i && s.substr(digits, 1) == ":") return digits + 1;  // srun --label: "0: "
  std::size_t marks = i;
  while (marks < s.size() && (s[marks] == '#' || s[marks] == '>' || s[marks] == '*' || s[marks] == '/')) ++marks;
  return marks > i && (marks == s.size() || is_blank(s[marks])) ? marks : 0;
}

void take_off_prefix(CaptureLine& line) {
  const std::size_t n = prefix_length(line.text);
  line.text.erase(0, n);
  line.columns.erase(line.columns.begin(), line.columns.begin() + static_cast<std::ptrdiff_t>(n));
  const std::size_t first = line.text.find_first_not_of(" \t");
  line.table = first != std::string::npos && line.text[first] == '|';
}

}  // namespace

int CaptureLine::column_at(std::size_t i) const {
  if (i < columns.size()) return columns[i];
  return columns.empty() ? 1 : columns.back() + 1;
}

std::vector<CaptureLine> capture_lines(std::string_view text, const std::string& name_in_messages) {
  refuse_what_is_no_text(text, name_in_messages);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<CaptureLine> lines;
  int number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    CaptureLine raw{++number, {}, {}, false};
    for (std::size_t i = begin; i < end; ++i) append(raw, text[i], i - begin);
    begin = end + 1;
    const std::vector<CaptureLine> parts =
        is_quoted(raw.text) ? unquoted(raw) : std::vector<CaptureLine>{std::move(raw)};
    for (const CaptureLine& part : parts) {
      lines.push_back(without_escapes(part));
      take_off_prefix(lines.back());
    }
  }
  return lines;
}

}  // namespace trainyard
