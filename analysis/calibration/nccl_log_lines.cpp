// The text form of nccl-tests: lines to tables.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "analysis/calibration/nccl_log.hpp"
#include "analysis/calibration/nccl_log_header.hpp"

namespace trainyard {
namespace {

using Words = std::vector<std::string_view>;
constexpr std::string_view truncated_hint = "the row is cut; remove it or give the whole output";

// Words of a row are found behind at most so many words of a prefix (a time stamp, a pod's name).
constexpr std::size_t longest_prefix = 3;
constexpr std::size_t figures_per_cell = 4;       // time algbw busbw #wrong
constexpr std::size_t per_iteration_columns = 4;  // i_min i_max i_p99 i_cv%

std::optional<double> number(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
  return value;
}

bool is_type(std::string_view word) {
  constexpr std::array<std::string_view, 10> starts = {"int",    "uint", "half", "float", "double",
                                                       "bfloat", "bf16", "fp",   "f8",    "char"};
  return std::any_of(starts.begin(), starts.end(), [word](std::string_view s) { return word.starts_with(s); });
}

// Half of the last digit printed: 0.005 of "67.38", 0.5 of "13552".
double rounding_of(std::string_view word) {
  const std::size_t exponent = word.find_first_of("eE");
  const std::string_view mantissa = word.substr(0, exponent);
  const std::size_t point = mantissa.find('.');
  const auto decimals = point == std::string_view::npos ? 0 : static_cast<double>(mantissa.size() - point - 1);
  const double scale = exponent == std::string_view::npos ? 0 : number(word.substr(exponent + 1)).value_or(0);
  return 0.5 * std::pow(10.0, scale - decimals);
}

PrintedNumber figure(std::string_view word, std::string_view what, const SourceLocation& where) {
  if (word.find_first_of("xX*") != std::string_view::npos)
    throw InputError(where, fmt::format("{} '{}' is masked", what, word), "measured figures are needed");
  const std::optional<double> value = number(word);
  if (!value) throw InputError(where, fmt::format("{} '{}' is not a number", what, word), std::string(truncated_hint));
  if (!std::isfinite(*value) || *value < 0)
    throw InputError(where, fmt::format("{} '{}' is not a measurement", what, word),
                     "it must be finite and not negative");
  return {*value, rounding_of(word)};
}

NcclCell cell(std::span<const std::string_view> words, const SourceLocation& where) {
  NcclCell result{figure(words[0], "time", where), figure(words[1], "algbw", where), figure(words[2], "busbw", where),
                  false};
  const std::string_view wrong = words[3];
  if (wrong == "N/A") return result;
  figure(wrong, "the number of wrong results", where);
  // A count of wrong elements is whole; versions before 2.11 print the largest error there, as 5e-07.
  result.wrong = wrong.find_first_not_of("0123456789") == std::string_view::npos &&
                 wrong.find_first_not_of('0') != std::string_view::npos;
  return result;
}

double whole(std::string_view word, std::string_view what, const SourceLocation& where) {
  const PrintedNumber n = figure(word, what, where);
  constexpr double largest = 1e15;  // a petabyte: no GPU sends that
  if (n.value != std::floor(n.value) || n.value > largest)
    throw InputError(where, fmt::format("{} '{}' is not a whole number up to {:g}", what, word, largest));
  return n.value;
}

// Where size, count and type stand in the line.
std::optional<std::size_t> row_start(const Words& words) {
  for (std::size_t i = 0; i <= longest_prefix && i + 2 < words.size(); ++i)
    if (number(words[i]) && number(words[i + 1]) && is_type(words[i + 2])) return i;
  return std::nullopt;
}

// A size and perhaps a count, and nothing more: the last line of an output that was cut.
bool is_cut_row(const Words& words) {
  const auto digits = [](std::string_view w) { return w.find_first_not_of("0123456789") == std::string_view::npos; };
  return !words.empty() && words.size() <= 2 && std::all_of(words.begin(), words.end(), digits);
}

bool is_clock(std::string_view word) { return std::count(word.begin(), word.end(), ':') == 2; }

// The figures are counted from the right: reduction and root stand in front of them in some versions only.
NcclRow parse_row(const Words& words, std::size_t start, const NcclHeading& heading, SourceLocation where) {
  NcclRow row;
  row.where = std::move(where);
  row.size = whole(words[start], "size", row.where);
  row.count = whole(words[start + 1], "count", row.where);
  row.type = words[start + 2];
  std::span<const std::string_view> rest(words.data() + start + 3, words.size() - start - 3);
  if (rest.size() > 2 && is_clock(rest.back())) rest = rest.first(rest.size() - 2);  // date and time of day
  const std::size_t width = figures_per_cell + (heading.per_iteration ? per_iteration_columns : 0);
  const auto cells = static_cast<std::size_t>(std::clamp(heading.columns_of_figures, 1, 2));
  if (rest.size() < cells * width || rest.size() > cells * width + 2)
    throw InputError(row.where,
                     fmt::format("{} columns follow the type where {} are expected", rest.size(), cells * width),
                     std::string(truncated_hint));
  const auto front = rest.first(rest.size() - cells * width);
  if (!front.empty() && !number(front.front())) row.reduction = front.front();
  const auto figures = rest.last(cells * width);
  row.out_of_place = cell(figures.first(figures_per_cell), row.where);
  if (cells == 2) row.in_place = cell(figures.subspan(width, figures_per_cell), row.where);
  return row;
}

// Terminal colours, the line end of Windows, and the labels of Open MPI ("[1,0]<stdout>:") and srun -l ("0: ").
std::string without_prefix(std::string_view line) {
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b' && i + 1 < line.size() && line[i + 1] == '[') {
      while (i < line.size() && std::isalpha(static_cast<unsigned char>(line[i])) == 0) ++i;
      continue;
    }
    if (line[i] != '\r') text += line[i];
  }
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string::npos) return {};
  for (const std::string_view label : {"]<stdout>:", "]<stderr>:"})
    if (const std::size_t at = text.find(label); text[start] == '[' && at != std::string::npos)
      return text.substr(at + label.size());
  const std::size_t digits = text.find_first_not_of("0123456789", start);
  if (digits != start && digits != std::string::npos && text.compare(digits, 2, ": ") == 0)
    return text.substr(digits + 2);
  return text;
}

