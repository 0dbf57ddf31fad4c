#include "topology/smi_matrix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "sim/base/errors.hpp"
#include "topology/smi_words.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_devices = 512;

bool same_label(const std::vector<CaptureWord>& labels, std::string_view text) {
  return std::any_of(labels.begin(), labels.end(), [&](const CaptureWord& w) { return w.text == text; });
}

bool is_separator(const CaptureLine& line) {
  return line.table && line.text.find_first_not_of(" \t|-:") == std::string::npos;
}

// What stands behind the cells: CPU affinity, NUMA affinity, GPU NUMA ID, any of which may be empty.
std::vector<std::string> tail_fields(std::string_view tail) {
  std::vector<std::string> fields;
  const bool tabs = tail.find('\t') != std::string_view::npos;
  if (tabs) tail.remove_prefix(std::min(tail.find('\t') + 1, tail.size()));
  for (std::size_t i = 0; i <= tail.size();) {
    std::size_t end = i;
    while (end < tail.size() && tail[end] != '\t' && (tabs || tail[end] != ' ')) ++end;
    std::string_view field = tail.substr(i, end - i);
    while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
    while (!field.empty() && field.back() == ' ') field.remove_suffix(1);
    const bool continues_list = !fields.empty() && fields.back().ends_with(',');  // "0, 2, 4"
    if (continues_list && !field.empty())
      fields.back() += field;
    else if (tabs || !field.empty())
      fields.emplace_back(field);
    i = end + 1;
  }
  return fields;
}

void read_tail(MatrixRow& row, std::string_view tail, const std::vector<std::string>& headings) {
  std::vector<std::string> fields = tail_fields(tail);
  row.tail = std::any_of(fields.begin(), fields.end(), [](const std::string& f) { return !f.empty(); });
  if (!row.tail) return;
  if (fields.size() == 2 && fields[0] == "NUMA") {  // trimmed by hand: "NUMA 0"
    row.numa_affinity = fields[1];
    return;
  }
  const bool tabs = tail.find('\t') != std::string_view::npos;
  // Blanks do not show which field is empty; a last "N/A" then is the GPU's own NUMA node, which every driver prints.
  const bool only_last = !tabs && headings.size() == 3 && fields.size() < 3 && fields.back() == "N/A";
  if (only_last) fields.pop_back();
  if (!fields.empty()) row.cpu_affinity = fields[0];
  if (fields.size() > 1) row.numa_affinity = fields[1];
}

void read_table_affinity(MatrixRow& row, const CaptureLine& line, const std::vector<std::string>& header) {
  const std::vector<std::string> cells = table_cells(line);
  if (cells.size() != header.size()) return;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (header[i] == "CPU Affinity") row.cpu_affinity = cells[i];
    if (header[i] == "NUMA Affinity") row.numa_affinity = cells[i];
  }
  row.tail = !row.cpu_affinity.empty() || !row.numa_affinity.empty();
}

class MatrixFinder {
 public:
  explicit MatrixFinder(const std::string& name) : name_(name) {}

  void take(const CaptureLine& line) {
    if (is_separator(line)) return;
    const std::vector<CaptureWord> words = words_of(line);
    if (words.empty()) {
      row_is_open_ = false;
      return;
    }
    const std::optional<HeaderWords> header = header_in(words);
    if (header && !row_at(words)) {
      take_header(*header, line);
    } else if (const std::optional<std::size_t> at = row_at(words)) {
      take_row(words, *at, line);
    } else if (row_is_open_) {
      continue_row(words, line);
    } else {
      refuse_unknown_row(words);
    }
  }

  std::vector<CaptureMatrix> result() {
    std::vector<CaptureMatrix> found;
    for (CaptureMatrix& matrix : matrices_)
      if (!matrix.rows.empty()) found.push_back(std::move(matrix));
    return found;
  }

 private:
  CaptureMatrix& current() {
    if (matrices_.empty()) matrices_.emplace_back();
    return matrices_.back();
  }

  void take_header(const HeaderWords& header, const CaptureLine& line) {
    row_is_open_ = false;
    if (!starts_or_continues_header(header)) return;
    const bool repeats = std::any_of(header.columns.begin(), header.columns.end(),
                                     [&](const CaptureWord& w) { return same_label(current().columns, w.text); });
    if (!current().rows.empty() || repeats) matrices_.emplace_back();
    CaptureMatrix& matrix = current();
    matrix.columns.insert(matrix.columns.end(), header.columns.begin(), header.columns.end());
    matrix.tail_columns.insert(matrix.tail_columns.end(), header.tail_columns.begin(), header.tail_columns.end());
    if (line.table) matrix.table_header = table_cells(line);
    if (matrix.columns.size() > most_devices)
      throw InputError({name_, line.number, 0},
                       fmt::format("the header names more than {} devices, more than a node can have", most_devices));
  }

