#include "analysis/job/step_variation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/job/random.hpp"

namespace trainyard {
namespace {

// Enough that the quantiles are steady to about 1 % of the spread, few enough for a second on 100 000 GPUs.
constexpr int fleets = 32;
constexpr int most_steps_per_fleet = 32;
constexpr int least_steps_per_fleet = 4;
constexpr double most_draws = 1e7;
constexpr std::uint64_t fleet_streams = 1ULL << 40U;  // apart from the streams of the failures

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

// A lognormal factor of mean 1 and this coefficient of variation.
class Jitter {
 public:
  explicit Jitter(double variation) : variance_(std::log1p(variation * variation)), sigma_(std::sqrt(variance_)) {}
  double draw(Random& random) const { return sigma_ == 0 ? 1.0 : std::exp(sigma_ * random.normal() - variance_ / 2); }

 private:
  double variance_;
  double sigma_;
};

// Time factor of every GPU group (all GPUs of a stage of one pipeline), in rank order.
std::vector<double> draw_fleet(const JobStep& step, const ReliabilityProfile& profile, Random& random) {
  const int groups = step.pipeline_stages * step.data_parallel;
  const int group_size = step.gpus / groups;
  std::vector<double> node_factor(static_cast<std::size_t>(step.nodes()), 1.0);
  for (double& factor : node_factor)
    if (random.uniform() < profile.slow_node_probability) factor += profile.slow_node_excess;
  const double already_in_step =
      1.0 + std::min(profile.gpu_speed_worst,
                     profile.gpu_speed_sigma * expected_normal_maximum(std::min(profile.calibrated_gpus, step.gpus)));
  std::vector<double> slowest(static_cast<std::size_t>(groups), 0.0);
  for (int gpu = 0; gpu < step.gpus; ++gpu) {
    const double slower = std::min(profile.gpu_speed_worst, profile.gpu_speed_sigma * random.normal());
    const double factor = (1.0 + slower) * node_factor[static_cast<std::size_t>(gpu / step.gpus_per_node)];
    double& group = slowest[static_cast<std::size_t>(gpu / group_size)];
    group = std::max(group, factor / already_in_step);
  }
  return slowest;
}

// Time of one step's compute relative to the predicted one. Group of stage s and pipeline r: s * data_parallel + r.
double draw_compute(const JobStep& step, const std::vector<double>& fleet, const Jitter& jitter, Random& random) {
  const double slots = step.pipeline_stages + step.micro_batches - 1;
  double slowest_pipeline = 0;
  for (int pipeline = 0; pipeline < step.data_parallel; ++pipeline) {
    double sum = 0;
    double largest = 0;
    for (int stage = 0; stage < step.pipeline_stages; ++stage) {
      const double group = fleet[static_cast<std::size_t>(stage * step.data_parallel + pipeline)];
      const double factor = group * jitter.draw(random);
      sum += factor;
      largest = std::max(largest, factor);
    }
    slowest_pipeline = std::max(slowest_pipeline, (sum + (step.micro_batches - 1) * largest) / slots);
  }
  return slowest_pipeline;
}

int steps_per_fleet(const JobStep& step) {
  const double groups = static_cast<double>(step.pipeline_stages) * step.data_parallel;
  const double affordable = most_draws / (fleets * groups);
  return std::clamp(static_cast<int>(std::min(affordable, 1e6)), least_steps_per_fleet, most_steps_per_fleet);
}

}  // namespace

double StepVariation::factor() const {
  return std::accumulate(fleet_factors.begin(), fleet_factors.end(), 0.0) / static_cast<double>(fleet_factors.size());
}

StepVariation vary_step(const JobStep& step, const ReliabilityProfile& profile, std::uint64_t seed) {
  const Jitter compute(profile.compute_jitter / std::sqrt(step.micro_batches));
  const Jitter collective(profile.collective_jitter);
  const double collective_share = step.data_parallel_time / step.step_time;
  StepVariation result;
  std::vector<double> factors;
  for (int fleet = 0; fleet < fleets; ++fleet) {
    Random random(seed, fleet_streams + static_cast<std::uint64_t>(fleet));
    const std::vector<double> groups = draw_fleet(step, profile, random);
    const int steps = steps_per_fleet(step);
    double sum = 0;
    for (int i = 0; i < steps; ++i) {
      const double compute_factor = draw_compute(step, groups, compute, random);
      const double collective_factor = collective.draw(random);
      const double factor = (1.0 - collective_share) * compute_factor + collective_share * collective_factor;
      factors.push_back(factor);
      sum += factor;
    }
    // A lucky fleet is not faster than the good machines that the prediction was calibrated on.
    result.fleet_factors.push_back(std::max(1.0, sum / steps));
  }
  result.mean = step.step_time * result.factor();
  result.p50 = step.step_time * sample_quantile(factors, 0.5);
  result.p95 = step.step_time * sample_quantile(factors, 0.95);
  return result;
}

double expected_normal_maximum(int n) {
  constexpr double reach = 9.0;  // beyond, Phi is 0 or 1 in a double for any n of GPUs
  constexpr int intervals = 1800;
  constexpr double width = 2 * reach / intervals;
  double integral = 0;
  for (int i = 0; i < intervals; ++i) {
    const double x = -reach + (i + 0.5) * width;
    const double all_below = std::pow(normal_distribution(x), n);
    integral += width * (x > 0 ? 1.0 - all_below : -all_below);
  }
  return integral;
}

double sample_quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

}  // namespace trainyard
