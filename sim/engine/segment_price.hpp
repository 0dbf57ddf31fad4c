// Seconds of a segment: the makespan of its steps on a compute stream and one stream per axis.
#pragma once

#include <vector>

#include "sim/engine/pricing.hpp"

namespace trainyard {

SegmentTimes price_segment(const Segment& segment, const StepProgram& program, const PricingContext& context,
                           double scale);

// Relative slowdown of compute at scale: stragglers and synchronisation, per doubling of GPUs beyond one 8-GPU node.
double scale_out_factor(const PricingContext& context);

// Least time in which the host issues a segment, however fast the GPU.
Seconds host_floor(const Segment& segment, const PricingContext& context);

void add_operator(const Operator& op, Seconds time, WorkPrice& price);

}  // namespace trainyard
