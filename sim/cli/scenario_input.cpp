#include "sim/cli/scenario_input.hpp"

#include <fmt/format.h>

#include <ostream>

#include "analysis/report_json.hpp"
#include "analysis/report_text.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {

namespace po = boost::program_options;

void add_scenario_options(CommandSyntax& syntax) {
  syntax.option()("set", po::value<std::vector<std::string>>()->composing()->value_name("KEY=VALUE"),
                  "replace a value of the scenario, e.g. plan.tp=4; may be repeated")(
      "profile", po::value<std::string>()->value_name("FILE"), "a profile that replaces the calibrated constants")(
      "json", "one JSON object instead of text");
}

Overrides overrides_of(const po::variables_map& given, const std::string& option) {
  Overrides overrides;
  if (given.count(option) == 0) return overrides;
  for (const std::string& text : given[option].as<std::vector<std::string>>()) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
      throw po::error(fmt::format("--{} wants KEY=VALUE, as in plan.tp=4, not '{}'", option, text));
    overrides.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return overrides;
}

std::optional<std::string> text_of(const po::variables_map& given, const std::string& option) {
  if (given.count(option) == 0) return std::nullopt;
  return given[option].as<std::string>();
}

std::vector<PlanProblem> problems_of(const Job& job) {
  return check_plan(job.plan, job.model, job.workload, job.cluster);
}

int answer_infeasible(const Job& job, const std::vector<PlanProblem>& problems, bool json, std::ostream& out) {
  out << (json ? problems_json(job.name, problems) : problems_text(job.name, problems, style_of(out)));
  return infeasible_exit_code;
}

}  // namespace trainyard
