#include <fmt/format.h>

#include <cmath>

#include "analysis/validation/mapping_rules.hpp"
#include "analysis/validation/residual_patterns.hpp"

namespace trainyard {
namespace {

using Value = std::optional<std::string>;

Value number(std::optional<std::int64_t> value) { return value ? Value(fmt::format("{}", *value)) : std::nullopt; }
// A degree that a table does not mention is 1.
Value degree(std::optional<std::int64_t> value) { return fmt::format("{}", value.value_or(1)); }
Value word(const std::string& text) { return text.empty() ? Value() : Value(text); }

// Ranges of powers of two: "64-127".
Value power_of_two(std::optional<std::int64_t> value) {
  if (!value || *value < 1) return std::nullopt;
  const auto low = static_cast<std::int64_t>(std::exp2(std::floor(std::log2(static_cast<double>(*value)))));
  return low == 1 ? "1" : fmt::format("{}-{}", low, 2 * low - 1);
}

// Dense transformer layers, 12 h² L: the size that tables without a parameter count have in common.
Value parameters(const ValidatedRun& row) {
  if (!row.run.hidden || !row.run.layers) return std::nullopt;
  const double h = static_cast<double>(*row.run.hidden);
  const double billions = 12 * h * h * static_cast<double>(*row.run.layers) / 1e9;
  for (const double bound : {1.0, 3.0, 10.0, 30.0, 100.0, 300.0})
    if (billions < bound) return fmt::format("below {:g} B", bound);
  return "300 B and more";
}

Value year(const ValidatedRun& row) {
  const std::string month = first_month(row.run.date);
  return month.empty() ? Value() : Value(month.substr(0, 4));
}

Value recompute(const ValidatedRun& row) { return row.run.recompute.empty() ? "not published" : row.run.recompute; }

Value experts(const ValidatedRun& row) { return row.run.moe_experts.value_or(0) > 0 ? "experts" : "dense"; }

}  // namespace

const std::vector<ResidualAxis>& residual_axes() {
  static const std::vector<ResidualAxis> axes = {
      {"tp", [](const ValidatedRun& r) { return degree(r.run.tp); }},
      {"pp", [](const ValidatedRun& r) { return degree(r.run.pp); }},
      {"vpp", [](const ValidatedRun& r) { return degree(r.run.vpp); }},
      {"cp", [](const ValidatedRun& r) { return degree(r.run.cp); }},
      {"ep", [](const ValidatedRun& r) { return degree(r.run.ep); }},
      {"dp", [](const ValidatedRun& r) { return power_of_two(r.run.dp); }},
      {"micro-batch", [](const ValidatedRun& r) { return number(r.run.micro_batch); }},
      {"GPUs", [](const ValidatedRun& r) { return power_of_two(r.run.gpus); }},
      {"sequence", [](const ValidatedRun& r) { return number(r.run.seq_len); }},
      {"hidden", [](const ValidatedRun& r) { return number(r.run.hidden); }},
      {"size", parameters},
      {"feed-forward", experts},
      {"model", [](const ValidatedRun& r) { return word(r.run.model.empty() ? r.run.model_label : r.run.model); }},
      {"precision", [](const ValidatedRun& r) { return word(r.run.precision); }},
      {"recompute", recompute},
      {"schedule", [](const ValidatedRun& r) { return word(r.run.schedule); }},
      {"device", [](const ValidatedRun& r) { return word(r.profile.device); }},
      {"network", [](const ValidatedRun& r) { return word(r.profile.network); }},
      {"stack", [](const ValidatedRun& r) { return word(r.profile.stack); }},
      {"software", [](const ValidatedRun& r) { return word(r.run.software); }},
      {"attention", [](const ValidatedRun& r) { return word(r.profile.attention); }},
      {"year", year},
  };
  return axes;
}

}  // namespace trainyard
