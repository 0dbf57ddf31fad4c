#include "analysis/job/checkpointing.hpp"

#include <algorithm>
#include <cmath>

namespace trainyard {
namespace {

// M exp(delay/M) (exp(length/M) - 1), without overflow of a factor where the product is finite.
Seconds with_restarts(Seconds length, Seconds delay, Seconds mttf) {
  return mttf * (std::exp(delay / mttf) * std::expm1(length / mttf));
}

}  // namespace

CheckpointCost checkpoint_cost(const JobStep& step, const ReliabilityProfile& profile) {
  const Bytes fullest_node = step.checkpoint_bytes_per_gpu * std::min(step.gpus_per_node, step.gpus);
  const Seconds to_storage =
      std::max(step.checkpoint_bytes / profile.storage_bandwidth, fullest_node / profile.client_bandwidth);
  const Seconds load = std::max(profile.load_amplification * step.checkpoint_bytes / profile.storage_bandwidth,
                                fullest_node / profile.client_bandwidth);
  if (profile.checkpoint_mode == CheckpointMode::synchronous)
    return {profile.checkpoint_barrier + to_storage, Seconds(), load};
  return {profile.checkpoint_barrier + step.checkpoint_bytes_per_gpu / profile.copy_bandwidth, to_storage, load};
}

Seconds young_interval(Seconds stall, Seconds mttf) { return Seconds(std::sqrt(2.0 * stall.value * mttf.value)); }

Seconds daly_interval(Seconds stall, Seconds mttf) {
  if (stall >= 2.0 * mttf) return mttf;
  const double ratio = stall / (2.0 * mttf);
  return young_interval(stall, mttf) * (1.0 + std::sqrt(ratio) / 3.0 + ratio / 9.0) - stall;
}

Seconds optimal_interval(const CheckpointCost& cost, Seconds mttf) {
  const double delta = cost.stall / mttf;
  // In units of M: 1 - x - exp(-x - delta) falls from 1 - exp(-delta) >= 0 at 0 to below zero at 1.
  double low = 0;
  double high = 1;
  for (int halving = 0; halving < 60; ++halving) {  // 2^-60: beyond the precision of a double
    const double x = 0.5 * (low + high);
    (-x - std::expm1(-x - delta) > 0 ? low : high) = x;
  }
  return std::max(mttf * low, cost.upload - cost.stall);
}

Seconds RunPlan::segment_time() const { return std::max(segment_work + cost.stall, cost.upload); }
Seconds RunPlan::last_segment_time() const { return std::max(last_segment_work + cost.stall, cost.upload); }

Seconds expected_segment_time(Seconds segment_time, const CheckpointCost& cost, Seconds restart, Seconds mttf) {
  return with_restarts(segment_time, restart + cost.upload, mttf);
}

Seconds expected_run_time(const RunPlan& plan, std::optional<Seconds> mttf) {
  const Seconds first = plan.segments == 1 ? plan.last_segment_time() : plan.segment_time();
  const auto middle = static_cast<double>(std::max<std::int64_t>(plan.segments - 2, 0));
  if (!mttf)
    return first + plan.cost.upload + middle * plan.segment_time() +
           (plan.segments > 1 ? plan.last_segment_time() : Seconds());
  // Until the first checkpoint is usable there is nothing to fall back to but the start.
  Seconds total = with_restarts(first + plan.cost.upload, plan.restart, *mttf);
  if (plan.segments > 2) total += middle * expected_segment_time(plan.segment_time(), plan.cost, plan.restart, *mttf);
  if (plan.segments > 1) total += expected_segment_time(plan.last_segment_time(), plan.cost, plan.restart, *mttf);
  return total;
}

}  // namespace trainyard
