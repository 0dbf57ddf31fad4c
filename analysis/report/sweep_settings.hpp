// The settings of the plans that a sweep simulated, read from their keys: what the heat map of settings is drawn from.
#pragma once

#include <string>
#include <vector>

#include "analysis/sweep/outcome.hpp"

namespace trainyard {

// A setting in which the plans differ, with its values: ascending if they are numbers.
struct SweptSetting {
  std::string name;  // as in canonical_key: "tp", "data_parallel"
  std::vector<std::string> values;
  std::vector<int> of_plan;  // [plan] index of its value
  friend bool operator==(const SweptSetting&, const SweptSetting&) = default;
};

// Of those a heat map can show: at most 24 values each.
std::vector<SweptSetting> swept_settings(const std::vector<EvaluatedPlan>& plans);

// The two settings to look at first: tensor and pipeline parallelism, where both were swept; else the first that were.
// Indices; the same twice if there is but one.
struct SettingPair {
  std::size_t row = 0, column = 0;
};
SettingPair first_pair(const std::vector<SweptSetting>& settings);

}  // namespace trainyard
