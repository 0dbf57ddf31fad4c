#include "sim/cli/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/program_options/errors.hpp>
#include <istream>
#include <ostream>

#include "analysis/version.hpp"
#include "sim/base/errors.hpp"
#include "sim/cli/calibrate_command.hpp"
#include "sim/cli/collective_command.hpp"
#include "sim/cli/compare_command.hpp"
#include "sim/cli/estimate_command.hpp"
#include "sim/cli/import_command.hpp"
#include "sim/cli/job_command.hpp"
#include "sim/cli/memory_command.hpp"
#include "sim/cli/simulate_command.hpp"
#include "sim/cli/sweep_command.hpp"
#include "sim/cli/topology_command.hpp"
#include "sim/cli/validate_command.hpp"

namespace trainyard {
namespace {

using Args = std::vector<std::string>;

bool asks_for_help(const Args& args) { return !args.empty() && (args.front() == "--help" || args.front() == "-h"); }

// `help` shows the overview, `help simulate` what `simulate --help` shows.
int help_command(const Args& args, std::istream& in, std::ostream& out, std::ostream& err) {
  if (args.empty() || asks_for_help(args)) {
    out << overview();
    return 0;
  }
  const Command* command = find_command(args.front());
  if (command == nullptr) throw boost::program_options::error(fmt::format("there is no command '{}'", args.front()));
  return command->run({"--help"}, in, out, err);
}

int version_command(const Args& args, std::istream&, std::ostream& out, std::ostream&) {
  if (asks_for_help(args))
    out << "usage: trainyard version\n\nPrints the version.\n\nexample:\n  trainyard version\n";
  else if (!args.empty())
    throw boost::program_options::error(fmt::format("unexpected argument '{}'", args.front()));
  else
    out << fmt::format("trainyard {}\n", version());
  return 0;
}

constexpr std::array table = {
    Command{"simulate", "predict one training step: time, memory, breakdown, diagnosis", simulate_command},
    Command{"topology", "read `nvidia-smi topo -m`: links, islands, what crosses what", topology_command},
    Command{"memory", "the memory ledger alone, per pipeline stage and owner", memory_command},
    Command{"validate", "predict published or own measured runs and print the error",
            [](const Args& args, std::istream&, std::ostream& out, std::ostream& err) {
              return validate_command(args, out, err);
            }},
    Command{"calibrate", "own measurements to a profile: GEMMs, attention, NCCL, memory",
            [](const Args& args, std::istream&, std::ostream& out, std::ostream& err) {
              return calibrate_command(args, out, err);
            }},
    Command{"job", "a whole training job: days, goodput, cost, with failures and checkpoints", job_command},
    Command{"sweep", "every plan and placement of a model on a cluster: the best, and why", sweep_command},
    Command{"compare", "two scenarios side by side, term by term", compare_command},
    Command{"collective", "a simulated nccl-tests run: time and bandwidth by size, contention", collective_command},
    Command{"estimate", "quick calculators: parameters, FLOPs, all-reduce, training state, KV cache",
            [](const Args& args, std::istream&, std::ostream& out, std::ostream& err) {
              return estimate_command(args, out, err);
            }},
    Command{"import", "configurations of other programs to a scenario", import_command},
    Command{"help", "this overview, or the help of one command", help_command},
    Command{"version", "the version", version_command},
};

}  // namespace

std::span<const Command> commands() { return table; }

const Command* find_command(std::string_view name) {
  const auto* found = std::find_if(table.begin(), table.end(), [name](const Command& c) { return c.name == name; });
  return found == table.end() ? nullptr : found;
}

std::string overview() {
  std::string text =
      "usage: trainyard COMMAND ARGS...\n\nPredicts the training of large models on clusters of GPUs.\n\ncommands:\n";
  for (const Command& command : table) text += fmt::format("  {:<12}{}\n", command.name, command.summary);
  text +=
      "\n'trainyard COMMAND --help' tells more. Exit codes: 0 done, 1 failed, 2 wrong usage or input,\n"
      "3 the plan is infeasible or does not fit.\n\nexample:\n  trainyard simulate llama3-70b-64xh100\n";
  return text;
}

}  // namespace trainyard
