// From a request to the run that is simulated: failures, checkpoint interval in whole steps, segments.
#pragma once

#include "analysis/job/failure_simulation.hpp"
#include "analysis/job/job_simulation.hpp"

namespace trainyard {

struct JobPlan {
  std::int64_t steps = 0;
  Seconds step{};  // mean, with stragglers
  std::int64_t checkpoint_every_steps = 0;
  RunPlan run;
  FailureLaw failures;
};

std::int64_t steps_of(const JobRequest& request);
FailureLaw failure_law(const JobRequest& request);
Seconds restart_time(const JobRequest& request);

// The work between checkpoints that a rule asks for; the whole job if nothing ever fails.
Seconds interval_of(IntervalChoice choice, const CheckpointCost& cost, std::optional<Seconds> mttf, Seconds whole_job);

JobPlan plan_job(const JobRequest& request, Seconds mean_step);
// The same run with another checkpoint interval, or with other machines.
RunPlan segmented(const JobPlan& plan, std::int64_t checkpoint_every_steps, Seconds mean_step);
// The number of whole steps nearest to that much work, at least one and at most all.
std::int64_t whole_steps(Seconds work, Seconds step, std::int64_t steps);

// Changes worth trying, with the duration that the exact formula gives them; `waiting` is what the plan loses to
// missing spares. Best first; only those that save time.
std::vector<JobExperiment> job_experiments(const JobRequest& request, const JobPlan& plan, Seconds waiting);

}  // namespace trainyard