  // A lone word such as a host name can look like a NIC; it joins a header only in the company of surer words.
  bool starts_or_continues_header(const HeaderWords& header) {
    const auto sure = [](const CaptureWord& w) { return is_gpu_label(w.text) || is_nic_number(w.text); };
    const bool starts = !header.columns.empty() && is_gpu_label(header.columns.front().text);
    if (starts) return true;
    if (current().columns.empty() || !current().rows.empty()) return false;
    return !header.tail_columns.empty() || std::any_of(header.columns.begin(), header.columns.end(), sure);
  }

  // Where in the line a row starts: a device label followed by a cell. Logs may put words in front of it.
  std::optional<std::size_t> row_at(const std::vector<CaptureWord>& words) {
    for (std::size_t i = 0; i + 1 < words.size() && i < 8; ++i) {
      const std::string& text = words[i].text;
      const bool label = is_gpu_label(text) || is_nic_number(text) || same_label(current().columns, text);
      if (label && is_row_body(words, i + 1)) return i;
      if (cells_in(words[i])) return std::nullopt;
    }
    return std::nullopt;
  }

  // A row whose first cell is damaged still is a row if most of the rest are cells.
  bool is_row_body(const std::vector<CaptureWord>& words, std::size_t from) {
    if (cells_in(words[from])) return true;
    std::size_t cells = 0;
    for (std::size_t i = from; i < words.size(); ++i) cells += cells_in(words[i]) ? 1 : 0;
    return cells > 0 && cells * 2 >= current().columns.size();
  }

  void take_row(const std::vector<CaptureWord>& words, std::size_t at, const CaptureLine& line) {
    MatrixRow row;
    row.label = words[at];
    current().rows.push_back(std::move(row));
    if (current().rows.size() > most_devices)
      throw InputError({name_, line.number, 0},
                       fmt::format("more than {} rows, more than a node can have", most_devices));
    read_cells(words, at + 1, line);
  }

  void continue_row(const std::vector<CaptureWord>& words, const CaptureLine& line) {
    const bool legend = words.size() > 1 && words[1].text == "=";
    row_is_open_ = false;
    if (!legend && cells_in(words[0])) read_cells(words, 0, line);
  }

  void read_cells(const std::vector<CaptureWord>& words, std::size_t from, const CaptureLine& line) {
    CaptureMatrix& matrix = current();
    MatrixRow& row = matrix.rows.back();
    const std::size_t wanted = matrix.columns.empty() ? most_devices + 1 : matrix.columns.size();
    std::size_t i = from;
    for (; i < words.size(); ++i) {
      const auto cells = cells_in(words[i]);
      if (cells) {
        row.cells.insert(row.cells.end(), cells->begin(), cells->end());
        for (const CaptureWord& cell : *cells) matrix.peer_to_peer |= is_peer_to_peer_label(cell.text);
        continue;
      }
      if (row.cells.size() >= wanted || matrix.columns.empty()) break;
      row.cells.push_back(words[i]);  // not a label; refused with its row and column when the matrix is read
    }
    if (line.table)
      read_table_affinity(row, line, matrix.table_header);
    else if (i < words.size())
      read_tail(row, text_from(line, words[i - 1]), matrix.tail_columns);
    row_is_open_ = !matrix.columns.empty() && row.cells.size() < wanted;
  }

  // The rest of the line behind a word, found by the word's column.
  static std::string_view text_from(const CaptureLine& line, const CaptureWord& word) {
    const auto at = std::lower_bound(line.columns.begin(), line.columns.end(), word.column);
    const std::size_t begin = static_cast<std::size_t>(at - line.columns.begin()) + word.text.size();
    return begin < line.text.size() ? std::string_view(line.text).substr(begin) : std::string_view{};
  }

  void refuse_unknown_row(const std::vector<CaptureWord>& words) {
    const CaptureMatrix& matrix = current();
    if (matrix.columns.empty() && matrix.rows.empty()) return;
    const std::size_t expected =
        std::max<std::size_t>(matrix.columns.size(), matrix.rows.empty() ? 0 : matrix.rows.back().cells.size());
    std::size_t cells = 0;
    for (std::size_t i = 1; i < words.size(); ++i) cells += cells_in(words[i]) ? 1 : 0;
    if (cells < std::max<std::size_t>(expected, 2) - 1 || cells < 2) return;
    throw InputError(
        {name_, words[0].line, words[0].column},
        fmt::format("a row of the matrix starts with '{}', which no header column is called", words[0].text));
  }

  const std::string& name_;
  std::vector<CaptureMatrix> matrices_;
  bool row_is_open_ = false;
};

}  // namespace

std::vector<CaptureMatrix> find_matrices(const std::vector<CaptureLine>& lines, const std::string& name_in_messages) {
  MatrixFinder finder(name_in_messages);
  for (const CaptureLine& line : lines) finder.take(line);
  return finder.result();
}

}  // namespace trainyard
