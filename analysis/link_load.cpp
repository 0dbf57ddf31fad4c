#include "analysis/link_load.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "analysis/communication_table.hpp"
#include "models/collective_cost.hpp"
#include "sim/engine/footprint.hpp"
#include "sim/plan/comm_groups.hpp"
#include "sim/plan/communication_paths.hpp"
#include "topology/link_map.hpp"

namespace trainyard {
namespace {

// Collectives that load the links of a communicator in equal proportions and are listed together.
struct Flow {
  CommGroup group = CommGroup::none;
  CollectiveKind kind = CollectiveKind::all_reduce;
  std::string_view algorithm;
  double outside = -1;  // share of the message, see collective_footprint
  int rendezvous = -1;  // of several rank kinds
  std::size_t line = 0;
  friend auto operator<=>(const Flow&, const Flow&) = default;
};
using BytesByKind = std::vector<double>;  // [rank kind] of NCCL's message size, per member and step

// What a step moves, before anybody asks over which links.
class Flows {
 public:
  Flows(const Job& job, const SimulatedStep& step) : job_(job), step_(step), program_(step.program) {
    for (std::size_t k = 0; k < program_.kinds.size(); ++k) {
      std::vector<double> uses(program_.works.size(), 0.0);
      for (const Instruction& i : program_.kinds[k].instructions) uses[static_cast<std::size_t>(i.work)] += 1;
      segment_uses_.assign(program_.segments.size(), 0.0);
      for (std::size_t w = 0; w < uses.size(); ++w)
        if (uses[w] > 0) add(program_.works[w], k, uses[w]);
      add_segments(k);
    }
  }

  struct Message {
    int from = -1, to = -1;  // stages
    double bytes = 0;        // per sending rank and step
  };
  const std::map<Flow, BytesByKind>& collectives() const { return collectives_; }
  std::vector<Message> messages() const {
    std::vector<Message> messages;
    for (const auto& [channel, message] : channels_)
      if (message.from >= 0 && message.to >= 0) messages.push_back(message);
    return messages;
  }
  std::size_t message_line() const { return line_of(Axis::pp, "send/recv", "activations"); }

 private:
  void add(const Work& work, std::size_t kind, double uses) {
    const int stage = program_.kinds[kind].stage.value;
    if (const auto* c = std::get_if<Collective>(&work)) add_collective(*c, kind, uses);
    if (const auto* b = std::get_if<Block>(&work); b != nullptr && !b->only_slowdown) add_block(*b, uses);
    if (const auto* r = std::get_if<Receive>(&work)) channels_[r->channel].to = stage;
    if (const auto* s = std::get_if<Send>(&work)) {
      channels_[s->channel].from = stage;
      channels_[s->channel].bytes += uses * s->bytes.value;
    }
  }

  void add_collective(const Collective& c, std::size_t kind, double uses) {
    const std::string_view purpose = c.segment < 0 ? c.label : layer_purpose(c.axis);
    Flow flow{c.group, c.kind, {}, -1, c.parties > 1 ? c.rendezvous : -1, line_of(c.axis, name(c.kind), purpose)};
    add_flow(flow, {c.bytes, c.outside, c.path}, kind, uses);
  }
  void add_block(const Block& block, double uses) {
    for (const std::vector<SegmentUse>* part : {&block.uses, &block.partner})
      for (const SegmentUse& use : *part) segment_uses_[static_cast<std::size_t>(use.segment)] += uses * use.repeat;
  }
  void add_segments(std::size_t kind) {
    for (std::size_t s = 0; s < segment_uses_.size(); ++s)
      for (const LayerStep& layer_step : program_.segments[s].steps)
        if (const auto* c = std::get_if<LayerCollective>(&layer_step.work); c != nullptr && segment_uses_[s] > 0)
          add_inside(*c, kind, segment_uses_[s]);
  }
  void add_inside(const LayerCollective& c, std::size_t kind, double uses) {
    const Axis axis = axis_of(c.group);
    const Flow flow{comm_group(c.group), c.kind, {}, -1, -1, line_of(axis, name(c.kind), layer_purpose(axis))};
    add_flow(flow, {c.bytes, c.outside, program_.layer_paths[static_cast<std::size_t>(c.group)]}, kind, uses);
  }

  struct Size {
    Bytes bytes, outside;
    int path;
  };
  void add_flow(Flow flow, const Size& size, std::size_t kind, double uses) {
    const std::vector<Tier>& tiers = program_.paths[static_cast<std::size_t>(size.path)];
    if (flow.group == CommGroup::none || tiers.empty() || size.bytes.value <= 0) return;
    if (size.outside.value >= 0) flow.outside = size.outside / size.bytes;
    flow.algorithm =
        collective_cost(flow.kind, size.bytes, tiers, job_.profile.device, job_.profile.network, size.outside)
            .algorithm;
    BytesByKind& moved = collectives_[flow];
    moved.resize(program_.kinds.size(), 0.0);
    moved[kind] += uses * size.bytes.value;
  }

