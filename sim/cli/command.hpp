// The commands of trainyard. A new one is a file with its function and a row of the table in command.cpp.
#pragma once

#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

struct Command {
  std::string_view name;
  std::string_view summary;
  // `args` are the words after the command. The answer goes to `out`, everything else to `err`. Returns the exit code:
  // 0 done, 1 failed, 3 the plan is infeasible or does not fit. Throws InputError or boost::program_options::error for
  // what the user can fix (exit code 2).
  int (*run)(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);
};

std::span<const Command> commands();
const Command* find_command(std::string_view name);  // nullptr if there is none
std::string overview();                              // `trainyard --help`

}  // namespace trainyard
