#include "analysis/trace/kineto_kernels.hpp"

#include <algorithm>
#include <array>

#include "analysis/trace/trace_counters.hpp"

namespace trainyard {
namespace {

GpuWork collective_work(std::optional<CollectiveKind> kind, Axis axis) {
  return {WorkCategory::collective, kind, axis};
}

GpuWork operator_category(const OperatorWork& work, Phase phase) {
  if (phase == Phase::optimizer) return {WorkCategory::optimizer};
  if (std::holds_alternative<Gemm>(work.op.work)) return {WorkCategory::gemm};
  if (std::holds_alternative<Attention>(work.op.work)) return {WorkCategory::attention};
  return {WorkCategory::memory_bound};
}

struct PricedPart {
  KernelPart part = KernelPart::whole;
  Seconds time{};
  GpuWork work;
};

// Compute first, in a fixed order, then what the block waits for.
std::array<PricedPart, 7> parts_of(const WorkPrice& price) {
  const Seconds rest = price.compute - price.gemm - price.attention - price.memory_bound;
  return {{{KernelPart::gemm, price.gemm, {WorkCategory::gemm}},
           {KernelPart::attention, price.attention, {WorkCategory::attention}},
           {KernelPart::memory_bound, price.memory_bound, {WorkCategory::memory_bound}},
           {KernelPart::slowdown, std::max(Seconds(0), rest), {WorkCategory::other}},
           {KernelPart::tp, price.tp.exposed, collective_work(std::nullopt, Axis::tp)},
           {KernelPart::cp, price.cp.exposed, collective_work(std::nullopt, Axis::cp)},
           {KernelPart::ep, price.ep.exposed, collective_work(std::nullopt, Axis::ep)}}};
}

class KernelList {
 public:
  KernelList(const SimulatedStep& step, std::size_t list)
      : step_(step), kind_(step.program.kinds[kind_of_list(step.timeline, list)]), spans_(step.timeline.spans[list]) {}

  std::vector<SimulatedKernel> run() {
    kernels_.reserve(kind_.instructions.size());
    for (std::size_t i = 0; i < kind_.instructions.size(); ++i)
      if (kind_.instructions[i].stream != Stream::host) add(static_cast<std::int32_t>(i));
    std::stable_sort(kernels_.begin(), kernels_.end(),
                     [](const SimulatedKernel& a, const SimulatedKernel& b) { return a.start < b.start; });
    return std::move(kernels_);
  }

 private:
  void add(std::int32_t id) {
    const Instruction& instruction = kind_.instructions[static_cast<std::size_t>(id)];
    const Span& span = spans_[static_cast<std::size_t>(id)];
    const Work& work = step_.program.works[static_cast<std::size_t>(instruction.work)];
    if (std::holds_alternative<Block>(work)) return add_block(id, span);
    GpuWork what{WorkCategory::copy};
    if (const auto* op = std::get_if<OperatorWork>(&work)) what = operator_category(*op, instruction.phase);
    if (const auto* c = std::get_if<Collective>(&work)) what = collective_work(c->kind, c->axis);
    if (std::holds_alternative<Send>(work) || std::holds_alternative<Receive>(work))
      what = collective_work(CollectiveKind::send_receive, Axis::pp);
    add(id, KernelPart::whole, span.start, span.end, what);
  }

  // An engine may have stretched the block: its parts stretch alike.
  void add_block(std::int32_t id, const Span& span) {
    const auto work = static_cast<std::size_t>(kind_.instructions[static_cast<std::size_t>(id)].work);
    if (work >= step_.prices.works.size() || !(step_.prices.works[work].duration.value > 0))
      return add(id, KernelPart::slowdown, span.start, span.end, {WorkCategory::other});
    const WorkPrice& price = step_.prices.works[work];
    const double stretch = (span.end - span.start) / price.duration;
    Seconds from = span.start;
    for (const PricedPart& part : parts_of(price)) {
      const Seconds to = std::min(span.end, from + stretch * part.time);
      add(id, part.part, from, to, part.work);
      from = to;
    }
  }

  void add(std::int32_t id, KernelPart part, Seconds start, Seconds end, const GpuWork& work) {
    std::int64_t& free = free_[static_cast<std::size_t>(kind_.instructions[static_cast<std::size_t>(id)].stream)];
    const std::int64_t from = std::max(free, trace_nanoseconds(start)), to = trace_nanoseconds(end);
    if (to <= from) return;
    free = to;
    kernels_.push_back({from, to, id, part, work});
  }

  const SimulatedStep& step_;
  const RankKind& kind_;
  const std::vector<Span>& spans_;
  std::array<std::int64_t, streams> free_{};  // end of the last kernel of every stream
  std::vector<SimulatedKernel> kernels_;
};

}  // namespace

std::vector<SimulatedKernel> simulated_kernels(const SimulatedStep& step, std::size_t list) {
  return KernelList(step, list).run();
}

StepWindow simulated_window(const SimulatedStep& step, std::size_t list) {
  std::int64_t start = 0;
  if (step.program.steps_overlap) {
    const std::vector<SimulatedKernel> kernels = simulated_kernels(step, list);
    if (!kernels.empty()) start = kernels.front().start;
  }
  return {start, start + trace_nanoseconds(step.result.step_time)};
}

GpuActivity simulated_activity(const SimulatedStep& step, std::size_t list) {
  std::vector<GpuInterval> intervals;
  for (const SimulatedKernel& kernel : simulated_kernels(step, list))
    intervals.push_back({kernel.start, kernel.end, code_of(kernel.work)});
  return activity_of(intervals, {simulated_window(step, list)});
}

}  // namespace trainyard
