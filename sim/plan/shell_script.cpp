#include "sim/plan/shell_script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "sim/plan/shell_reader.hpp"

namespace trainyard {

void ScriptReader::assign(const std::string& variable, std::vector<ShellWord> value, bool append) {
  if (taken_ == BranchTaken::no) return;
  if (taken_ == BranchTaken::maybe || joined_by_ != 0)
    value = {{unknown("$" + variable,
                      fmt::format("the value of ${} depends on a condition of the script at line {}", variable, line_)),
              line_}};
  if (std::find(script_.assigned.begin(), script_.assigned.end(), variable) == script_.assigned.end())
    script_.assigned.push_back(variable);
  std::vector<ShellWord>& words = script_.variables[variable];
  if (!append) words.clear();
  words.insert(words.end(), value.begin(), value.end());
  std::size_t size = words.size();
  for (const ShellWord& word : words) size += word.text.size();
  if (size > longest_shell_value)
    fail(line_, fmt::format("the value of {} grows beyond {} characters", variable, longest_shell_value));
}

// NAME=value, NAME+=value, NAME=( … ) at the position; false (and nothing consumed) if there is none.
bool ScriptReader::read_assignment() {
  std::size_t length = 0;
  while (is_name_char(peek(length))) ++length;
  const bool append = peek(length) == '+' && peek(length + 1) == '=';
  if (length == 0 || !is_name_start(peek()) || (!append && peek(length) != '=')) return false;
  const std::string variable = text_.substr(position_, length);
  const int first_line = line_;
  position_ += length + (append ? 2 : 1);
  if (peek() != '(') {
    ShellFields fields;
    read_word(fields, false);
    std::string text = fields.current;
    const auto found = script_.variables.find(variable);
    if (append && found != script_.variables.end() && !found->second.empty()) text = found->second.front().text + text;
    assign(variable, {{text, first_line}}, false);
    return true;
  }
  next();
  std::vector<ShellWord> value;
  for (;;) {
    skip_blanks();
    if (at_end()) fail(first_line, fmt::format("the array {}=( is never closed", variable));
    if (peek() == '\n') {
      next();
      continue;
    }
    if (peek() == '#') {
      skip_comment();
      continue;
    }
    if (peek() == ')') break;
    const std::size_t before = position_;
    const int line = line_;
    ShellFields fields;
    read_word(fields, true);
    fields.cut();
    for (std::string& text : fields.done) value.push_back({std::move(text), line});
    if (position_ == before) fail(line, fmt::format("'{}' does not belong into the array {}", peek(), variable));
  }
  next();
  assign(variable, std::move(value), append);
  return true;
}

void ScriptReader::read_redirection() {
  while (!at_end() && std::string_view("<>&").find(peek()) != std::string_view::npos) next();
  skip_blanks();
  ShellFields ignored;
  read_word(ignored, true);
}

void ScriptReader::read_command() {
  ShellCommand words;
  bool assignments_may_follow = true;
  const char joined_by = joined_by_;
  for (;;) {
    skip_blanks();
    if (at_end()) break;
    if (peek() == '#') {
      skip_comment();
      continue;
    }
    if (peek() == '<' || peek() == '>') {
      read_redirection();
      continue;
    }
    if (peek() == '\n' || std::string_view(";&|()").find(peek()) != std::string_view::npos) break;
    if (assignments_may_follow && read_assignment()) continue;
    const int line = line_;
    ShellFields fields;
    const bool quoted = peek() == '"' || peek() == '\'';
    read_word(fields, true);
    fields.cut();
    if (!at_end() && (peek() == '<' || peek() == '>') && fields.done.size() == 1 && shell_number(fields.done.front()))
      continue;  // the 2 of 2>&1
    if (words.empty() && !quoted && fields.done.size() == 1 && read_keyword(fields.done.front())) continue;
    for (std::string& text : fields.done) words.push_back({std::move(text), line});
    static constexpr std::string_view declarations[] = {"export", "declare", "local", "readonly", "set", "typeset"};
    assignments_may_follow = words.empty() || std::find(std::begin(declarations), std::end(declarations),
                                                        words.front().text) != std::end(declarations);
  }
  joined_by_ = 0;
  if (!at_end()) {
    const char ended_by = next();
    if ((ended_by == '&' || ended_by == '|') && peek() == ended_by) {
      next();
      joined_by_ = ended_by;
    }
  }
  finish_command(std::move(words), joined_by);
}

void ScriptReader::open_branch(BranchTaken condition) {
  const ShellBlock& block = blocks_.back();
  if (block.outside == BranchTaken::no || block.branch_done == BranchTaken::yes)
    taken_ = BranchTaken::no;
  else if (block.outside == BranchTaken::maybe || block.branch_done == BranchTaken::maybe)
    taken_ = condition == BranchTaken::no ? BranchTaken::no : BranchTaken::maybe;
  else
    taken_ = condition;
  if (condition == BranchTaken::yes && block.branch_done == BranchTaken::no)
    blocks_.back().branch_done = BranchTaken::yes;
  if (condition == BranchTaken::maybe && block.branch_done == BranchTaken::no)
    blocks_.back().branch_done = BranchTaken::maybe;
}

// True if the word is shell grammar rather than the first word of a command.
bool ScriptReader::read_keyword(const std::string& word) {
  if (word == "if" || word == "elif") {
    if (word == "if") blocks_.push_back({taken_, BranchTaken::no, true});
    reading_condition_ = true;
  } else if (word == "else") {
    if (!blocks_.empty()) open_branch(BranchTaken::yes);
  } else if (word == "for" || word == "while" || word == "until" || word == "case" || word == "{") {
    blocks_.push_back({taken_, BranchTaken::no, false});
    if (taken_ == BranchTaken::yes && word != "{") taken_ = BranchTaken::maybe;
  } else if (word == "fi" || word == "done" || word == "esac" || word == "}") {
    if (!blocks_.empty()) {
      taken_ = blocks_.back().outside;
      blocks_.pop_back();
    }
  } else if (word != "then" && word != "do") {
    return false;
  }
  return true;
}

BranchTaken ScriptReader::condition_holds(const ShellCommand& words) const {
  std::vector<std::string> test;
  for (const ShellWord& word : words) {
    if (script_.unknown_in(word.text)) return BranchTaken::maybe;
    test.push_back(word.text);
  }
  if (test.size() < 4 || (test.front() != "[" && test.front() != "[[")) return BranchTaken::maybe;
  const auto answer = [](bool holds) { return holds ? BranchTaken::yes : BranchTaken::no; };
  if (test.size() == 4 && test[1] == "-z") return answer(test[2].empty());
  if (test.size() == 4 && test[1] == "-n") return answer(!test[2].empty());
  if (test.size() != 5) return BranchTaken::maybe;
  if (test[2] == "==" || test[2] == "=") return answer(test[1] == test[3]);
  if (test[2] == "!=") return answer(test[1] != test[3]);
  const auto left = shell_number(test[1]), right = shell_number(test[3]);
  if (!left || !right) return BranchTaken::maybe;
  if (test[2] == "-eq") return answer(*left == *right);
  if (test[2] == "-ne") return answer(*left != *right);
  if (test[2] == "-gt") return answer(*left > *right);
  if (test[2] == "-ge") return answer(*left >= *right);
  if (test[2] == "-lt") return answer(*left < *right);
  if (test[2] == "-le") return answer(*left <= *right);
  return BranchTaken::maybe;
}

// a || b and a && b, as far as known.
BranchTaken ScriptReader::joined(char joined_by, BranchTaken left, BranchTaken right) {
  const BranchTaken decisive = joined_by == '|' ? BranchTaken::yes : BranchTaken::no;
  if (left == decisive || right == decisive) return decisive;
  if (left == BranchTaken::maybe || right == BranchTaken::maybe) return BranchTaken::maybe;
  return left;
}

void ScriptReader::finish_command(ShellCommand words, char joined_by) {
  if (reading_condition_) {
    if (words.empty()) return;
    const BranchTaken holds = condition_holds(words);
    condition_ = joined_by == 0 ? holds : joined(joined_by, condition_, holds);
    if (joined_by_ != 0) return;
    reading_condition_ = false;
    if (!blocks_.empty()) open_branch(condition_);
    return;
  }
  if (words.empty() || taken_ == BranchTaken::no) return;
  for (std::size_t i = 0; i + 2 < words.size(); ++i) {
    const bool shell = words[i].text.ends_with("sh");
    if (!shell || words[i + 1].text != "-c") continue;
    return read(words[i + 2].text, words[i + 2].line, nesting_ + 1);
  }
  if (words.front().text == "eval") {
    std::string line;
    for (std::size_t i = 1; i < words.size(); ++i) line += words[i].text + " ";
    return read(line, words.front().line, nesting_ + 1);
  }
  script_.commands.push_back(std::move(words));
}

const ShellScript::Unknown* ShellScript::unknown_in(const std::string& text) const {
  const std::size_t begin = text.find(unknown_mark_begin);
  if (begin == std::string::npos) return nullptr;
  const auto index =
      shell_number(std::string_view(text).substr(begin + 1, text.find(unknown_mark_end, begin) - begin - 1));
  if (!index || *index < 0 || static_cast<std::size_t>(*index) >= unknowns.size()) return nullptr;
  return &unknowns[static_cast<std::size_t>(*index)];
}

std::string ShellScript::shown(const std::string& text) const {
  const Unknown* unknown = unknown_in(text);
  if (!unknown) return text;
  const std::size_t begin = text.find(unknown_mark_begin), end = text.find(unknown_mark_end, begin);
  return text.substr(0, begin) + unknown->source + shown(text.substr(end + 1));
}

ShellScript read_shell_script(const std::string& text, const std::string& name_in_messages) {
  ShellScript script;
  script.file = name_in_messages;
  std::string clean = text;  // a script that already holds the marks of unknowns is not text
  std::erase_if(clean, [](char c) { return c == unknown_mark_begin || c == unknown_mark_end; });
  ScriptReader(script).read(clean, 1, 0);
  return script;
}

}  // namespace trainyard
