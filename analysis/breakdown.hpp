// Where the step goes, read off the timeline: every second of every rank kind is compute, an exposed transfer, a bubble
// or something named.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/step_result.hpp"
#include "models/profile.hpp"
#include "sim/engine/pricing.hpp"
#include "sim/engine/timeline.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// The makespan; where consecutive steps run into each other, the longest time that a stage is at one.
Seconds step_time(const StepProgram& program, const Timeline& timeline);

struct TimeAnalysis {
  Seconds step_time{};
  std::vector<Breakdown> per_list;   // of the timeline's lists; each sums to the step time
  std::vector<Breakdown> per_stage;  // the mean of a stage's ranks
  Breakdown mean;
  ComputeSplit compute;  // of the average rank
  std::vector<CommunicationLine> communication;
};

// A gap of the compute stream belongs to the transfer it ends on, for as long as that transfer ran; the rest of the
// gap, in which nothing of this rank moved, is the bubble.
// `uses` are work_uses(program).
TimeAnalysis analyse_time(const StepProgram& program, const PricedProgram& prices, const Timeline& timeline,
                          const Profile& profile, const std::vector<std::int64_t>& uses);

}  // namespace trainyard
