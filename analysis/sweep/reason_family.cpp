#include "analysis/sweep/reason_family.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <string_view>
#include <vector>

namespace trainyard {
namespace {

// Where advice begins, or an explanation; "schedule zb-v: …" begins with its subject.
std::size_t end_of_statement(const std::string& reason) {
  const std::size_t second_space = reason.find(' ', reason.find(' ') + 1);
  return std::min(reason.find("; "),
                  second_space == std::string::npos ? second_space : reason.find(": ", second_space));
}

// Without remarks in parentheses.
std::string statement_of(const std::string& reason) {
  std::string text;
  int depth = 0;
  for (const char c : reason.substr(0, end_of_statement(reason))) {
    if (c == '(') ++depth;
    if (depth == 0) text += c;
    if (c == ')') depth = std::max(0, depth - 1);
  }
  return text;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

bool is_number(std::string_view word) {
  while (!word.empty() && (word.back() == ',' || word.back() == ':')) word.remove_suffix(1);
  return !word.empty() && std::all_of(word.begin(), word.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0 || c == '.' || c == '-'; });
}

bool is_setting(std::string_view word) { return word.find('_') != std::string_view::npos; }
bool is_limit(std::string_view before) { return before == ">" || before == "least" || before == "most"; }

std::string_view punctuation_of(std::string_view number) { return number.substr(number.find_last_not_of(",:") + 1); }

}  // namespace

std::string reason_family(const std::string& reason) {
  std::vector<std::string> family;
  for (const std::string& word : words_of(statement_of(reason))) {
    const std::string before = family.empty() ? "" : family.back();
    const bool needed = family.size() > 1 && family[family.size() - 2] == "needs";
    if (!is_number(word) || is_limit(before) || (needed && is_setting(before))) {
      family.push_back(word);
      continue;
    }
    if (before == "=") family.pop_back();  // "… = 24", a product that was spelled out
    const bool dispensable = before.empty() || before == "=" || is_setting(before);
    if (!dispensable) family.push_back("N");
    if (!family.empty()) family.back() += punctuation_of(word);
  }
  return fmt::format("{}", fmt::join(family, " "));
}

}  // namespace trainyard
