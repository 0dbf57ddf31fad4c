#include "analysis/communication_table.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "models/collective_cost.hpp"

namespace trainyard {
Axis axis_of(LayerGroup group) {
  switch (group) {
    case LayerGroup::tp:
    case LayerGroup::etp:
      return Axis::tp;
    case LayerGroup::cp:
    case LayerGroup::cp_inner:
      return Axis::cp;
    case LayerGroup::ep:
      return Axis::ep;
  }
  return Axis::tp;
}

std::string_view layer_purpose(Axis axis) {
  if (axis == Axis::cp) return "keys and values";
  return axis == Axis::ep ? "tokens" : "activations";
}

namespace {

// The collectives of one axis inside the segments.
struct LayerTraffic {
  std::string collectives;  // "all-gather, reduce-scatter"
  const LayerCollective* largest = nullptr;
};

class CommunicationTable {
 public:
  CommunicationTable(const StepProgram& program, const PricedProgram& prices, const std::vector<Seconds>& exposed,
                     const Profile& profile)
      : program_(program),
        prices_(prices),
        exposed_(exposed),
        profile_(profile),
        kinds_(static_cast<double>(program.kinds.size())) {
    for (const Segment& segment : program.segments)
      for (const LayerStep& step : segment.steps)
        if (const auto* c = std::get_if<LayerCollective>(&step.work)) note(*c);
  }

  std::vector<CommunicationLine> run(const Breakdown& mean, const std::vector<std::int64_t>& uses) {
    for (std::size_t w = 0; w < program_.works.size(); ++w)
      if (uses[w] > 0) add_work(w, uses[w]);
    std::vector<CommunicationLine> lines;
    for (auto& [key, line] : lines_) {
      line.count = static_cast<std::int64_t>(static_cast<double>(line.count) / kinds_ + 0.5);
      line.busy *= 1.0 / kinds_;
      line.exposed *= 1.0 / kinds_;
      if (line.purpose == layer_purpose(line.axis) && layers_.contains(line.axis))
        line.exposed = exposed_of(mean, line.axis);
      lines.push_back(line);
    }
    return lines;
  }

 private:
  void note(const LayerCollective& c) {
    if (program_.paths.empty() || tiers_of(c).empty()) return;
    LayerTraffic& traffic = layers_[axis_of(c.group)];
    const std::string word(name(c.kind));
    if (traffic.collectives.find(word) == std::string::npos)
      traffic.collectives += (traffic.collectives.empty() ? "" : ", ") + word;
    if (traffic.largest == nullptr || c.bytes > traffic.largest->bytes) traffic.largest = &c;
  }
  const std::vector<Tier>& tiers_of(const LayerCollective& c) const {
    return program_.paths[static_cast<std::size_t>(program_.layer_paths[static_cast<std::size_t>(c.group)])];
  }
  static Seconds exposed_of(const Breakdown& mean, Axis axis) {
    return axis == Axis::tp ? mean.exposed_tp : axis == Axis::cp ? mean.exposed_cp : mean.exposed_ep;
  }

  void add_work(std::size_t w, std::int64_t uses) {
    const WorkPrice& p = prices_.works[w];
    const Work& work = program_.works[w];
    if (const auto* c = std::get_if<Collective>(&work); c != nullptr && c->segment < 0)
      return add(*c, uses, p.duration, exposed_[w]);
    if (const auto* s = std::get_if<Send>(&work)) add_send(s->path, s->bytes, uses, p.duration, exposed_[w]);
    if (const auto* r = std::get_if<Receive>(&work)) add_send(r->path, r->bytes, 0, p.duration, exposed_[w]);
    add_layers(Axis::tp, p.tp, uses);
    add_layers(Axis::cp, p.cp, uses);
    add_layers(Axis::ep, p.ep, uses);
  }

  void add(const Collective& c, std::int64_t uses, Seconds duration, Seconds exposed) {
    const std::vector<Tier>& tiers = program_.paths[static_cast<std::size_t>(c.path)];
    const int ranks = std::max(1, group_size(tiers));
    const std::string collective(name(c.kind)), purpose(c.label);
    CommunicationLine& line = lines_[{c.axis, collective + purpose}];
    line.axis = c.axis;
    line.collective = collective;
    line.purpose = purpose;
    line.group_size = ranks;
    if (c.bytes >= line.bytes) {
      line.bytes = c.bytes;
      line.slowest_link =
          collective_cost(c.kind, c.bytes, tiers, profile_.device, profile_.network, c.outside).slowest_link;
      if (duration.value > 0) line.bus_bandwidth = bus_factor(c.kind, ranks) * c.bytes / duration;
    }
    line.count += uses;
    line.busy += static_cast<double>(uses) * duration;
    line.exposed += exposed;
  }
  void add_send(int path, Bytes bytes, std::int64_t uses, Seconds duration, Seconds exposed) {
    CommunicationLine& line = lines_[{Axis::pp, "send/recv"}];
    const std::vector<Tier>& tiers = program_.paths[static_cast<std::size_t>(path)];
    line.axis = Axis::pp;
    line.collective = "send/recv";
    line.purpose = "activations";
    line.group_size = 2;
    line.count += uses;
    line.busy += static_cast<double>(uses) * duration;
    line.exposed += exposed;
    if (tiers.empty() || duration.value <= 0) return;
    const BytesPerSecond rate = bytes / duration;
    if (line.bytes.value > 0 && rate >= line.bus_bandwidth) return;  // shows the slowest boundary
    line.bytes = bytes;
    line.slowest_link = tiers.back().link;
    line.bus_bandwidth = rate;
  }
  void add_layers(Axis axis, const AxisPrice& p, std::int64_t uses) {
    if (p.collectives == 0) return;
    const auto traffic = layers_.find(axis);
    if (traffic == layers_.end()) return;
    const LayerCollective& largest = *traffic->second.largest;
    const std::vector<Tier>& tiers = tiers_of(largest);
    CommunicationLine*& known = layer_lines_[static_cast<std::size_t>(axis)];
    if (known == nullptr) known = &lines_[{axis, std::string(layer_purpose(axis))}];
    CommunicationLine& line = *known;
    line.count += uses * p.collectives;
    line.busy += static_cast<double>(uses) * p.busy;
    if (line.bytes.value > 0) return;
    line.axis = axis;
    line.purpose = layer_purpose(axis);
    line.group_size = group_size(tiers);
    line.collective = traffic->second.collectives;
    line.bytes = largest.bytes;
    const CollectiveCost cost =
        collective_cost(largest.kind, largest.bytes, tiers, profile_.device, profile_.network, largest.outside);
    line.slowest_link = cost.slowest_link;
    if (cost.time.value > 0) line.bus_bandwidth = bus_factor(largest.kind, line.group_size) * largest.bytes / cost.time;
  }

  const StepProgram& program_;
  const PricedProgram& prices_;
  const std::vector<Seconds>& exposed_;
  const Profile& profile_;
  double kinds_;
  std::map<Axis, LayerTraffic> layers_;
  std::map<std::pair<Axis, std::string>, CommunicationLine> lines_;
  std::array<CommunicationLine*, 5> layer_lines_{};  // of the axes inside segments, by Axis
};

}  // namespace

std::vector<CommunicationLine> communication_lines(const StepProgram& program, const PricedProgram& prices,
                                                   const std::vector<Seconds>& exposed, const Profile& profile,
                                                   const Breakdown& mean, const std::vector<std::int64_t>& uses) {
  return CommunicationTable(program, prices, exposed, profile).run(mean, uses);
}

}  // namespace trainyard
