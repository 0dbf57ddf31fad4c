// One run of a job as discrete events: work, checkpoints, failures, restarts, waiting for nodes.
#pragma once

#include <cstdint>
#include <optional>

#include "analysis/job/checkpointing.hpp"
#include "analysis/job/random.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// When failures come and what they do to the nodes.
struct FailureLaw {
  std::optional<Seconds> mttf;  // mean time between failures of the job; nullopt = nothing ever fails
  double weibull_shape = 1;     // of the time since the last failure; 1 = exponential
  double node_loss_share = 0;   // failures that take a node away
  Seconds node_repair{};
  std::optional<int> spare_nodes;  // nullopt = always enough
  friend bool operator==(const FailureLaw&, const FailureLaw&) = default;
};

// The wall-clock time of one run by what it was spent on; the parts sum to it.
struct RunTimes {
  Seconds work{};               // steps that counted
  Seconds checkpoint_stalls{};  // with waiting for uploads, the last one included
  Seconds lost_work{};          // steps, and checkpoints among them, that a failure undid
  Seconds restarts{};
  Seconds waiting_for_nodes{};
  std::int64_t failures = 0;
  bool finished = true;
  Seconds total() const { return work + checkpoint_stalls + lost_work + restarts + waiting_for_nodes; }
  friend bool operator==(const RunTimes&, const RunTimes&) = default;
};

// Failures strike at any time, also during restarts, which then begin again. A run that takes longer than `horizon` or
// has a million failures is given up: finished = false.
RunTimes simulate_run(const RunPlan& plan, const FailureLaw& law, Seconds horizon, Random& random);

}  // namespace trainyard
