// How much slower than predicted a step is because machines differ and times vary: a synchronous group runs at the pace
// of its slowest member.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/job/job_step.hpp"
#include "analysis/job/reliability.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

struct StepVariation {
  Seconds mean{};
  Seconds p50{};
  Seconds p95{};
  std::vector<double> fleet_factors;  // mean step time of each drawn set of machines, relative to the predicted step
  double factor() const;              // their mean
  friend bool operator==(const StepVariation&, const StepVariation&) = default;
};

// Draws sets of machines (GPU speeds, slow nodes; fixed for a job) and steps on each of them (micro-batches,
// collectives). A stage of a pipeline is as fast as its slowest GPU; with p stages and m micro-batches a pipeline takes
// (sum of the stages' times + (m-1) x the slowest) / (p+m-1); the step waits for the slowest of the data-parallel
// pipelines. The sum over m micro-batches varies by compute_jitter / sqrt(m); both are lognormal with mean 1. Ranks are
// packed: tensor-parallel neighbours first, then data parallelism, then stages. The same seed gives the same draws.
StepVariation vary_step(const JobStep& step, const ReliabilityProfile& profile, std::uint64_t seed);

// E[max] of n independent standard normal variables: the integral of 1 - Phi^n above zero less that of Phi^n below.
double expected_normal_maximum(int n);

// The q-quantile (0 to 1), linear between the sorted values; they must not be empty.
double sample_quantile(std::vector<double> values, double q);

}  // namespace trainyard
