// The best plans of a sweep again, in more detail.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "analysis/sweep/answer.hpp"
#include "analysis/sweep/runner_up.hpp"
#include "analysis/sweep/sweep.hpp"
#include "topology/routes.hpp"

namespace trainyard {

// The sweep's job with this plan, as the user would write it.
Job job_of(const Sweep& sweep, PlanIndex index);
// plan_line of the resolved plan.
std::string line_of(const Sweep& sweep, PlanIndex index);
// The same of several plans; where two would read alike, the settings in which they differ are added.
std::vector<std::string> lines_of(const Sweep& sweep, const std::vector<EvaluatedPlan>& plans);

struct RankedPlans {
  std::vector<RankedPlan> plans;
  std::vector<TimedPlan> timed;  // the same at layer granularity
  Bytes memory_limit{};          // 0 without plans
  std::vector<std::string> warnings;
};

// In the order of `best`. Every plan is simulated at layer granularity and with the fluid engine, which takes
// operators for its instructions unless that would take minutes. Once `stop` is set the rest is left out.
RankedPlans ranked_plans(const Sweep& sweep, const Routes& routes, const std::vector<EvaluatedPlan>& best,
                         const std::atomic<bool>* stop = nullptr);

// Lines of the plan's YAML that those of `base` lack, as overrides: "plan.micro_batch_size=2".
std::vector<std::string> settings_beyond(const Plan& base, const Plan& plan, const Workload& workload);

}  // namespace trainyard
