#include "sim/cli/sweep_command.hpp"

#include <array>
#include <string_view>

namespace trainyard {
namespace {

struct Subcommand {
  std::string_view name;
  int (*run)(const std::vector<std::string>&, std::ostream&, std::ostream&);
};
constexpr std::array subcommands = {Subcommand{"merge", sweep_merge}, Subcommand{"show", sweep_show},
                                    Subcommand{"submit", sweep_submit}};

}  // namespace

int sweep_command(const std::vector<std::string>& args, std::istream&, std::ostream& out, std::ostream& err) {
  for (const Subcommand& s : subcommands)
    if (!args.empty() && args.front() == s.name) return s.run({args.begin() + 1, args.end()}, out, err);
  return sweep_run(args, out, err);
}

}  // namespace trainyard
