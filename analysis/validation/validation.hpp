// Predicting published runs: every row becomes a prediction or a named reason why not, in the order of the table.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "analysis/validation/row_to_job.hpp"
#include "analysis/validation/run_table.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

struct Prediction {
  Seconds step_time{};
  Bytes peak_memory{};  // allocated, of the fullest rank
  bool out_of_memory = false;
  friend bool operator==(const Prediction&, const Prediction&) = default;
};

// Must be callable from several threads at once. Skipped: the plan is not legal, or not expressible yet.
using Predictor = std::function<std::variant<Prediction, Skipped>(const Job&)>;

struct ValidatedRun {
  PublishedRun run;
  std::variant<Prediction, Skipped> prediction;
  std::vector<std::string> notes;  // defaults assumed for what was not published
  friend bool operator==(const ValidatedRun&, const ValidatedRun&) = default;
};

// `threads` only changes how long it takes. What a predictor throws is thrown here, from the first such row.
std::vector<ValidatedRun> validate(const std::vector<PublishedRun>& runs, const MappingRules& rules,
                                   const Presets& presets, const Predictor& predictor, unsigned threads = 1);

// predicted / measured - 1 of the step time; nothing where either is missing.
std::optional<double> step_time_error(const ValidatedRun& row);
std::optional<double> memory_error(const ValidatedRun& row);

// The text of `validate --predictions`: id,predicted_step_time_s,predicted_peak_mem_gib,predicted_oom,skipped_reason.
std::string predictions_csv(const std::vector<ValidatedRun>& rows);

}  // namespace trainyard
