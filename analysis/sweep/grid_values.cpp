#include "analysis/sweep/grid_values.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "analysis/sweep/space_grids.hpp"
#include "sim/plan/layer_split.hpp"
#include "sim/plan/schedule.hpp"

namespace trainyard {
namespace {

std::vector<int> divisors(std::int64_t n) {
  std::vector<int> small, large;
  for (std::int64_t d = 1; d * d <= n; ++d) {
    if (n % d != 0) continue;
    small.push_back(static_cast<int>(d));
    if (d * d != n) large.push_back(static_cast<int>(n / d));
  }
  small.insert(small.end(), large.rbegin(), large.rend());
  return small;
}

template <class Keep>
std::vector<int> divisors_that(std::int64_t n, Keep keep) {
  std::vector<int> all = divisors(n);
  std::erase_if(all, [&](int d) { return !keep(d); });
  return all;
}

// See space_grids.hpp for what is wrong with the others.
constexpr std::array<std::string_view, 4> usual_schedules = {"1f1b", "interleaved", "zb-h1", "zb-h2"};

}  // namespace

std::vector<int> GridValues::tensor_parallel() const {
  return divisors_that(world_, [&](int tp) { return job_.model.heads % tp == 0; });
}

std::vector<int> GridValues::context_parallel() const {
  std::vector<int> powers;
  for (std::int64_t cp = 1; world_ % cp == 0 && job_.workload.sequence_length % cp == 0; cp *= 2)
    powers.push_back(static_cast<int>(cp));
  return powers;
}

std::vector<int> GridValues::pipeline_parallel(int tp, int cp) const {
  const std::int64_t taken = std::int64_t{tp} * cp;
  if (world_ % taken != 0) return {};
  return divisors_that(world_ / taken, [&](int pp) { return pp <= job_.model.layers + 2; });
}

std::vector<int> GridValues::virtual_stages(int pp) const {
  const std::vector<int>& given = job_.plan.layers_per_chunk;
  if (!given.empty())
    return std::ssize(given) % pp == 0 ? std::vector{static_cast<int>(std::ssize(given) / pp)} : std::vector<int>{};
  std::vector<int> values = {1};
  if (pp == 1) return values;
  // The ends may hold embedding and head alone.
  for (int vpp = 2; std::int64_t{vpp} * pp <= job_.model.layers + 2; ++vpp)
    if (split_layers(job_.model.layers, pp, vpp, job_.plan.pipeline_ends)) values.push_back(vpp);
  return values;
}

std::vector<std::string> GridValues::schedules(int pp, int vpp, bool all) const {
  if (pp == 1 && !all) return {"1f1b"};
  std::vector<std::string> fitting;
  for (const ScheduleRow& row : trainyard::schedules()) {
    const bool fits = row.virtual_stages == 0 ? vpp > 1 : row.virtual_stages == vpp;
    const bool usual = std::find(usual_schedules.begin(), usual_schedules.end(), row.name) != usual_schedules.end();
    if (fits && (all || usual)) fitting.emplace_back(row.name);
  }
  return fitting;
}

std::vector<int> GridValues::expert_parallel(int pp) const {
  if (!job_.model.moe) return {1};
  return divisors_that(job_.model.moe->experts, [&](int ep) { return world_ % (std::int64_t{ep} * pp) == 0; });
}

std::vector<int> GridValues::expert_tensor_parallel(int tp) const {
  if (!job_.model.moe) return {0};
  return divisors(tp);
}

std::vector<int> GridValues::micro_batch_size(int dp, bool all) const {
  if (dp == 0 || job_.plan.global_batch_size % dp != 0) return {1};
  return divisors_that(job_.plan.global_batch_size / dp, [&](int mbs) { return all || mbs <= most_micro_batch_size; });
}

int GridValues::data_parallel(int tp, int cp, int pp) const {
  // Up to INT_MAX each: two of them fit 64 bits.
  const std::int64_t tensor_and_context = std::int64_t{tp} * cp;
  if (tensor_and_context > world_ || world_ % tensor_and_context != 0) return 0;
  const std::int64_t rest = world_ / tensor_and_context;
  return rest % pp == 0 ? static_cast<int>(rest / pp) : 0;
}

}  // namespace trainyard
