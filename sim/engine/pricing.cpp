#include "sim/engine/pricing.hpp"

#include <algorithm>
#include <cmath>

#include "models/collective_cost.hpp"
#include "models/operator_cost.hpp"

namespace trainyard {
namespace {

struct StepTime {
  Seconds duration{};
  Seconds start{};
  Seconds end{};
};

struct SegmentTimes {
  WorkPrice price;
  std::vector<Seconds> steps;  // duration of every step, contention included
};

// Relative slowdown of compute at scale: stragglers and synchronisation, per doubling of GPUs beyond one 8-GPU node.
double scale_out_factor(const StackProfile& stack, int world_size) {
  if (world_size <= 8) return 1.0;
  return 1.0 + stack.scale_out_slowdown * std::log2(world_size / 8.0);
}

Seconds host_floor(const Segment& segment, const PricingContext& context) {
  if (segment.host_layers == 0) return Seconds(0);
  const StackProfile& stack = context.profile->stack;
  const double tp = 1.0 + stack.host_tp_growth * std::log2(static_cast<double>(context.tp)) / 3.0;
  Seconds floor = segment.phase == Phase::forward ? stack.host_forward : stack.host_backward;
  if (segment.recomputes_forward) floor += stack.host_forward;
  return segment.host_layers * tp * floor;
}

// Two in-order streams; a step with after == -1 waits for everything before it.
void schedule_steps(const Segment& segment, std::vector<StepTime>& times) {
  Seconds compute_free{}, tp_free{};
  for (std::size_t i = 0; i < segment.steps.size(); ++i) {
    const bool comm = std::holds_alternative<TpCollective>(segment.steps[i].work);
    Seconds& own = comm ? tp_free : compute_free;
    const Seconds other = comm ? compute_free : tp_free;
    const int after = segment.steps[i].after;
    const Seconds ready = after < 0 ? other : times[static_cast<std::size_t>(after)].end;
    times[i].start = std::max(own, ready);
    times[i].end = times[i].start + times[i].duration;
    own = times[i].end;
  }
}

// Compute slows by kappa for as long as a TP collective runs beside it.
void add_contention(const Segment& segment, double kappa, std::vector<StepTime>& times) {
  std::vector<StepTime> slowed = times;
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (!std::holds_alternative<Operator>(segment.steps[i].work)) continue;
    for (std::size_t j = 0; j < times.size(); ++j) {
      if (!std::holds_alternative<TpCollective>(segment.steps[j].work)) continue;
      const Seconds overlap = std::min(times[i].end, times[j].end) - std::max(times[i].start, times[j].start);
      if (overlap.value > 0) slowed[i].duration += kappa * overlap;
    }
  }
  times = std::move(slowed);
}

void add_operator(const Operator& op, Seconds time, WorkPrice& price) {
  price.compute += time;
  if (std::holds_alternative<Gemm>(op.work)) price.gemm += time;
  if (std::holds_alternative<Attention>(op.work)) price.attention += time;
  if (std::holds_alternative<MemoryBound>(op.work)) price.memory_bound += time;
}

SegmentTimes price_segment(const Segment& segment, const PricingContext& context, const std::vector<Tier>& tp_tiers,
                           double scale) {
  const Profile& profile = *context.profile;
  SegmentTimes result;
  std::vector<StepTime> times(segment.steps.size());
  bool overlapped = false;
  for (std::size_t i = 0; i < segment.steps.size(); ++i) {
    if (const auto* op = std::get_if<Operator>(&segment.steps[i].work)) {
      times[i].duration = scale * operator_time(*op, profile.device, profile.stack.attention);
      add_operator(*op, times[i].duration, result.price);
      continue;
    }
    const auto& c = std::get<TpCollective>(segment.steps[i].work);
    const Seconds time = collective_cost(c.kind, c.bytes, tp_tiers, profile.device, profile.network).time;
    times[i].duration = c.exposed * time;
    result.price.tp_busy += time;
    result.price.tp_bytes = std::max(result.price.tp_bytes, c.bytes);
    ++result.price.tp_collectives;
    overlapped = overlapped || segment.steps[i].after >= 0;
  }
  schedule_steps(segment, times);
  if (overlapped && profile.stack.contention > 0) {
    add_contention(segment, profile.stack.contention, times);
    schedule_steps(segment, times);
  }
  Seconds makespan{}, busy{};
  for (std::size_t i = 0; i < times.size(); ++i) {
    makespan = std::max(makespan, times[i].end);
    if (std::holds_alternative<Operator>(segment.steps[i].work)) busy += times[i].duration;
    result.steps.push_back(times[i].duration);
  }
  result.price.compute = busy;
  result.price.exposed_tp = makespan - busy;
  result.price.duration = std::max(makespan, host_floor(segment, context));
  result.price.host = result.price.duration - makespan;
  return result;
}

void add_scaled(WorkPrice& sum, const WorkPrice& part, double k) {
  sum.duration += k * part.duration;
  sum.compute += k * part.compute;
  sum.exposed_tp += k * part.exposed_tp;
  sum.host += k * part.host;
  sum.tp_busy += k * part.tp_busy;
  sum.gemm += k * part.gemm;
  sum.attention += k * part.attention;
  sum.memory_bound += k * part.memory_bound;
  sum.tp_bytes = std::max(sum.tp_bytes, part.tp_bytes);
  sum.tp_collectives += static_cast<int>(k) * part.tp_collectives;
}

class Pricer {
 public:
  Pricer(const StepProgram& program, const PricingContext& context)
      : program_(program), context_(context), scale_(scale_out_factor(context.profile->stack, context.world_size)) {
    static const std::vector<Tier> alone;
    const std::vector<Tier>& tp = program.paths.empty() ? alone : program.paths.front();
    for (const Segment& segment : program.segments) segments_.push_back(price_segment(segment, context, tp, scale_));
  }

