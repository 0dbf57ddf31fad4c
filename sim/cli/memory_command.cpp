#include "sim/cli/memory_command.hpp"

#include <istream>
#include <ostream>

#include "analysis/memory_text.hpp"
#include "analysis/report_json.hpp"
#include "analysis/simulate.hpp"
#include "sim/cli/scenario_input.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

CommandSyntax syntax() {
  CommandSyntax s(
      "memory SCENARIO [options]",
      "The memory of each pipeline stage at its peak, by owner, and whether it fits. Exit code 3 says that it does\n"
      "not, or that the plan is infeasible.",
      "trainyard memory llama3-70b-64xh100 --set plan.micro_batch_size=2");
  s.positional("SCENARIO", true);
  add_scenario_options(s);
  return s;
}

}  // namespace

int memory_command(const std::vector<std::string>& args, std::istream&, std::ostream& out, std::ostream&) {
  const auto given = syntax().parse(args, out);
  if (!given) return 0;
  const bool json = given->count("json") != 0;
  const Job job =
      load_job((*given)["SCENARIO"].as<std::string>(), overrides_of(*given, "set"), text_of(*given, "profile"));
  if (const std::vector<PlanProblem> problems = problems_of(job); !problems.empty())
    return answer_infeasible(job, problems, json, out);
  const MemoryLedger ledger = memory_of(job, Routes(job.cluster));
  const Plan plan = resolved(job.plan, job.model, job.cluster);
  out << (json ? memory_json(job, plan, ledger) : memory_text(job, plan, ledger, style_of(out)));
  return ledger.fits ? 0 : infeasible_exit_code;
}

}  // namespace trainyard
