#include "sim/engine/pass_costs.hpp"

#include <algorithm>
#include <cmath>

#include "sim/engine/segment_price.hpp"
#include "sim/program/model_parts.hpp"

namespace trainyard {
namespace {

constexpr double units_per_forward = 16.0;

// The segments of the parts, with the paths their collectives take.
StepProgram priceable(const StepInputs& inputs, StepModel& model) {
  StepProgram program;
  program.segments = std::move(model.segments);
  const StagePaths& p = inputs.paths->stages.front();
  program.paths = {p.tp, p.cp, p.cp_inner, p.ep, p.etp};
  for (int g = 0; g < layer_groups; ++g) program.layer_paths[static_cast<std::size_t>(g)] = g;
  return program;
}

}  // namespace

PassCosts pass_costs(const StepInputs& inputs, const PricingContext& context) {
  const ScheduleRow* schedule = find_schedule(inputs.plan->schedule);
  if (schedule == nullptr || !schedule->plans_ahead || inputs.plan->pipeline_parallel == 1) return {};
  StepModel model = step_model(inputs, *schedule);
  const StepProgram program = priceable(inputs, model);
  // The last layer registered is that of the model's later layers: the expert ones where there are any.
  const auto layer = std::find_if(model.parts.rbegin(), model.parts.rend(), [](const ModelPart& p) { return p.layer; });
  if (layer == model.parts.rend()) return {};
  const auto time = [&](Pass pass) {
    const auto segment = static_cast<std::size_t>(layer->segment[static_cast<std::size_t>(pass)]);
    return price_segment(program.segments[segment], program, context, 1.0).price.duration.value;
  };
  const double forward = time(Pass::forward);
  const auto units = [&](Pass pass) {
    return forward > 0 ? std::max(1, static_cast<int>(std::lround(units_per_forward * time(pass) / forward))) : 1;
  };
  return {units(Pass::forward), units(Pass::backward_input), units(Pass::backward_weight)};
}

}  // namespace trainyard
