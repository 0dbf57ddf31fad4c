// What simulate, memory and compare share: reading scenarios with their --set overrides, and answering that a plan
// cannot run.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/cli/command_syntax.hpp"
#include "sim/plan/check_plan.hpp"
#include "sim/plan/job.hpp"

namespace trainyard {

inline constexpr int infeasible_exit_code = 3;

using Overrides = std::vector<std::pair<std::string, std::string>>;

// --set, --profile and --json.
void add_scenario_options(CommandSyntax& syntax);

// The KEY=VALUE pairs of an option that may be repeated; boost::program_options::error if one has no key or value.
Overrides overrides_of(const boost::program_options::variables_map& given, const std::string& option);

std::optional<std::string> text_of(const boost::program_options::variables_map& given, const std::string& option);

std::vector<PlanProblem> problems_of(const Job& job);

// Prints the problems and returns the exit code of an infeasible plan.
int answer_infeasible(const Job& job, const std::vector<PlanProblem>& problems, bool json, std::ostream& out);

}  // namespace trainyard
