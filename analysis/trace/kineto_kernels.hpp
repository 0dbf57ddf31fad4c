// The GPU kernels of one simulated rank, in whole nanoseconds: what a profiler would have seen of it. Both the Kineto
// files and the predicted side of a comparison with a real trace are made from these.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/trace/real_activity.hpp"

namespace trainyard {

// A block has no kernels of its own: it is shown as its GEMMs, then its attention and so on, each as one kernel; what
// its host lets it wait for is a gap. At operator granularity every instruction is one kernel, `whole`.
enum class KernelPart : std::uint8_t { whole, gemm, attention, memory_bound, slowdown, tp, cp, ep };

struct SimulatedKernel {
  std::int64_t start = 0, end = 0;  // ns from the beginning of the step; end > start
  std::int32_t instruction = 0;     // of the rank's list
  KernelPart part = KernelPart::whole;
  GpuWork work;
};

// By start. Kernels of one stream never overlap. What takes less than half a nanosecond is none, nor is work of the
// host.
std::vector<SimulatedKernel> simulated_kernels(const SimulatedStep& step, std::size_t list);

// The step as this list sees it: from the beginning or, where the next step starts on each stage as soon as that is
// done, from its first kernel; always as long as the step.
StepWindow simulated_window(const SimulatedStep& step, std::size_t list);

GpuActivity simulated_activity(const SimulatedStep& step, std::size_t list);

}  // namespace trainyard
