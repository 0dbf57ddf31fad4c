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

// What a row was predicted with: to group errors by, and to see whether the measured time lies in the promised range.
struct RowProfile {
  std::string device;
  std::string network;
  std::string stack;
  std::string attention;     // "materialised", "flash2" …
  double step_time_p10 = 0;  // of measured over predicted, as the stack promises; 0 = no prediction
  double step_time_p90 = 0;
  friend bool operator==(const RowProfile&, const RowProfile&) = default;
};

struct ValidatedRun {
  PublishedRun run;
  std::variant<Prediction, Skipped> prediction;
  std::vector<std::string> notes;  // defaults assumed for what was not published
  RowProfile profile = {};
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
