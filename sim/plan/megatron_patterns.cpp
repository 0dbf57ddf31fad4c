#include "sim/plan/megatron_patterns.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace trainyard {
namespace {

constexpr std::size_t longest_pattern = 1'000'000;

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }

// Leading digits of `text`, consumed; nullopt if there are none or too many.
std::optional<std::size_t> take_number(std::string_view& text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

// Unrolls "(xy)*3" and "x*3" (no nesting, as in Megatron).
std::optional<std::string> unrolled_layout(std::string_view layout) {
  std::string text(layout), unrolled;
  std::erase_if(text, [](char c) { return c == ',' || std::isspace(static_cast<unsigned char>(c)); });
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view unit = rest.substr(0, 1);
    rest.remove_prefix(1);
    if (unit == "(") {
      const std::size_t close = rest.find(')');
      if (close == std::string_view::npos) return std::nullopt;
      unit = rest.substr(0, close);
      rest.remove_prefix(close + 1);
      if (!rest.starts_with('*')) return std::nullopt;
    }
    std::size_t times = 1;
    if (rest.starts_with('*')) {
      rest.remove_prefix(1);
      const std::optional<std::size_t> number = take_number(rest);
      if (!number) return std::nullopt;
      times = *number;
    }
    if (times > longest_pattern || unrolled.size() + unit.size() * times > longest_pattern) return std::nullopt;
    for (std::size_t i = 0; i < times; ++i) unrolled += unit;
  }
  return unrolled;
}

// sum := part {"+" part}; part := ( "[" digits and commas "]" | "(" sum ")" ) ["*" number]
class ListExpression {
 public:
  explicit ListExpression(std::string_view text) : rest_(text) {}

  std::optional<std::vector<bool>> value() {
    std::optional<std::vector<bool>> list = sum(0);
    return rest_.empty() ? list : std::nullopt;
  }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<std::vector<bool>> sum(int nesting) {
    std::optional<std::vector<bool>> list = part(nesting);
    while (list && take('+')) {
      const std::optional<std::vector<bool>> more = part(nesting);
      if (!more || list->size() + more->size() > longest_pattern) return std::nullopt;
      list->insert(list->end(), more->begin(), more->end());
    }
    return list;
  }

  std::optional<std::vector<bool>> part(int nesting) {
    std::optional<std::vector<bool>> list;
    if (take('[')) {
      list = items();
    } else if (nesting < 20 && take('(')) {
      list = sum(nesting + 1);
      if (!take(')')) return std::nullopt;
    }
    if (!list || !take('*')) return list;
    const std::optional<std::size_t> times = take_number(rest_);
    if (!times || *times > longest_pattern || list->size() * *times > longest_pattern) return std::nullopt;
    std::vector<bool> repeated;
    for (std::size_t i = 0; i < *times; ++i) repeated.insert(repeated.end(), list->begin(), list->end());
    return repeated;
  }

  std::optional<std::vector<bool>> items() {
    std::vector<bool> list;
    while (!take(']')) {
      if (!list.empty() && !take(',')) return std::nullopt;
      if (!rest_.starts_with('0') && !rest_.starts_with('1')) return std::nullopt;
      list.push_back(rest_.front() == '1');
      rest_.remove_prefix(1);
    }
    return list;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<int> PipelineLayout::prediction_chunk() const {
  std::optional<int> found;
  for (std::size_t chunk = 0; chunk < predictions.size(); ++chunk) {
    if (predictions[chunk] == 0) continue;
    if (found) return std::nullopt;
    found = static_cast<int>(chunk);
  }
  const bool is_last = found && static_cast<std::size_t>(*found) + 1 == predictions.size();
  return is_last ? -1 : found.value_or(-1);
}

std::optional<PipelineLayout> pipeline_layout(std::string_view layout) {
  const std::optional<std::string> text = unrolled_layout(layout);
  if (!text || !text->starts_with('E') || !text->ends_with('L')) return std::nullopt;
  if (std::count(text->begin(), text->end(), 'E') != 1 || std::count(text->begin(), text->end(), 'L') != 1)
    return std::nullopt;
  PipelineLayout parsed{{0}, {0}};
  for (char c : *text) {
    if (c == '|') {
      parsed.layers.push_back(0);
      parsed.predictions.push_back(0);
    } else if (c == 't') {
      ++parsed.layers.back();
    } else if (c == 'm') {
      ++parsed.predictions.back();
    } else if (c != 'E' && c != 'L') {
      return std::nullopt;
    }
  }
  return parsed;
}

std::string layout_text(const PipelineLayout& layout) {
  const auto count = [](const std::vector<int>& counts, std::size_t chunk) {
    return static_cast<std::size_t>(chunk < counts.size() ? std::max(0, counts[chunk]) : 0);
  };
  std::string text = "E";
  for (std::size_t chunk = 0; chunk < layout.layers.size(); ++chunk) {
    if (chunk > 0) text += '|';
    text += std::string(count(layout.layers, chunk), 't') + std::string(count(layout.predictions, chunk), 'm');
  }
  return text + "L";
}

std::optional<std::vector<bool>> sparse_layers(std::string_view frequency, std::size_t layers) {
  std::string text(frequency);
  std::erase_if(text, [](char c) { return std::isspace(static_cast<unsigned char>(c)); });
  if (layers > longest_pattern) return std::nullopt;
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_digit)) {
    std::string_view rest = text;
    const std::optional<std::size_t> period = take_number(rest);
    if (!period || *period == 0) return std::nullopt;
    std::vector<bool> sparse(layers);
    for (std::size_t layer = 0; layer < layers; layer += *period) sparse[layer] = true;
    return sparse;
  }
  std::optional<std::vector<bool>> sparse = ListExpression(text).value();
  if (!sparse || sparse->size() != layers) return std::nullopt;
  return sparse;
}

}  // namespace trainyard