class LineReader {
 public:
  explicit LineReader(const std::string& file) : file_(file) {}

  void read(std::string_view raw) {
    ++number_;
    const std::string line = without_prefix(raw);
    const Words words = row_words(line);
    const SourceLocation where{file_, number_, 0};
    if (const auto start = row_start(words)) {
      table_.rows.push_back(parse_row(words, *start, table_.heading, where));
      return;
    }
    if (!table_.rows.empty() && is_cut_row(words))
      throw InputError(where, "the row ends after its size", std::string(truncated_hint));
    read_remark(line);
  }

  std::vector<NcclTable> tables() {
    close();
    return std::move(tables_);
  }

 private:
  // Some tools put "# " in front of every line.
  static Words row_words(std::string_view line) {
    Words words = words_of(line);
    if (!words.empty() && words.front() == "#") words.erase(words.begin());
    return words;
  }

  void read_remark(std::string_view line) {
    if (!table_.rows.empty()) {
      if (line.find("concluded") != std::string_view::npos && table_.heading.operation.empty())
        table_.heading.operation = operation_named_in(line);
      if (opens_run(line)) {
        close();
        table_.heading.operation.clear();
      } else if (names_columns(line)) {
        close();
      } else {
        return;  // other programs' lines, averages
      }
    }
    read_heading_line(line, table_.heading);
  }

  void close() {
    if (!table_.rows.empty()) tables_.push_back(table_);
    table_.rows.clear();
  }

  std::string file_;
  int number_ = 0;
  NcclTable table_;
  std::vector<NcclTable> tables_;
};

}  // namespace

Measurements read_nccl_log(std::string_view text, const std::string& file, const MeasurementChoices& choices) {
  LineReader reader(file);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    reader.read(text.substr(at, end - at));
    at = end + 1;
  }
  const std::vector<NcclTable> tables = reader.tables();
  if (tables.empty())
    throw InputError({file, 0, 0}, "holds no row of nccl-tests", "rows start with size, count and type");
  Measurements all;
  for (const NcclTable& table : tables) add_samples(table, file, choices, all);
  return all;
}

}  // namespace trainyard
