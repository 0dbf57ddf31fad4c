#include "sim/cli/compare_command.hpp"

#include <istream>
#include <ostream>

#include "analysis/comparison.hpp"
#include "analysis/placement/resolve_placement.hpp"
#include "analysis/simulate.hpp"
#include "sim/cli/scenario_input.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;

CommandSyntax syntax() {
  CommandSyntax s(
      "compare A [B] [options]",
      "Simulates two scenarios and shows them side by side, term by term. Without B it is A with the changes of\n"
      "--set-b. Exit code 3 says that one of the plans is infeasible; one that does not fit is compared and says so.",
      "trainyard compare llama3-70b-64xh100 --set-b plan.tp=4\ntrainyard compare before.yaml after.yaml --json");
  s.positional("A", true);
  s.positional("B", false);
  add_scenario_options(s);
  s.option()("set-b", po::value<std::vector<std::string>>()->composing()->value_name("KEY=VALUE"),
             "as --set, but only for B; may be repeated");
  return s;
}

struct CompareOptions {
  std::string a;
  std::string b;
  Overrides a_overrides;
  Overrides b_overrides;  // those of a, then its own
  std::optional<std::string> profile;
  bool json = false;
};

std::optional<CompareOptions> parse(const std::vector<std::string>& args, std::ostream& out) {
  const std::optional<po::variables_map> given = syntax().parse(args, out);
  if (!given) return std::nullopt;
  CompareOptions options;
  const Overrides only_b = overrides_of(*given, "set-b");
  options.a = (*given)["A"].as<std::string>();
  if (given->count("B") == 0 && only_b.empty()) throw po::error("B is missing: a second scenario, or --set-b");
  options.b = text_of(*given, "B").value_or(options.a);
  options.a_overrides = overrides_of(*given, "set");
  options.b_overrides = options.a_overrides;
  options.b_overrides.insert(options.b_overrides.end(), only_b.begin(), only_b.end());
  options.profile = text_of(*given, "profile");
  options.json = given->count("json") != 0;
  return options;
}

// Puts the placement that a search finds into the job's plan.
SimulatedStep placed_step(Job& job) {
  const Routes routes(job.cluster);
  job.plan = resolve_placement(job, routes).plan;
  return simulate_step(job, routes);
}

}  // namespace

int compare_command(const std::vector<std::string>& args, std::istream&, std::ostream& out, std::ostream&) {
  const std::optional<CompareOptions> options = parse(args, out);
  if (!options) return 0;
  Job a = load_job(options->a, options->a_overrides, options->profile);
  Job b = load_job(options->b, options->b_overrides, options->profile);
  for (const Job* job : {&a, &b})
    if (const std::vector<PlanProblem> problems = problems_of(*job); !problems.empty())
      return answer_infeasible(*job, problems, options->json, out);
  const SimulatedStep step_a = placed_step(a);
  const SimulatedStep step_b = placed_step(b);
  const ComparedStep left{&a, &step_a};
  const ComparedStep right{&b, &step_b};
  out << (options->json ? compare_json(left, right) : compare_text(left, right, style_of(out)));
  return 0;
}

}  // namespace trainyard
