// The part of the shell language that launch scripts use to put a command line together: quotes, comments, line
// continuations, NAME=value, arrays, $NAME, ${NAME:-default}, ${ARRAY[@]}, $((arithmetic)), simple [ ] tests, bash -c.
// Nothing is executed. What only running the script could tell (command output, script arguments, the environment,
// conditions on these) becomes an unknown inside the word, so that only a reader who needs that word has to complain.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/base/errors.hpp"

namespace trainyard {

struct ShellWord {
  std::string text;  // expanded; unknowns are marked, see unknown_in and shown
  int line = 0;      // of the script, from 1
};

using ShellCommand = std::vector<ShellWord>;

struct ShellScript {
  std::string file;                                         // as named in messages
  std::vector<ShellCommand> commands;                       // in order, assignments removed
  std::vector<std::string> assigned;                        // variable names, in order of first assignment
  std::map<std::string, std::vector<ShellWord>> variables;  // final values; a scalar has one word
  struct Unknown {
    std::string source;  // "$NLS", "$(hostname)"
    std::string reason;  // "$NLS has no value in this script"
  };
  std::vector<Unknown> unknowns;

  // The first unknown in a word's text; nullptr if its value is certain.
  const Unknown* unknown_in(const std::string& text) const;
  // The text as people wrote it, with unknowns as "$NLS".
  std::string shown(const std::string& text) const;
  SourceLocation where(const ShellWord& word) const { return {file, word.line, 0}; }
};

// InputError for what is not shell at all: an unclosed quote, bracket or array.
ShellScript read_shell_script(const std::string& text, const std::string& name_in_messages);

}  // namespace trainyard
