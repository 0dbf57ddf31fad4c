// Measured runs as rows of a fit: each with its job, the adaptable constants that its profile holds, and predictions of
// it with any of them changed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/adaptation/adaptable_constants.hpp"
#include "analysis/validation/validation.hpp"

namespace trainyard {

struct AdaptationRow {
  std::size_t run = 0;  // index of the run it was made from
  std::string id;
  std::string group;   // split_group
  std::string source;  // publication
  std::string tier;
  Job job;                // without the profile's provenance, to be cheap to copy
  double time_scale = 1;  // as MappedRun's
  Seconds measured{};
  double size = 0;                     // GPU-seconds of the step, to spread choices over small and large runs
  std::vector<std::size_t> constants;  // indices into the problem's, those of its profile
};

struct AdaptationProblem {
  std::vector<AdaptableConstant> constants;
  std::vector<AdaptationRow> rows;  // the runs with a measured step time that become a job, in their order
  std::vector<Skipped> skipped;     // the other runs: "ID: why"
};

AdaptationProblem adaptation_problem(const std::vector<PublishedRun>& runs, const MappingRules& rules,
                                     const Presets& presets);

// ln(predicted / measured) with every constant multiplied by exp(x); nothing where the predictor has no answer.
// An empty x means the profile as it is.
std::optional<double> log_residual(const AdaptationProblem& problem, const AdaptationRow& row,
                                   const std::vector<double>& x, const Predictor& predictor);

// The constants' beliefs before the rows: at the prior, or at the profile's value.
enum class Belief { prior, value };
std::vector<double> centres(const AdaptationProblem& problem, Belief belief);

}  // namespace trainyard
