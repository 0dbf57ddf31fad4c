#include "sim/engine/segment_price.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "models/operator_cost.hpp"

namespace trainyard {
namespace {

constexpr std::size_t compute_lane = 0;
constexpr std::size_t lanes = 4;  // compute, tp, cp, ep

std::size_t lane_of(LayerGroup group) {
  switch (group) {
    case LayerGroup::tp:
    case LayerGroup::etp:
      return 1;
    case LayerGroup::cp:
    case LayerGroup::cp_inner:
      return 2;
    case LayerGroup::ep:
      return 3;
  }
  return 1;
}
std::size_t lane_of(const LayerStep& step) {
  const auto* c = std::get_if<LayerCollective>(&step.work);
  return c == nullptr ? compute_lane : lane_of(c->group);
}
AxisPrice& axis_of(WorkPrice& price, std::size_t lane) {
  return lane == 1 ? price.tp : lane == 2 ? price.cp : price.ep;
}

struct StepTime {
  Seconds duration{};
  Seconds start{};
  Seconds end{};
};

// In-order lanes; a step with after == -1 waits for everything before it.
void schedule_steps(const Segment& segment, std::vector<StepTime>& times) {
  std::array<Seconds, lanes> free{};
  for (std::size_t i = 0; i < segment.steps.size(); ++i) {
    Seconds& own = free[lane_of(segment.steps[i])];
    const int after = segment.steps[i].after;
    const Seconds ready =
        after < 0 ? *std::max_element(free.begin(), free.end()) : times[static_cast<std::size_t>(after)].end;
    times[i].start = std::max(own, ready);
    times[i].end = times[i].start + times[i].duration;
    own = times[i].end;
  }
}

// Compute slows by kappa for as long as a collective runs beside it.
void add_contention(const Segment& segment, double kappa, std::vector<StepTime>& times) {
  std::vector<StepTime> slowed = times;
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (lane_of(segment.steps[i]) != compute_lane) continue;
    for (std::size_t j = 0; j < times.size(); ++j) {
      if (lane_of(segment.steps[j]) == compute_lane) continue;
      const Seconds overlap = std::min(times[i].end, times[j].end) - std::max(times[i].start, times[j].start);
      if (overlap.value > 0) slowed[i].duration += kappa * overlap;
    }
  }
  times = std::move(slowed);
}

// Every gap of the compute lane is charged to the axis whose collective ended it.
void charge_gaps(const Segment& segment, const std::vector<StepTime>& times, Seconds makespan, WorkPrice& price) {
  Seconds free{};
  const auto charge = [&](Seconds until) {
    std::size_t lane = 1;
    Seconds latest(-1);
    for (std::size_t j = 0; j < times.size(); ++j)
      if (lane_of(segment.steps[j]) != compute_lane && times[j].end <= until && times[j].end > latest) {
        latest = times[j].end;
        lane = lane_of(segment.steps[j]);
      }
    axis_of(price, lane).exposed += until - free;
  };
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (lane_of(segment.steps[i]) != compute_lane) continue;
    if (times[i].start > free) charge(times[i].start);
    free = times[i].end;
  }
  if (makespan > free) charge(makespan);
}

// The GEMM that a pipelined collective is cut up with: the next one for a gather, the last one for a reduction.
Seconds partner_gemm(const Segment& segment, const std::vector<StepTime>& times, std::size_t collective) {
  const auto is_gemm = [&](std::size_t i) {
    const auto* op = std::get_if<Operator>(&segment.steps[i].work);
    return op != nullptr && std::holds_alternative<Gemm>(op->work);
  };
  const bool gathers = std::get<LayerCollective>(segment.steps[collective].work).kind == CollectiveKind::all_gather;
  if (gathers) {
    for (std::size_t i = collective + 1; i < times.size(); ++i)
      if (is_gemm(i)) return times[i].duration;
  } else {
    for (std::size_t i = collective; i-- > 0;)
      if (is_gemm(i)) return times[i].duration;
  }
  return Seconds(0);
}

// What n pieces of communication and of a GEMM, in turn, take beyond the GEMM: the first piece (unless one is local)
// and where communication is the slower.
Seconds pipelined_exposure(const LayerCollective& c, Seconds communication, Seconds gemm) {
  const double n = c.pieces;
  const double moved = c.local_first ? n - 1.0 : n;
  if (moved < 1.0) return Seconds(0);
  const Seconds piece = (1.0 / moved) * communication, part = (1.0 / n) * gemm;
  const Seconds first = c.local_first ? Seconds(0) : piece;
  return first + (n - 1.0) * std::max(Seconds(0), piece - part);
}

}  // namespace

