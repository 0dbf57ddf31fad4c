#include "sim/plan/shell_script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>
#include <utility>

#include "sim/plan/shell_arithmetic.hpp"

namespace trainyard {
namespace {

// An unknown inside a word: begin, its index in decimal, end. Neither byte occurs in a text script.
constexpr char unknown_begin = '\x01';
constexpr char unknown_end = '\x02';

constexpr std::size_t largest_value = 1'000'000;
constexpr int deepest_nesting = 20;  // of ${A:-${B:-…}} and bash -c "bash -c …"

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

enum class Taken { no, yes, maybe };

// One open if, loop, case or function. `branch_done`: an earlier branch of the if was certainly (yes) or perhaps taken.
struct Block {
  Taken outside = Taken::yes;
  Taken branch_done = Taken::no;
  bool is_if = false;
};

// What expanding one word gives: several words where an unquoted variable holds blanks, none where it is empty.
struct Fields {
  std::vector<std::string> done;
  std::string current;
  bool started = false;

  void add(char c) { current += c; started = true; }
  void add(std::string_view text) { current += text; started = true; }
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
    if (nesting > deepest_nesting) return;
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
  char peek(std::size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  char next() {
    const char c = text_[position_++];
    if (c == '\n') ++line_;
    return c;
  }
  [[noreturn]] void fail(int line, std::string message) const {
    throw InputError({script_.file, line, 0}, std::move(message));
  }
  void skip_blanks();
  void skip_comment() { while (!at_end() && peek() != '\n') next(); }
  std::string read_balanced(char open, char close);

  // Commands.
  void read_command();
  bool read_assignment();
  void read_redirection();
  void finish_command(ShellCommand words, bool after_and_or);
  bool read_keyword(const std::string& word);
  void open_branch(Taken condition);
  Taken condition_holds(const ShellCommand& words) const;
  void assign(const std::string& variable, std::vector<ShellWord> value, bool append);

  // Words.
  void read_word(Fields& fields, bool split);
  void read_double_quoted(Fields& fields);
  void read_expansion(Fields& fields, bool split);
  void read_braced(Fields& fields, bool split);
  void add_value(Fields& fields, const std::string& text, bool split) { split ? fields.add_split(text) : fields.add(text); }
  std::string value_of(const std::string& variable);
  std::string unknown(std::string source, std::string reason);
  std::string expand(const std::string& raw);

  ShellScript& script_;
  std::string text_;
  std::size_t position_ = 0;
  int line_ = 1;
  int nesting_ = 0;
  std::vector<Block> blocks_;
  Taken taken_ = Taken::yes;
  bool reading_condition_ = false;
  bool after_and_or_ = false;
};

void ScriptReader::skip_blanks() {
  while (!at_end()) {
    if (peek() == '\\' && peek(1) == '\n') {
      next();
      next();
    } else if (peek() == '\\' && peek(1) == '\r' && peek(2) == '\n') {
      position_ += 2;
      next();
    } else if (peek() != '\n' && std::isspace(static_cast<unsigned char>(peek()))) {
      next();
    } else {
      return;
    }
  }
}

// Text up to the bracket that closes the one just consumed, which is consumed too.
std::string ScriptReader::read_balanced(char open, char close) {
  const int first_line = line_;
  std::string inside;
  for (int depth = 1; !at_end();) {
    const char c = next();
    if (c == open) ++depth;
    if (c == close && --depth == 0) return inside;
    inside += c;
  }
  fail(first_line, fmt::format("'{}' is never closed", open));
}

std::string ScriptReader::unknown(std::string source, std::string reason) {
  script_.unknowns.push_back({std::move(source), std::move(reason)});
  return fmt::format("{}{}{}", unknown_begin, script_.unknowns.size() - 1, unknown_end);
}

std::string ScriptReader::value_of(const std::string& variable) {
  const auto found = script_.variables.find(variable);
  if (found == script_.variables.end())
    return unknown("$" + variable, fmt::format("${} has no value in this script", variable));
  return found->second.empty() ? std::string() : found->second.front().text;
}

std::string ScriptReader::expand(const std::string& raw) {
  if (nesting_ >= deepest_nesting) fail(line_, "the expansions are nested too deeply");
  const std::string outer_text = std::exchange(text_, raw);
  const std::size_t outer_position = std::exchange(position_, 0);
  const int outer_line = line_;
  ++nesting_;
  Fields fields;
  while (!at_end()) {
    const std::size_t before = position_;
    read_word(fields, false);
    if (position_ == before) fields.add(next());  // blanks and operators are ordinary here
  }
  --nesting_;
  text_ = outer_text;
  position_ = outer_position;
  line_ = outer_line;
  return fields.current;
}

void ScriptReader::read_expansion(Fields& fields, bool split) {
  next();  // $
  if (peek() == '{') {
    next();
    read_braced(fields, split);
  } else if (peek() == '(' && peek(1) == '(') {
    next();
    next();
    const std::string raw = read_balanced('(', ')');
    if (!at_end() && peek() == ')') next();
    const auto number_of = [this](std::string_view name) { return whole_number(value_of(std::string(name))); };
    const std::optional<std::int64_t> value = shell_arithmetic(expand(raw), number_of);
    const std::string source = fmt::format("$(({}))", raw);
    add_value(fields, value ? fmt::format("{}", *value) : unknown(source, source + " has no value in this script"),
              split);
  } else if (peek() == '(') {
    next();
    const std::string source = fmt::format("$({})", read_balanced('(', ')'));
    fields.add(unknown(source, source + " is the output of a command, which is not run"));
  } else if (is_name_start(peek())) {
    std::string variable;
    while (is_name_char(peek())) variable += next();
    add_value(fields, value_of(variable), split);
  } else if (!at_end() && (std::isdigit(static_cast<unsigned char>(peek())) ||
                           std::string_view("@*#?$!-").find(peek()) != std::string_view::npos)) {
    const std::string source = fmt::format("${}", next());
    fields.add(unknown(source, source + " is known only when the script runs"));
  } else {
    fields.add('$');
  }
}

// ${NAME}, ${NAME[@]}, ${NAME:-default}; whatever else the shell can do between braces is an unknown.
void ScriptReader::read_braced(Fields& fields, bool split) {
  const std::string inside = read_balanced('{', '}');
  std::size_t length = 0;
  while (length < inside.size() && is_name_char(inside[length])) ++length;
  const std::string variable = inside.substr(0, length), rest = inside.substr(length);
  const auto found = script_.variables.find(variable);
  const std::string source = "${" + inside + "}";
  if (rest.empty() && !variable.empty() && is_name_start(variable.front()))
    return add_value(fields, value_of(variable), split);
  if (rest == "[@]" || rest == "[*]") {
    if (found == script_.variables.end()) return fields.add(value_of(variable));
    for (std::size_t i = 0; i < found->second.size(); ++i) {
      if (i > 0 && (split || rest == "[@]")) fields.cut();
      if (i > 0 && !split && rest == "[*]") fields.add(' ');
      add_value(fields, found->second[i].text, split);
    }
    return;
  }
  if (rest.starts_with(":-") || rest.starts_with(":=") || rest.starts_with("-")) {
    const bool given = found != script_.variables.end() && !found->second.empty() && !found->second.front().text.empty();
    return add_value(fields, given ? found->second.front().text : expand(rest.substr(rest.starts_with("-") ? 1 : 2)),
                     split);
  }
  fields.add(unknown(source, source + " is known only when the script runs"));
}

void ScriptReader::read_double_quoted(Fields& fields) {
  const int first_line = line_;
  fields.add(std::string_view{});
  next();
  while (!at_end() && peek() != '"') {
    if (peek() == '$') {
      read_expansion(fields, false);
    } else if (peek() == '`') {
      next();
      const std::string source = fmt::format("`{}`", read_balanced('\0', '`'));
      fields.add(unknown(source, source + " is the output of a command, which is not run"));
    } else if (peek() == '\\' && std::string_view("$`\"\\\n").find(peek(1)) != std::string_view::npos) {
      next();
      if (!at_end() && peek() != '\n') fields.add(next());
      else if (!at_end()) next();
    } else {
      fields.add(next());
    }
  }
  if (at_end()) fail(first_line, "a double quote is never closed");
  next();
}

// Up to a blank or an operator; `split`: unquoted expansions are cut at blanks, as the shell does outside assignments.
void ScriptReader::read_word(Fields& fields, bool split) {
  while (!at_end()) {
    const char c = peek();
    if (std::isspace(static_cast<unsigned char>(c)) || std::string_view(";&|()<>").find(c) != std::string_view::npos)
      return;
    if (c == '"') {
      read_double_quoted(fields);
    } else if (c == '\'') {
      const int first_line = line_;
      next();
      fields.add(std::string_view{});
      while (!at_end() && peek() != '\'') fields.add(next());
      if (at_end()) fail(first_line, "a single quote is never closed");
      next();
    } else if (c == '$') {
      read_expansion(fields, split);
    } else if (c == '`') {
      next();
      const std::string source = fmt::format("`{}`", read_balanced('\0', '`'));
      fields.add(unknown(source, source + " is the output of a command, which is not run"));
    } else if (c == '\\') {
      next();
      if (peek() == '\n') next();
      else if (!at_end()) fields.add(next());
    } else {
      fields.add(next());
    }
  }
}

void ScriptReader::assign(const std::string& variable, std::vector<ShellWord> value, bool append) {
  if (taken_ == Taken::no) return;
  if (taken_ == Taken::maybe || after_and_or_)
    value = {{unknown("$" + variable, fmt::format("the value of ${} depends on a condition of the script at line {}",
                                                  variable, line_)), line_}};
  if (std::find(script_.assigned.begin(), script_.assigned.end(), variable) == script_.assigned.end())
    script_.assigned.push_back(variable);
  std::vector<ShellWord>& words = script_.variables[variable];
  if (!append) words.clear();
  words.insert(words.end(), value.begin(), value.end());
  std::size_t size = words.size();
  for (const ShellWord& word : words) size += word.text.size();
  if (size > largest_value) fail(line_, fmt::format("the value of {} grows beyond {} characters", variable, largest_value));
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
    Fields fields;
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
    if (peek() == '\n') { next(); continue; }
    if (peek() == '#') { skip_comment(); continue; }
    if (peek() == ')') break;
    const std::size_t before = position_;
    const int line = line_;
    Fields fields;
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
  Fields ignored;
  read_word(ignored, true);
}

void ScriptReader::read_command() {
  ShellCommand words;
  bool assignments_may_follow = true;
  const bool after_and_or = after_and_or_;
  for (;;) {
    skip_blanks();
    if (at_end()) break;
    if (peek() == '#') { skip_comment(); continue; }
    if (peek() == '<' || peek() == '>') { read_redirection(); continue; }
    if (peek() == '\n' || std::string_view(";&|()").find(peek()) != std::string_view::npos) break;
    if (assignments_may_follow && read_assignment()) continue;
    const int line = line_;
    Fields fields;
    const bool quoted = peek() == '"' || peek() == '\'';
    read_word(fields, true);
    fields.cut();
    if (!at_end() && (peek() == '<' || peek() == '>') && fields.done.size() == 1 && whole_number(fields.done.front()))
      continue;  // the 2 of 2>&1
    if (words.empty() && !quoted && fields.done.size() == 1 && read_keyword(fields.done.front())) continue;
    for (std::string& text : fields.done) words.push_back({std::move(text), line});
    static constexpr std::string_view declarations[] = {"export", "declare", "local", "readonly", "set", "typeset"};
    assignments_may_follow = words.empty() || std::find(std::begin(declarations), std::end(declarations),
                                                        words.front().text) != std::end(declarations);
  }
  after_and_or_ = false;
  if (!at_end()) {
    const char ended_by = next();
    if ((ended_by == '&' || ended_by == '|') && peek() == ended_by) {
      next();
      after_and_or_ = true;
    }
  }
  finish_command(std::move(words), after_and_or);
}

void ScriptReader::open_branch(Taken condition) {
  const Block& block = blocks_.back();
  if (block.outside == Taken::no || block.branch_done == Taken::yes) taken_ = Taken::no;
  else if (block.outside == Taken::maybe || block.branch_done == Taken::maybe)
    taken_ = condition == Taken::no ? Taken::no : Taken::maybe;
  else taken_ = condition;
  if (condition == Taken::yes && block.branch_done == Taken::no) blocks_.back().branch_done = Taken::yes;
  if (condition == Taken::maybe && block.branch_done == Taken::no) blocks_.back().branch_done = Taken::maybe;
}

// True if the word is shell grammar rather than the first word of a command.
bool ScriptReader::read_keyword(const std::string& word) {
  if (word == "if" || word == "elif") {
    if (word == "if") blocks_.push_back({taken_, Taken::no, true});
    reading_condition_ = true;
  } else if (word == "else") {
    if (!blocks_.empty()) open_branch(Taken::yes);
  } else if (word == "for" || word == "while" || word == "until" || word == "case" || word == "{") {
    blocks_.push_back({taken_, Taken::no, false});
    if (taken_ == Taken::yes && word != "{") taken_ = Taken::maybe;
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

Taken ScriptReader::condition_holds(const ShellCommand& words) const {
  std::vector<std::string> test;
  for (const ShellWord& word : words) {
    if (script_.unknown_in(word.text)) return Taken::maybe;
    test.push_back(word.text);
  }
  if (test.size() < 4 || (test.front() != "[" && test.front() != "[[")) return Taken::maybe;
  const auto answer = [](bool holds) { return holds ? Taken::yes : Taken::no; };
  if (test.size() == 4 && test[1] == "-z") return answer(test[2].empty());
  if (test.size() == 4 && test[1] == "-n") return answer(!test[2].empty());
  if (test.size() != 5) return Taken::maybe;
  if (test[2] == "==" || test[2] == "=") return answer(test[1] == test[3]);
  if (test[2] == "!=") return answer(test[1] != test[3]);
  const auto left = whole_number(test[1]), right = whole_number(test[3]);
  if (!left || !right) return Taken::maybe;
  if (test[2] == "-eq") return answer(*left == *right);
  if (test[2] == "-ne") return answer(*left != *right);
  if (test[2] == "-gt") return answer(*left > *right);
  if (test[2] == "-ge") return answer(*left >= *right);
  if (test[2] == "-lt") return answer(*left < *right);
  if (test[2] == "-le") return answer(*left <= *right);
  return Taken::maybe;
}

void ScriptReader::finish_command(ShellCommand words, bool after_and_or) {
  if (reading_condition_) {
    if (words.empty()) return;
    reading_condition_ = false;
    const bool compound = after_and_or || after_and_or_;
    if (!blocks_.empty()) open_branch(compound ? Taken::maybe : condition_holds(words));
    return;
  }
  if (words.empty() || taken_ == Taken::no) return;
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

}  // namespace

const ShellScript::Unknown* ShellScript::unknown_in(const std::string& text) const {
  const std::size_t begin = text.find(unknown_begin);
  if (begin == std::string::npos) return nullptr;
  const auto index = whole_number(std::string_view(text).substr(begin + 1, text.find(unknown_end, begin) - begin - 1));
  if (!index || *index < 0 || static_cast<std::size_t>(*index) >= unknowns.size()) return nullptr;
  return &unknowns[static_cast<std::size_t>(*index)];
}

std::string ShellScript::shown(const std::string& text) const {
  const Unknown* unknown = unknown_in(text);
  if (!unknown) return text;
  const std::size_t begin = text.find(unknown_begin), end = text.find(unknown_end, begin);
  return text.substr(0, begin) + unknown->source + shown(text.substr(end + 1));
}

ShellScript read_shell_script(const std::string& text, const std::string& name_in_messages) {
  ShellScript script;
  script.file = name_in_messages;
  std::string clean = text;  // a script that already holds the marks of unknowns is not text
  std::erase_if(clean, [](char c) { return c == unknown_begin || c == unknown_end; });
  ScriptReader(script).read(clean, 1, 0);
  return script;
}

}  // namespace trainyard
