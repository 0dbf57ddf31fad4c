#include "sim/engine/pricing.hpp"

#include <algorithm>
#include <cmath>

#include "models/collective_cost.hpp"
#include "models/operator_cost.hpp"
#include "sim/engine/segment_price.hpp"

namespace trainyard {
namespace {

void add_scaled(AxisPrice& sum, const AxisPrice& part, double k) {
  sum.exposed += k * part.exposed;
  sum.busy += k * part.busy;
  sum.bytes = std::max(sum.bytes, part.bytes);
  sum.collectives += static_cast<int>(k) * part.collectives;
}

void add_scaled(WorkPrice& sum, const WorkPrice& part, double k) {
  sum.duration += k * part.duration;
  sum.compute += k * part.compute;
  sum.host += k * part.host;
  add_scaled(sum.tp, part.tp, k);
  add_scaled(sum.cp, part.cp, k);
  add_scaled(sum.ep, part.ep, k);
  sum.gemm += k * part.gemm;
  sum.attention += k * part.attention;
  sum.memory_bound += k * part.memory_bound;
}

class Pricer {
 public:
  Pricer(const StepProgram& program, const PricingContext& context, const std::vector<SegmentTimes>& segments)
      : program_(program),
        context_(context),
        profile_(*context.profile),
        scale_(scale_out_factor(context)),
        segments_(segments) {}

  WorkPrice operator()(const Block& block) const {
    WorkPrice price;
    add_uses(block.uses, price);
    if (!block.partner.empty()) return paired(price, block.partner);
    const Seconds slowdown = time_lost(block, price.compute);
    if (block.only_slowdown) price = {};
    price.compute += slowdown;
    price.duration += slowdown;
    return price;
  }
  WorkPrice operator()(const OperatorWork& work) const {
    WorkPrice price;
    const Seconds alone = scale_ * operator_time(work.op, profile_.device, profile_.stack.attention);
    Seconds time = work.segment < 0 ? alone : step_of(work.segment, work.step);
    if (work.contended && context_.contention) time *= 1.0 + profile_.stack.contention;
    add_operator(work.op, alone, price);
    price.compute = price.duration = time;
    return price;
  }
  WorkPrice operator()(const HostIssue& host) const {
    WorkPrice price;
    price.duration = host.segment < 0 ? profile_.stack.host_step : host_time(host.segment);
    return price;
  }
  WorkPrice operator()(const Collective& c) const {
    WorkPrice price;
    const Seconds time = alone(c);
    price.duration = c.segment < 0 ? time : step_of(c.segment, c.step);
    AxisPrice* axis = c.axis == Axis::tp ? &price.tp : c.axis == Axis::cp ? &price.cp : nullptr;
    if (c.axis == Axis::ep) axis = &price.ep;
    if (axis == nullptr) return price;
    axis->busy = time;
    axis->bytes = c.bytes;
    axis->collectives = 1;
    return price;
  }
  WorkPrice operator()(const Send& send) const { return transfer(send.bytes, send.path); }
  WorkPrice operator()(const Receive& receive) const { return transfer(receive.bytes, receive.path); }
  WorkPrice operator()(const HostCopy& copy) const {
    WorkPrice price;
    const Tier& tier = path(copy.path).front();
    price.duration = profile_.network.pcie_latency + copy.bytes / (profile_.network.pcie_efficiency * tier.bandwidth);
    return price;
  }
  WorkPrice operator()(const HostUpdate& update) const {
    WorkPrice price;
    price.duration =
        update.bytes / (update.nvme ? profile_.device.host_nvme_bandwidth : profile_.device.host_update_bandwidth);
    return price;
  }

 private:
  const std::vector<Tier>& path(int index) const {
    const auto& paths = context_.paths != nullptr ? *context_.paths : program_.paths;
    return paths[static_cast<std::size_t>(index)];
  }
  Seconds step_of(int segment, int step) const {
    return segments_[static_cast<std::size_t>(segment)].steps[static_cast<std::size_t>(step)];
  }
  // Least time of a segment from its start, as far as the host decides: its floor, or what it adds by waiting.
  Seconds host_time(int segment) const {
    const Segment& s = program_.segments[static_cast<std::size_t>(segment)];
    const WorkPrice& price = segments_[static_cast<std::size_t>(segment)].price;
    return s.host_syncs > 0 ? price.duration : host_floor(s, context_);
  }
  Seconds alone(const Collective& c) const {
    return c.slowdown * collective_time(c.kind, c.bytes, path(c.path), context_, c.outside);
  }
  WorkPrice transfer(Bytes bytes, int path_index) const {
    WorkPrice price;
    price.duration = send_time(bytes, path(path_index), profile_.device, profile_.network);
    if (profile_.stack.p2p == P2pMode::blocking) price.duration += profile_.stack.p2p_host_sync;
    return price;
  }
  void add_uses(const std::vector<SegmentUse>& uses, WorkPrice& price) const {
    for (const SegmentUse& use : uses)
      add_scaled(price, segments_[static_cast<std::size_t>(use.segment)].price, use.repeat);
  }

  // Of compute, to communication that runs beside it.
  Seconds time_lost(const Block& block, Seconds compute) const {
    if (!context_.contention) return Seconds(0);
    if (block.contended) return profile_.stack.contention * compute;
    Seconds beside{};
    for (int work : block.beside) beside += alone(std::get<Collective>(program_.works[static_cast<std::size_t>(work)]));
    return profile_.stack.fsdp_contention * std::min(beside, compute);
  }

  // Expert-parallel communication of a forward hides under the backward's compute and the other way round; compute
  // loses `contention` of the time that is hidden.
  WorkPrice paired(WorkPrice price, const std::vector<SegmentUse>& partner) const {
    add_uses(partner, price);
    const Seconds hidden = std::min(price.ep.exposed, price.compute);
    const Seconds lost = profile_.stack.contention * hidden;
    price.ep.exposed -= hidden;
    price.compute += lost;
    price.duration += lost - hidden;
    return price;
  }

  const StepProgram& program_;
  const PricingContext& context_;
  const Profile& profile_;
  double scale_;
  const std::vector<SegmentTimes>& segments_;
};

}  // namespace

Seconds collective_time(CollectiveKind kind, Bytes bytes, const std::vector<Tier>& tiers, const PricingContext& context,
                        Bytes outside) {
  const Profile& profile = *context.profile;
  if (context.known != nullptr) return context.known->time(kind, bytes, tiers, profile, outside);
  return collective_cost(kind, bytes, tiers, profile.device, profile.network, outside).time;
}

std::vector<SegmentTimes> price_segments(const StepProgram& program, const PricingContext& context) {
  const double scale = scale_out_factor(context);
  std::vector<SegmentTimes> segments;
  segments.reserve(program.segments.size());
  for (const Segment& segment : program.segments) segments.push_back(price_segment(segment, program, context, scale));
  return segments;
}

std::vector<WorkPrice> price_works(const StepProgram& program, const PricingContext& context,
                                   const std::vector<SegmentTimes>& segments) {
  const Pricer pricer(program, context, segments);
  std::vector<WorkPrice> works;
  works.reserve(program.works.size());
  for (const Work& work : program.works) works.push_back(std::visit(pricer, work));
  return works;
}

PricedProgram price(const StepProgram& program, const PricingContext& context) {
  const std::vector<SegmentTimes> segments = price_segments(program, context);
  PricedProgram priced;
  priced.works = price_works(program, context, segments);
  priced.segments.reserve(segments.size());
  for (const SegmentTimes& s : segments) priced.segments.push_back(s.price);
  return priced;
}

}  // namespace trainyard