  PricedProgram run() {
    PricedProgram priced;
    priced.segments.reserve(segments_.size());
    for (const SegmentTimes& s : segments_) priced.segments.push_back(s.price);
    priced.works.reserve(program_.works.size());
    for (const Work& work : program_.works) priced.works.push_back(std::visit(*this, work));
    return priced;
  }

  WorkPrice operator()(const Block& block) const {
    WorkPrice price;
    for (const SegmentUse& use : block.uses)
      add_scaled(price, segments_[static_cast<std::size_t>(use.segment)].price, use.repeat);
    if (block.contended) {
      const Seconds extra = context_.profile->stack.contention * price.compute;
      price.compute += extra;
      price.duration += extra;
    }
    return price;
  }
  WorkPrice operator()(const OperatorWork& work) const {
    WorkPrice price;
    const Seconds alone = scale_ * operator_time(work.op, context_.profile->device, context_.profile->stack.attention);
    Seconds time = work.segment < 0 ? alone : step_of(work.segment, work.step);
    if (work.contended) time *= 1.0 + context_.profile->stack.contention;
    add_operator(work.op, alone, price);
    price.compute = price.duration = time;
    return price;
  }
  WorkPrice operator()(const HostIssue& host) const {
    WorkPrice price;
    price.duration = host.segment < 0 ? context_.profile->stack.host_step
                                      : host_floor(program_.segments[static_cast<std::size_t>(host.segment)], context_);
    return price;
  }
  WorkPrice operator()(const Collective& c) const {
    WorkPrice price;
    const Seconds time =
        c.slowdown *
        collective_cost(c.kind, c.bytes, path(c.path), context_.profile->device, context_.profile->network).time;
    price.duration = c.segment < 0 ? time : step_of(c.segment, c.step);
    if (c.axis == Axis::tp) {
      price.tp_busy = time;
      price.tp_bytes = c.bytes;
      price.tp_collectives = 1;
    }
    return price;
  }
  WorkPrice operator()(const Send& send) const { return transfer(send.bytes, send.path); }
  WorkPrice operator()(const Receive& receive) const { return transfer(receive.bytes, receive.path); }

 private:
  const std::vector<Tier>& path(int index) const { return program_.paths[static_cast<std::size_t>(index)]; }
  Seconds step_of(int segment, int step) const {
    return segments_[static_cast<std::size_t>(segment)].steps[static_cast<std::size_t>(step)];
  }
  WorkPrice transfer(Bytes bytes, int path_index) const {
    WorkPrice price;
    price.duration = send_time(bytes, path(path_index), context_.profile->device, context_.profile->network);
    return price;
  }

  const StepProgram& program_;
  const PricingContext& context_;
  double scale_;
  std::vector<SegmentTimes> segments_;
};

}  // namespace

PricedProgram price(const StepProgram& program, const PricingContext& context) {
  return Pricer(program, context).run();
}

}  // namespace trainyard
