// What a checkpoint costs, how often to take one, and how long a run with failures is expected to take.
// M is the mean time between failures (exponential), delta the time that training stands still per checkpoint, tau the
// work between two checkpoints, R the time of a restart.
#pragma once

#include <cstdint>
#include <optional>

#include "analysis/job/job_step.hpp"
#include "analysis/job/reliability.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

struct CheckpointCost {
  Seconds stall{};   // training stands still
  Seconds upload{};  // from then until a restart may use the checkpoint; the next one has to wait for it
  Seconds load{};    // on a restart
  friend bool operator==(const CheckpointCost&, const CheckpointCost&) = default;
};
// Writing takes max(bytes / storage bandwidth, bytes of the fullest node / client bandwidth). synchronous: that and the
// barrier are the stall. two_stage: the stall is the copy to host memory and the barrier, the writing the upload.
CheckpointCost checkpoint_cost(const JobStep& step, const ReliabilityProfile& profile);

// sqrt(2 delta M) (Young 1974).
Seconds young_interval(Seconds stall, Seconds mttf);
// The higher-order estimate sqrt(2 delta M) [1 + 1/3 sqrt(delta/2M) + 1/9 delta/2M] - delta for delta < 2M, else M
// (Daly, FGCS 22 (2006) 303, eq. 37).
Seconds daly_interval(Seconds stall, Seconds mttf);
// The work that minimises expected_segment_time per work: the root of 1 - tau/M = exp(-(tau + delta)/M), but no
// shorter than the upload allows.
Seconds optimal_interval(const CheckpointCost& cost, Seconds mttf);

// Segments of work, each with its checkpoint; the last may be shorter. All of them hold the same stall and upload.
struct RunPlan {
  std::int64_t segments = 1;
  Seconds segment_work{};
  Seconds last_segment_work{};
  CheckpointCost cost;
  Seconds restart{};  // from a failure to the next step, with loading
  Seconds work() const { return static_cast<double>(segments - 1) * segment_work + last_segment_work; }
  // Wall-clock time of a segment without failures: work and stall, but at least the upload of the checkpoint before.
  Seconds segment_time() const;
  Seconds last_segment_time() const;
  friend bool operator==(const RunPlan&, const RunPlan&) = default;
};

// M exp((R + upload)/M) (exp(L/M) - 1) for a segment of wall-clock time L (Daly 2006, eq. 13). A failure before the
// upload is complete falls back to the checkpoint before, which adds the upload to what a restart costs.
// Infinite if that is beyond a double.
Seconds expected_segment_time(Seconds segment_time, const CheckpointCost& cost, Seconds restart, Seconds mttf);

// Exact expectation of the whole run: the sum over its segments, the first one without a checkpoint behind it.
Seconds expected_run_time(const RunPlan& plan, std::optional<Seconds> mttf);

}  // namespace trainyard
