#include "analysis/sweep/answer_text_plans.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trainyard {
namespace {

constexpr std::string_view separator = " · ";

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::vector<std::string> common_words(const std::vector<PlanRow>& rows, const std::string& reference) {
  std::vector<std::string> lines;
  if (!reference.empty()) lines.push_back(reference);
  for (const PlanRow& row : rows)
    if (plan_words(row.line).size() > 1) lines.push_back(row.line);  // a remark is one word here
  if (lines.size() < 2) return {};
  std::vector<std::string> common = plan_words(lines.front());
  for (const std::string& line : lines)
    std::erase_if(common, [words = plan_words(line)](const std::string& word) { return !contains(words, word); });
  return common;
}

// Of what the others differ in; a plan that has nothing of it is a dash.
std::string own_words(const std::string& line, const std::vector<std::string>& common) {
  std::vector<std::string> words = plan_words(line);
  std::erase_if(words, [&](const std::string& word) { return contains(common, word); });
  return words.empty() ? "–" : fmt::format("{}", fmt::join(words, separator));
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

// Broken between the settings of a plan, not inside one ("dp 8"): their own spaces are no-break spaces meanwhile.
std::string wrapped_words(const std::string& words, int width, std::size_t indent) {
  constexpr std::string_view no_break = "\u00a0", held = "\u00a0·\u00a0";
  const std::string kept = replaced(replaced(words, " ", no_break), held, fmt::format("{}· ", no_break));
  return replaced(wrapped(kept, width, std::string(indent, ' ')), no_break, " ");
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

}  // namespace

std::vector<std::string> plan_words(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find(separator, at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end + separator.size();
  }
  return words;
}

std::string plan_table(const std::vector<TableColumn>& table_columns, const std::vector<PlanRow>& rows,
                       const TextStyle& style, const std::string& reference) {
  constexpr int narrowest = 22;  // columns that words are still readable in
  TextTable table(table_columns);
  for (const PlanRow& row : rows) table.add(row.cells, row.ink, row.mark);
  TextStyle left = style;  // of the words
  left.width = style.width - narrowest - 2;
  const std::vector<std::string> numbers = lines_of(table.text(left));
  std::size_t used = 0;
  for (const std::string& line : numbers) used = std::max(used, columns(line) + 2);
  const int width = std::max(narrowest, style.width - static_cast<int>(used));
  const std::vector<std::string> common = common_words(rows, reference);
  std::string text;
  if (!common.empty())
    text +=
        fmt::format("  all: {}\n", wrapped_words(fmt::format("{}", fmt::join(common, separator)), style.width - 7, 7));
  const std::size_t titles = numbers.size() - rows.size();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::string words =
        i < titles ? painted("plan", Ink::faint, style) : own_words(rows[i - titles].line, common);
    text += numbers[i] + std::string(used - columns(numbers[i]), ' ');
    text += wrapped_words(words, width, used) + "\n";
  }
  return text;
}

}  // namespace trainyard
