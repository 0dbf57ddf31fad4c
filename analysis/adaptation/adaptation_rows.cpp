#include "analysis/adaptation/adaptation_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace trainyard {
namespace {

std::size_t index_of(std::vector<AdaptableConstant>& all, const AdaptableConstant& one) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const AdaptableConstant& c) { return c.id == one.id; });
  if (found != all.end()) return static_cast<std::size_t>(found - all.begin());
  all.push_back(one);
  return all.size() - 1;
}

void drop_provenance(Profile& profile) {
  profile.device.provenance.clear();
  profile.network.provenance.clear();
  profile.stack.provenance.clear();
}

AdaptationRow row_of(const PublishedRun& run, MappedRun mapped, std::vector<AdaptableConstant>& constants) {
  AdaptationRow row;
  row.id = run.id;
  row.group = run.split_group;
  row.source = run.source;
  row.tier = run.tier;
  row.job = std::move(mapped.job);
  row.time_scale = mapped.time_scale;
  row.measured = *run.measured_step_time();
  row.size = row.measured.value * static_cast<double>(run.gpus.value_or(1));
  for (const AdaptableConstant& constant : adaptable_constants(row.job.profile))
    row.constants.push_back(index_of(constants, constant));
  drop_provenance(row.job.profile);
  return row;
}

}  // namespace

AdaptationProblem adaptation_problem(const std::vector<PublishedRun>& runs, const MappingRules& rules,
                                     const Presets& presets) {
  AdaptationProblem problem;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].measured_step_time()) {
      problem.skipped.push_back({fmt::format("{}: no measured step time", runs[i].id)});
      continue;
    }
    std::variant<MappedRun, Skipped> mapped = job_of(runs[i], rules, presets);
    if (const Skipped* skipped = std::get_if<Skipped>(&mapped)) {
      problem.skipped.push_back({fmt::format("{}: {}", runs[i].id, skipped->reason)});
      continue;
    }
    problem.rows.push_back(row_of(runs[i], std::get<MappedRun>(std::move(mapped)), problem.constants));
    problem.rows.back().run = i;
  }
  return problem;
}

std::optional<double> log_residual(const AdaptationProblem& problem, const AdaptationRow& row,
                                   const std::vector<double>& x, const Predictor& predictor) {
  Job job = row.job;
  for (const std::size_t constant : row.constants)
    if (!x.empty() && x[constant] != 0.0)
      scale_constant(job.profile, problem.constants[constant].id, std::exp(x[constant]));
  const std::variant<Prediction, Skipped> answer = predictor(job);
  const Prediction* prediction = std::get_if<Prediction>(&answer);
  if (prediction == nullptr || !(prediction->step_time.value > 0)) return std::nullopt;
  return std::log(prediction->step_time.value * row.time_scale / row.measured.value);
}

std::vector<double> centres(const AdaptationProblem& problem, Belief belief) {
  std::vector<double> all;
  for (const AdaptableConstant& constant : problem.constants)
    all.push_back(belief == Belief::prior ? constant.centre : 0.0);
  return all;
}

}  // namespace trainyard
