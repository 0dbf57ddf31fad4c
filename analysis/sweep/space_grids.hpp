// The grids of a sweep: every way to cut the GPUs and the batch among the axes whose legal values depend on each other.
#pragma once

#include <string>
#include <vector>

#include "analysis/sweep/plan_space.hpp"
#include "sim/plan/job.hpp"

namespace trainyard {

// What a sweep says about one axis of the grid.
template <class Value>
struct GridAxis {
  std::vector<Value> named;  // as written; empty: all that fit
  bool all = false;          // also those that are hardly ever best
  bool automatic() const { return named.empty(); }
};

// Automatic values, each where check_plan accepts the grid with the settings that all plans share:
//   tp         divisors of the number of GPUs and of the heads
//   cp         powers of two that divide the GPUs and the sequence
//   pp         divisors of what tp and cp leave of the GPUs
//   vpp        1, and where pp > 1 every number of chunks that the layers split over
//   schedule   1f1b, interleaved, zb-h1, zb-h2; 1f1b alone where pp is 1, as every order is then the same.
//              all: every schedule. zb-v is planned anew for every number of micro-batches, so that a plan of it takes
//              as long as a thousand others; gpipe and breadth-first hold more activations than 1f1b and interleaved
//              and are never faster; dualpipe and dualpipev pay for overlapping experts with two copies of the model or
//              its chunks
//   ep, etp    divisors of the experts, and of tp; without experts ep is 1 and etp stays 0
//   mbs        divisors of global_batch_size / dp up to most_micro_batch_size; all: every divisor
// Named values are kept where they do not fit, so that their plans are counted as infeasible with the reason: all
// combinations where every axis is named, else those that no automatic value is to blame for; a value that would stand
// in no grid at all gets one, with the least of everything else.
struct GridRequest {
  GridAxis<int> tp, pp, vpp, cp, ep, etp, micro_batch_size;
  GridAxis<std::string> schedule;
  std::vector<int> dp;  // what the GPUs may leave for data parallelism; empty: anything
};

inline constexpr int most_micro_batch_size = 16;
inline constexpr std::int64_t most_grids = 1'000'000;

// By tp, cp, ep, etp, micro-batch size, pp, vpp and schedule (in the order of schedules()), the first outermost:
// neighbours run the same kernels. `job.plan`: what all plans share. InputError, without a place, if there would be
// more than most_grids.
std::vector<ParallelGrid> enumerate_grids(const GridRequest& request, const Job& job);

}  // namespace trainyard
