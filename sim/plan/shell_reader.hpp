// One pass over a script, behind read_shell_script: words and their expansion are in shell_words.cpp, commands,
// assignments and conditions in shell_script.cpp.
#pragma once

#include <cctype>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/plan/shell_script.hpp"

namespace trainyard {

// An unknown inside a word: begin, its index in decimal, end. Neither byte occurs in a text script.
inline constexpr char unknown_mark_begin = '\x01';
inline constexpr char unknown_mark_end = '\x02';

inline constexpr std::size_t longest_shell_value = 1'000'000;
inline constexpr int deepest_shell_nesting = 20;  // of ${A:-${B:-…}} and bash -c "bash -c …"

inline bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
inline bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

inline std::optional<std::int64_t> shell_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

enum class BranchTaken { no, yes, maybe };

// One open if, loop, case or function. `branch_done`: an earlier branch of the if was certainly (yes) or perhaps taken.
struct ShellBlock {
  BranchTaken outside = BranchTaken::yes;
  BranchTaken branch_done = BranchTaken::no;
  bool is_if = false;
};

// What expanding one word gives: several words where an unquoted variable holds blanks, none where it is empty.
struct ShellFields {
  std::vector<std::string> done;
  std::string current;
  bool started = false;

  void add(char c) {
    current += c;
    started = true;
  }
  void add(std::string_view text) {
    current += text;
    started = true;
  }
  void cut() {
    if (started) done.push_back(std::move(current));
    current.clear();
    started = false;
  }
  void add_split(std::string_view text) {
    for (char c : text) std::isspace(static_cast<unsigned char>(c)) ? cut() : add(c);
  }
};

class ScriptReader {
 public:
  explicit ScriptReader(ShellScript& script) : script_(script) {}

  void read(const std::string& text, int first_line, int nesting) {
    if (nesting > deepest_shell_nesting) fail(first_line, "the commands are nested too deeply");
    const std::string outer_text = std::exchange(text_, text);
    const std::size_t outer_position = std::exchange(position_, 0);
    const int outer_line = std::exchange(line_, first_line);
    const int outer_nesting = std::exchange(nesting_, nesting);
    while (!at_end()) read_command();
    text_ = outer_text;
    position_ = outer_position;
    line_ = outer_line;
    nesting_ = outer_nesting;
  }

 private:
  // Characters.
  bool at_end() const { return position_ >= text_.size(); }
  char peek(std::size_t ahead = 0) const { return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0'; }
  char next() {
    const char c = text_[position_++];
    if (c == '\n') ++line_;
    return c;
  }
  [[noreturn]] void fail(int line, std::string message) const {
    throw InputError({script_.file, line, 0}, std::move(message));
  }
  void skip_blanks();
  void skip_comment() {
    while (!at_end() && peek() != '\n') next();
  }
  std::string read_balanced(char open, char close);

  // Commands.
  void read_command();
  bool read_assignment();
  void read_redirection();
  void finish_command(ShellCommand words, char joined_by);
  static BranchTaken joined(char joined_by, BranchTaken left, BranchTaken right);
  bool read_keyword(const std::string& word);
  void open_branch(BranchTaken condition);
  BranchTaken condition_holds(const ShellCommand& words) const;
  void assign(const std::string& variable, std::vector<ShellWord> value, bool append);

  // Words.
  void read_word(ShellFields& fields, bool split);
  void read_double_quoted(ShellFields& fields);
  void read_expansion(ShellFields& fields, bool split);
  void read_braced(ShellFields& fields, bool split);
  void add_value(ShellFields& fields, const std::string& text, bool split) {
    split ? fields.add_split(text) : fields.add(text);
  }
  std::string value_of(const std::string& variable);
  std::string unknown(std::string source, std::string reason);
  std::string expand(const std::string& raw);

  ShellScript& script_;
  std::string text_;
  std::size_t position_ = 0;
  int line_ = 1;
  int nesting_ = 0;
  std::vector<ShellBlock> blocks_;
  BranchTaken taken_ = BranchTaken::yes;
  bool reading_condition_ = false;
  BranchTaken condition_ = BranchTaken::no;  // of the if being read, as far as it is
  char joined_by_ = 0;                       // what precedes the command: & of &&, | of ||, else 0
};

}  // namespace trainyard