double scale_out_factor(const PricingContext& context) {
  if (context.world_size <= 8) return 1.0;
  const StackProfile& stack = context.profile->stack;
  const double slowdown = context.sharded ? stack.fsdp_scale_out_slowdown : stack.scale_out_slowdown;
  return 1.0 + slowdown * std::log2(context.world_size / 8.0);
}

Seconds host_floor(const Segment& segment, const PricingContext& context) {
  if (segment.host_layers == 0) return Seconds(0);
  const StackProfile& stack = context.profile->stack;
  const double tp = 1.0 + stack.host_tp_growth * std::log2(static_cast<double>(context.tp)) / 3.0;
  Seconds floor = segment.phase == Phase::forward ? stack.host_forward : stack.host_backward;
  if (segment.recomputes_forward) floor += stack.host_forward;
  const double graphs = stack.cuda_graphs ? stack.cuda_graph_host : 1.0;
  return graphs * segment.host_layers * tp * floor;
}

void add_operator(const Operator& op, Seconds time, WorkPrice& price) {
  price.compute += time;
  if (std::holds_alternative<Gemm>(op.work)) price.gemm += time;
  if (std::holds_alternative<Attention>(op.work)) price.attention += time;
  if (std::holds_alternative<MemoryBound>(op.work)) price.memory_bound += time;
}

SegmentTimes price_segment(const Segment& segment, const StepProgram& program, const PricingContext& context,
                           double scale) {
  static const std::vector<Tier> alone;
  const Profile& profile = *context.profile;
  SegmentTimes result;
  std::vector<StepTime> times(segment.steps.size());
  std::vector<Seconds> alone_time;  // of collectives that are cut up
  bool overlapped = false;
  for (std::size_t i = 0; i < segment.steps.size(); ++i) {
    if (const auto* op = std::get_if<Operator>(&segment.steps[i].work)) {
      times[i].duration = scale * operator_time(*op, profile.device, profile.stack.attention);
      add_operator(*op, times[i].duration, result.price);
      continue;
    }
    const auto& c = std::get<LayerCollective>(segment.steps[i].work);
    const auto path = static_cast<std::size_t>(program.layer_paths[static_cast<std::size_t>(c.group)]);
    const auto& paths = context.paths != nullptr ? *context.paths : program.paths;
    const std::vector<Tier>& tiers = paths.empty() ? alone : paths[path];
    const Seconds time = collective_time(c.kind, c.bytes, tiers, context, c.outside);
    times[i].duration = c.exposed * time;
    if (c.pieces > 0) {
      alone_time.resize(times.size());
      alone_time[i] = time;
    }
    AxisPrice& axis = axis_of(result.price, lane_of(c.group));
    axis.busy += time;
    axis.bytes = std::max(axis.bytes, c.bytes);
    ++axis.collectives;
    overlapped = overlapped || segment.steps[i].after >= 0;
  }
  for (std::size_t i = 0; i < alone_time.size(); ++i)
    if (const auto* c = std::get_if<LayerCollective>(&segment.steps[i].work); c != nullptr && c->pieces > 0)
      times[i].duration = pipelined_exposure(*c, alone_time[i], partner_gemm(segment, times, i));
  schedule_steps(segment, times);
  if (overlapped && profile.stack.contention > 0) {
    add_contention(segment, profile.stack.contention, times);
    schedule_steps(segment, times);
  }
  Seconds makespan{}, busy{};
  result.steps.reserve(times.size());
  for (std::size_t i = 0; i < times.size(); ++i) {
    makespan = std::max(makespan, times[i].end);
    if (lane_of(segment.steps[i]) == compute_lane) busy += times[i].duration;
    result.steps.push_back(times[i].duration);
  }
  charge_gaps(segment, times, makespan, result.price);
  result.price.compute = busy;
  const Seconds waits = segment.host_syncs * profile.stack.moe_host_sync;
  result.price.duration = std::max(makespan + waits, host_floor(segment, context));
  result.price.host = result.price.duration - makespan;
  return result;
}

}  // namespace trainyard
