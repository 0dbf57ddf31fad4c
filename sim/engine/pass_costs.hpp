// Relative times of a layer's passes, as the zero-bubble planners profile them before they order a pipeline.
#pragma once

#include "sim/engine/pricing.hpp"
#include "sim/program/step_inputs.hpp"

namespace trainyard {

// In sixteenths of the forward, at least 1 each. {1, 1, 1} for schedules that do not plan ahead.
PassCosts pass_costs(const StepInputs& inputs, const PricingContext& context);

}  // namespace trainyard