  // Of the step's communication lines; one more than there are for what stands in none.
  std::size_t line_of(Axis axis, std::string_view collective, std::string_view purpose) const {
    const std::vector<CommunicationLine>& lines = step_.result.communication;
    const auto found = std::find_if(lines.begin(), lines.end(), [&](const CommunicationLine& l) {
      return l.axis == axis && l.purpose == purpose && l.collective.find(collective) != std::string::npos;
    });
    return static_cast<std::size_t>(found - lines.begin());
  }

  const Job& job_;
  const SimulatedStep& step_;
  const StepProgram& program_;
  std::map<Flow, BytesByKind> collectives_;
  std::map<int, Message> channels_;
  std::vector<double> segment_uses_;  // [segment] of the rank kind that is being looked at
};

// Bytes by link and line.
class LinkSums {
 public:
  LinkSums(const Job& job, const SimulatedStep& step)
      : step_(step),
        routes_(job.cluster),
        links_(routes_),
        groups_(step.plan, step.layout, communication_paths(step.plan, step.layout, routes_, job.model.moe.has_value()),
                job.model.moe.has_value()),
        lines_(step.result.communication.size()),
        bytes_(static_cast<std::size_t>(links_.size())) {}

  void add(const Flow& flow, const BytesByKind& moved) {
    std::vector<bool> counted(static_cast<std::size_t>(step_.layout.world_size()), false);
    for (int r = 0; r < step_.layout.world_size(); ++r) {
      const double bytes = moved[kind_of_rank(r)];
      if (bytes <= 0 || counted[static_cast<std::size_t>(r)]) continue;
      std::vector<DeviceId> devices;
      for (const RankId member : groups_.members(flow.group, RankId(r))) {
        counted[member.index()] = true;
        devices.push_back(step_.layout.device[member.index()]);
      }
      add(collective_footprint(flow.kind, flow.algorithm, flow.outside, devices, links_), bytes, flow.line);
    }
  }
  void add(const Flows::Message& message, std::size_t line) {
    for (int r = 0; r < step_.layout.world_size(); ++r) {
      if (step_.layout.coordinates(RankId(r)).pp != message.from) continue;
      const RankId peer = groups_.in_stage(RankId(r), message.to);
      add(send_footprint(step_.layout.device[static_cast<std::size_t>(r)], step_.layout.device[peer.index()], links_),
          message.bytes, line);
    }
  }

  std::vector<LoadedLink> loaded(Seconds step_time) const {
    std::vector<LoadedLink> result;
    for (int l = 0; l < links_.size(); ++l)
      if (!bytes_[static_cast<std::size_t>(l)].empty()) result.push_back(loaded(l, step_time));
    return result;
  }

 private:
  std::size_t kind_of_rank(int rank) const {
    const int stage = step_.layout.coordinates(RankId(rank)).pp;
    const auto found = std::find_if(step_.program.kinds.begin(), step_.program.kinds.end(),
                                    [&](const RankKind& k) { return k.stage.value == stage; });
    return static_cast<std::size_t>(found - step_.program.kinds.begin());
  }
  void add(const std::vector<LinkUse>& uses, double bytes, std::size_t line) {
    for (const LinkUse& use : uses) {
      std::vector<Bytes>& of = bytes_[static_cast<std::size_t>(use.link)];
      of.resize(lines_ + 1);
      of[line] += Bytes(use.bytes * bytes);
    }
  }
  LoadedLink loaded(int l, Seconds step_time) const {
    const SharedLink link = links_.link(l);
    LoadedLink result{.link = links_.name(l),
                      .index = l,
                      .link_class = link.link,
                      .kind = link.kind,
                      .node = link.node,
                      .from = link.from,
                      .to = link.to,
                      .width = link.bandwidth,
                      .of = bytes_[static_cast<std::size_t>(l)]};
    for (const Bytes part : result.of) result.bytes += part;
    result.of.resize(lines_);
    result.least = link.bandwidth.value > 0 ? result.bytes / link.bandwidth : Seconds(0);
    result.busy = step_time.value > 0 ? result.least / step_time : 0.0;
    return result;
  }

  const SimulatedStep& step_;
  Routes routes_;
  LinkMap links_;
  CommGroups groups_;
  std::size_t lines_;
  std::vector<std::vector<Bytes>> bytes_;  // [link] empty or [line], the last for what stands in none
};

}  // namespace

std::vector<LoadedLink> link_loads(const Job& job, const SimulatedStep& step) {
  if (step.layout.device.empty()) return {};  // a step that sits on no machine
  const Flows flows(job, step);
  LinkSums sums(job, step);
  for (const auto& [flow, moved] : flows.collectives()) sums.add(flow, moved);
  for (const Flows::Message& message : flows.messages()) sums.add(message, flows.message_line());
  return sums.loaded(step.result.step_time);
}

}  // namespace trainyard
