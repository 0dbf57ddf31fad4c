#include "topology/smi_words.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>

namespace trainyard {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool all_digits(std::string_view s) { return !s.empty() && std::all_of(s.begin(), s.end(), is_digit); }

constexpr std::array peer_to_peer_labels = {"CNS", "GNS", "TNS", "NS", "OK", "DR", "U"};
constexpr std::array cell_words = {"PIX", "PXB", "PHB", "NODE", "SYS", "SOC", "X"};

bool separates(char c, bool table) { return c == ' ' || c == '\t' || (table && (c == '|' || c == '*' || c == '`')); }

// Length of the label that `s` starts with, 0 if none. NV takes all digits that follow.
std::size_t label_length(std::string_view s) {
  if (s.starts_with("NV")) {
    std::size_t end = 2;
    while (end < s.size() && is_digit(s[end])) ++end;
    return end > 2 ? end : 0;
  }
  for (std::string_view label : cell_words)
    if (s.starts_with(label)) return label.size();
  for (std::string_view label : peer_to_peer_labels)
    if (s.starts_with(label)) return label.size();
  return 0;
}

// Length of the "GPU12" or "NIC3" that `s` starts with, 0 if none.
std::size_t device_length(std::string_view s) {
  if (!s.starts_with("GPU") && !s.starts_with("NIC")) return 0;
  std::size_t end = 3;
  while (end < s.size() && is_digit(s[end])) ++end;
  return end > 3 ? end : 0;
}

std::optional<std::vector<CaptureWord>> split_by(const CaptureWord& word, std::size_t (*length)(std::string_view)) {
  std::vector<CaptureWord> parts;
  std::string_view rest = word.text;
  for (std::size_t at = 0; !rest.empty();) {
    const std::size_t n = length(rest);
    if (n == 0) return std::nullopt;
    parts.push_back({std::string(rest.substr(0, n)), word.line, word.column + static_cast<int>(at)});
    rest.remove_prefix(n);
    at += n;
  }
  return parts;
}

bool is_tail_word(std::string_view s) {
  return s == "CPU" || s == "NUMA" || s == "GPU" || s == "Affinity" || s == "ID" || s == "CPU_Affinity" ||
         s == "NUMA_Affinity";
}

std::vector<std::string> tail_columns_in(const std::vector<CaptureWord>& words, std::size_t from) {
  std::vector<std::string> tail;
  for (std::size_t i = from; i < words.size() && !is_gpu_label(words[i].text); ++i) {
    if (words[i].text == "CPU" || words[i].text == "CPU_Affinity") tail.emplace_back("CPU Affinity");
    if (words[i].text == "NUMA_Affinity") tail.emplace_back("NUMA Affinity");
    if (words[i].text != "NUMA" || i + 1 == words.size()) continue;
    tail.emplace_back(words[i + 1].text == "ID" ? "GPU NUMA ID" : "NUMA Affinity");
  }
  return tail;
}

// GPUs without a gap, then NICs that are either all numbered or all named.
bool plausible_order(const std::vector<CaptureWord>& labels) {
  const auto first_nic =
      std::find_if(labels.begin(), labels.end(), [](const CaptureWord& w) { return !is_gpu_label(w.text); });
  const auto numbered = [](const CaptureWord& w) { return is_nic_number(w.text); };
  const auto gpu = [](const CaptureWord& w) { return is_gpu_label(w.text); };
  if (std::any_of(first_nic, labels.end(), gpu)) return false;
  return std::all_of(first_nic, labels.end(), numbered) || std::none_of(first_nic, labels.end(), numbered);
}

}  // namespace

bool is_gpu_label(std::string_view text) { return text.starts_with("GPU") && all_digits(text.substr(3)); }
bool is_nic_number(std::string_view text) { return text.starts_with("NIC") && all_digits(text.substr(3)); }

bool is_nic_name(std::string_view text) {
  if (text.size() < 3 || !is_letter(text[0]) || text.starts_with("GPU") || text.starts_with("NIC")) return false;
  if (std::none_of(text.begin(), text.end(), is_digit) || label_length(text) == text.size()) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_peer_to_peer_label(std::string_view text) {
  return std::find(peer_to_peer_labels.begin(), peer_to_peer_labels.end(), text) != peer_to_peer_labels.end();
}

std::optional<CellLabel> cell_label(std::string_view text) {
  if (text == "X") return CellLabel{};
  if (text == "PIX") return CellLabel{Relation{LinkClass::pix, 0}};
  if (text == "PXB") return CellLabel{Relation{LinkClass::pxb, 0}};
  if (text == "PHB") return CellLabel{Relation{LinkClass::phb, 0}};
  if (text == "NODE") return CellLabel{Relation{LinkClass::node, 0}};
  if (text == "SYS" || text == "SOC") return CellLabel{Relation{LinkClass::sys, 0}};
  if (!text.starts_with("NV") || !all_digits(text.substr(2))) return std::nullopt;
  int links = 0;
  if (std::from_chars(text.data() + 2, text.data() + text.size(), links).ec != std::errc{}) return std::nullopt;
  return CellLabel{Relation{LinkClass::nvlink, links}};
}

std::vector<CaptureWord> words_of(const CaptureLine& line) {
  std::vector<CaptureWord> words;
  for (std::size_t i = 0; i < line.text.size();) {
    if (separates(line.text[i], line.table)) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < line.text.size() && !separates(line.text[end], line.table)) ++end;
    words.push_back({line.text.substr(i, end - i), line.number, line.column_at(i)});
    i = end;
  }
  return words;
}

std::vector<std::string> table_cells(const CaptureLine& line) {
  std::vector<std::string> cells;
  const std::size_t open = line.text.find('|');
  for (std::size_t begin = open + 1; begin <= line.text.size();) {
    const std::size_t end = std::min(line.text.find('|', begin), line.text.size());
    const std::string_view cell = std::string_view(line.text).substr(begin, end - begin);
    const std::size_t first = cell.find_first_not_of(" \t*`");
    const std::size_t last = cell.find_last_not_of(" \t*`");
    if (end < line.text.size() || first != std::string_view::npos)
      cells.emplace_back(first == std::string_view::npos ? "" : cell.substr(first, last - first + 1));
    begin = end + 1;
  }
  return cells;
}

std::optional<std::vector<CaptureWord>> cells_in(const CaptureWord& word) { return split_by(word, label_length); }
std::optional<std::vector<CaptureWord>> devices_in(const CaptureWord& word) { return split_by(word, device_length); }

std::optional<HeaderWords> header_in(const std::vector<CaptureWord>& words) {
  HeaderWords header;
  std::size_t i = 0;
  while (i < words.size() && is_tail_word(words[i].text)) ++i;
  header.tail_columns = tail_columns_in(words, 0);
  for (; i < words.size(); ++i) {
    const std::string& text = words[i].text;
    const bool heading = is_tail_word(text) || (i + 1 < words.size() && words[i + 1].text == "Affinity");
    if (heading) {
      const std::vector<std::string> tail = tail_columns_in(words, i);
      header.tail_columns.insert(header.tail_columns.end(), tail.begin(), tail.end());
      break;
    }
    if (const auto devices = devices_in(words[i])) {
      header.columns.insert(header.columns.end(), devices->begin(), devices->end());
    } else if (is_nic_name(text)) {
      header.columns.push_back(words[i]);
    } else {
      return std::nullopt;
    }
  }
  if (header.columns.empty() && header.tail_columns.empty()) return std::nullopt;
  if (!plausible_order(header.columns)) return std::nullopt;
  return header;
}

}  // namespace trainyard
