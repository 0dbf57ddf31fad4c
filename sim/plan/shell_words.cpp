// Words of a script and the expansions inside them (shell_reader.hpp).
#include <fmt/format.h>

#include "sim/plan/shell_arithmetic.hpp"
#include "sim/plan/shell_reader.hpp"

namespace trainyard {

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
  return fmt::format("{}{}{}", unknown_mark_begin, script_.unknowns.size() - 1, unknown_mark_end);
}

std::string ScriptReader::value_of(const std::string& variable) {
  const auto found = script_.variables.find(variable);
  if (found == script_.variables.end())
    return unknown("$" + variable, fmt::format("${} has no value in this script", variable));
  return found->second.empty() ? std::string() : found->second.front().text;
}

std::string ScriptReader::expand(const std::string& raw) {
  if (nesting_ >= deepest_shell_nesting) fail(line_, "the expansions are nested too deeply");
  const std::string outer_text = std::exchange(text_, raw);
  const std::size_t outer_position = std::exchange(position_, 0);
  const int outer_line = line_;
  ++nesting_;
  ShellFields fields;
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

void ScriptReader::read_expansion(ShellFields& fields, bool split) {
  next();  // $
  if (peek() == '{') {
    next();
    read_braced(fields, split);
  } else if (peek() == '(' && peek(1) == '(') {
    next();
    next();
    const std::string raw = read_balanced('(', ')');
    if (!at_end() && peek() == ')') next();
    const auto number_of = [this](std::string_view name) { return shell_number(value_of(std::string(name))); };
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
void ScriptReader::read_braced(ShellFields& fields, bool split) {
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
    const bool given =
        found != script_.variables.end() && !found->second.empty() && !found->second.front().text.empty();
    return add_value(fields, given ? found->second.front().text : expand(rest.substr(rest.starts_with("-") ? 1 : 2)),
                     split);
  }
  fields.add(unknown(source, source + " is known only when the script runs"));
}

void ScriptReader::read_double_quoted(ShellFields& fields) {
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
      if (!at_end() && peek() != '\n')
        fields.add(next());
      else if (!at_end())
        next();
    } else {
      fields.add(next());
    }
  }
  if (at_end()) fail(first_line, "a double quote is never closed");
  next();
}

// Up to a blank or an operator; `split`: unquoted expansions are cut at blanks, as the shell does outside assignments.
void ScriptReader::read_word(ShellFields& fields, bool split) {
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
      if (peek() == '\n')
        next();
      else if (!at_end())
        fields.add(next());
    } else {
      fields.add(next());
    }
  }
}

}  // namespace trainyard
