#include "sim/engine/traffic.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/collective_cost.hpp"

namespace trainyard {
namespace {

// A transfer whose bytes take less than this is all latency: who shares its links does not matter.
constexpr double shortest_transfer = 1e-7;  // seconds
// A link is short if the rates of all its transfers exceed it by more than rounding.
constexpr double rounding = 1e-9;
// HBM traffic of a ring step per byte that the rank sends: it reads its own and the received byte and writes the sum.
constexpr double memory_bytes_per_byte = 3.0;

double efficiency(const SharedLink& link, const Profile& profile) {
  const NetworkProfile& net = profile.network;
  const double nic = std::max({net.collective_efficiency, net.p2p_efficiency, net.all_to_all_efficiency});
  switch (link.kind) {
    case SharedLinkKind::nvlink_out:
    case SharedLinkKind::nvlink_in:
      return std::max({profile.device.reduction_efficiency, profile.device.all_to_all_efficiency,
                       profile.device.dispatch_efficiency});
    case SharedLinkKind::pcie:
    case SharedLinkKind::socket:
      return net.pcie_efficiency;
    case SharedLinkKind::nic_out:
    case SharedLinkKind::nic_in:
      return nic;
    case SharedLinkKind::leaf_up:
    case SharedLinkKind::leaf_down:
      return nic * net.routing_efficiency;
  }
  return 1.0;
}

class TrafficBuilder {
 public:
  TrafficBuilder(const StepProgram& program, const PricedProgram& prices, const EngineContext& context,
                 const std::vector<std::vector<Tier>>& paths)
      : program_(program), prices_(prices), context_(context), paths_(paths) {}

  Traffic build(LinkSharing sharing) {
    find_channels();
    traffic_.works.resize(program_.works.size());
    for (std::size_t w = 0; w < program_.works.size(); ++w) add_work(w);
    add_inside_blocks();
    for (std::size_t s = 0; s < traffic_.sets.size(); ++s) add_communicators(traffic_.sets[s], users_[s]);
    add_loads();
    find_contended(sharing);
    return std::move(traffic_);
  }

 private:
  // Stages that a channel leaves and reaches, and the kinds that run each work.
  void find_channels() {
    runs_.resize(program_.works.size());
    for (std::size_t k = 0; k < program_.kinds.size(); ++k)
      for (const Instruction& i : program_.kinds[k].instructions) {
        std::vector<int>& kinds = runs_[static_cast<std::size_t>(i.work)];
        if (kinds.empty() || kinds.back() != static_cast<int>(k)) kinds.push_back(static_cast<int>(k));
      }
    for (std::size_t w = 0; w < program_.works.size(); ++w) {
      if (runs_[w].empty()) continue;
      const int stage = program_.kinds[static_cast<std::size_t>(runs_[w].front())].stage.value;
      if (const auto* s = std::get_if<Send>(&program_.works[w])) ends(s->channel).from = stage;
      if (const auto* r = std::get_if<Receive>(&program_.works[w])) ends(r->channel).to = stage;
    }
  }
  struct Ends {
    int from = -1, to = -1;
  };
  Ends& ends(int channel) {
    const auto c = static_cast<std::size_t>(channel);
    if (channels_.size() <= c) channels_.resize(c + 1), traffic_.sender_set.resize(c + 1, -1);
    return channels_[c];
  }

  int set_index(CommGroup group, Ends pair) {
    for (std::size_t s = 0; s < traffic_.sets.size(); ++s) {
      const CommunicatorSet& set = traffic_.sets[s];
      if (set.group == group && set.from_stage == pair.from && set.to_stage == pair.to) return static_cast<int>(s);
    }
    CommunicatorSet& set = traffic_.sets.emplace_back();
    set.group = group;
    set.from_stage = pair.from;
    set.to_stage = pair.to;
    users_.emplace_back(program_.kinds.size(), false);
    return static_cast<int>(traffic_.sets.size()) - 1;
  }
  static int pattern_index(CommunicatorSet& set, TrafficPattern pattern) {
    for (std::size_t p = 0; p < set.patterns.size(); ++p) {
      TrafficPattern& known = set.patterns[p];
      if (known.kind != pattern.kind || known.algorithm != pattern.algorithm || known.outside != pattern.outside)
        continue;
      known.peak = std::max(known.peak, pattern.peak);
      return static_cast<int>(p);
    }
    set.patterns.push_back(pattern);
    return static_cast<int>(set.patterns.size()) - 1;
  }

  void add_work(std::size_t w) {
    if (runs_[w].empty()) return;
    if (const auto* c = std::get_if<Collective>(&program_.works[w])) add_collective(w, *c);
    if (const auto* s = std::get_if<Send>(&program_.works[w])) add_message(w, s->channel, s->bytes, s->path);
    if (const auto* r = std::get_if<Receive>(&program_.works[w])) add_message(w, r->channel, r->bytes, r->path);
  }

  // Splits the price of a work into latency and transfer as its cost alone is split.
  void set_times(WorkTransfer& t, Seconds price, double latency_share) {
    t.latency = latency_share * price.value;
    t.transfer = price.value - t.latency;
  }
  void add_pattern(std::size_t w, int set, TrafficPattern pattern) {
    WorkTransfer& t = traffic_.works[w];
    t.set = set;
    for (const int kind : runs_[w]) users_[static_cast<std::size_t>(set)][static_cast<std::size_t>(kind)] = true;
    if (t.transfer < shortest_transfer) return;
    pattern.peak = t.bytes / t.transfer;
    t.pattern = pattern_index(traffic_.sets[static_cast<std::size_t>(set)], pattern);
  }

  void add_collective(std::size_t w, const Collective& c) {
    const std::vector<Tier>& tiers = paths_[static_cast<std::size_t>(c.path)];
    if (c.group == CommGroup::none || tiers.empty()) return;
    const Profile& profile = *context_.profile;
    const CollectiveCost cost = collective_cost(c.kind, c.bytes, tiers, profile.device, profile.network, c.outside);
    if (cost.time.value <= 0) return;
    const Seconds price = prices_.works[w].duration;
    WorkTransfer& t = traffic_.works[w];
    set_times(t, price, cost.latency / cost.time);
    const double whole = (cost.time - cost.latency).value * c.slowdown;  // what the full message would take
    t.bytes = whole > 0 ? c.bytes.value * t.transfer / whole : 0;
    // What runs inside a layer is accounted for in the layer's price.
    if (c.segment < 0 && c.axis != Axis::pp && t.transfer >= shortest_transfer) {
      t.channels = cost.channels;
      t.memory_rate = memory_bytes_per_byte * bus_factor(c.kind, group_size(tiers)) * t.bytes / t.transfer;
    }
    add_pattern(w, set_index(c.group, {}),
                {c.kind, cost.algorithm, c.outside.value < 0 ? -1.0 : c.outside / c.bytes, 0});
  }

  void add_message(std::size_t w, int channel, Bytes bytes, int path) {
    const std::vector<Tier>& tiers = paths_[static_cast<std::size_t>(path)];
    WorkTransfer& t = traffic_.works[w];
    const Profile& profile = *context_.profile;
    const Seconds price = prices_.works[w].duration;
    // A message of no bytes is all latency.
    const Seconds empty = price - (send_time(bytes, tiers, profile.device, profile.network) -
                                   send_time(Bytes(0), tiers, profile.device, profile.network));
    set_times(t, price, price.value > 0 ? empty / price : 1.0);
    t.bytes = bytes.value;
    const int set = set_index(CommGroup::none, ends(channel));
    traffic_.sender_set[static_cast<std::size_t>(channel)] = set;
    add_pattern(w, set, {CollectiveKind::send_receive, "send", -1, 0});
  }

  void add_inside_blocks() {
    const bool blocks = std::any_of(program_.works.begin(), program_.works.end(),
                                    [](const Work& w) { return std::holds_alternative<Block>(w); });
    if (!blocks || paths_.empty()) return;
    for (const Segment& segment : program_.segments)
      for (const LayerStep& step : segment.steps)
        if (const auto* c = std::get_if<LayerCollective>(&step.work)) add_inside(*c);
  }
  void add_inside(const LayerCollective& c) {
    const int path = program_.layer_paths[static_cast<std::size_t>(c.group)];
    if (paths_[static_cast<std::size_t>(path)].empty()) return;
    const std::int32_t set = set_index(comm_group(c.group), {});
    users_[static_cast<std::size_t>(set)].assign(program_.kinds.size(), true);
    std::vector<std::int32_t>& inside = traffic_.inside_blocks;
    if (std::find(inside.begin(), inside.end(), set) == inside.end()) inside.push_back(set);
  }

  // Communicators of a set, over the ranks of the stages that use it.
  void add_communicators(CommunicatorSet& set, const std::vector<bool>& users) {
    const RankLayout& layout = *context_.layout;
    set.of_rank.assign(static_cast<std::size_t>(layout.world_size()), -1);
    for (std::size_t k = 0; k < program_.kinds.size(); ++k) {
      const int stage = program_.kinds[k].stage.value;
      if (set.pairs() ? stage != set.from_stage : !users[k]) continue;
      for (int r = 0; r < layout.world_size(); ++r) {
        if (set.of_rank[static_cast<std::size_t>(r)] >= 0 || layout.coordinates(RankId(r)).pp != stage) continue;
        const std::vector<RankId> members =
            set.pairs() ? std::vector<RankId>{RankId(r), context_.groups->in_stage(RankId(r), set.to_stage)}
                        : context_.groups->members(set.group, RankId(r));
        const int id = set.size();
        if (set.pairs())
          set.of_rank[static_cast<std::size_t>(r)] = id;
        else
          for (const RankId m : members) set.of_rank[m.index()] = id;
        set.members.insert(set.members.end(), members.begin(), members.end());
        set.begin.push_back(static_cast<std::int32_t>(set.members.size()));
      }
    }
  }

  void add_loads() {
    std::vector<DeviceId> devices;
    for (CommunicatorSet& set : traffic_.sets) {
      set.load_begin.assign(1, 0);
      for (int i = 0; i < set.size(); ++i) {
        devices.clear();
        for (const RankId m : set.of(i)) devices.push_back(context_.layout->device[m.index()]);
        for (const TrafficPattern& p : set.patterns) {
          const std::vector<LinkUse> uses =
              set.pairs() ? send_footprint(devices[0], devices[1], *context_.links)
                          : collective_footprint(p.kind, p.algorithm, p.outside, devices, *context_.links);
          set.loads.insert(set.loads.end(), uses.begin(), uses.end());
          set.load_begin.push_back(static_cast<std::int32_t>(set.loads.size()));
        }
      }
    }
  }

  // The rate that a communicator puts on a link while it moves as fast as it can alone; of its patterns the largest.
  template <class Visit>
  void each_demand(Visit&& visit) const {
    std::vector<LinkUse> largest;
    for (const CommunicatorSet& set : traffic_.sets)
      for (int i = 0; i < set.size(); ++i) {
        largest.clear();
        for (std::size_t p = 0; p < set.patterns.size(); ++p)
          for (const LinkUse& use : set.load(i, static_cast<int>(p)))
            largest.push_back({use.link, set.patterns[p].peak * use.bytes});
        std::sort(largest.begin(), largest.end(), [](const LinkUse& a, const LinkUse& b) {
          return a.link != b.link ? a.link < b.link : a.bytes > b.bytes;
        });
        for (std::size_t n = 0; n < largest.size(); ++n)
          if (n == 0 || largest[n - 1].link != largest[n].link) visit(largest[n]);
      }
  }

  void find_contended(LinkSharing sharing) {
    const auto links = static_cast<std::size_t>(context_.links->size());
    std::vector<LinkDemand> demand(links);
    each_demand([&](const LinkUse& use) {
      LinkDemand& d = demand[static_cast<std::size_t>(use.link)];
      d.wanted += use.bytes;
      d.largest = std::max(d.largest, use.bytes);
      ++d.users;
    });
    traffic_.capacity.assign(links, 0.0);
    traffic_.contended.assign(links, false);
    for (std::size_t l = 0; l < links; ++l) {
      const LinkDemand& d = demand[l];
      if (d.users == 0) continue;
      const SharedLink link = context_.links->link(static_cast<int>(l));
      const double healthy = efficiency(link, *context_.profile) * link.bandwidth.value / link.health;
      // What one transfer gets alone, the link carries; a cost model that says so has measured it.
      traffic_.capacity[l] = link.health * std::max(healthy, d.largest);
      traffic_.contended[l] =
          sharing == LinkSharing::on && d.users > 1 && d.wanted > traffic_.capacity[l] * (1 + rounding);
      traffic_.contended_links += traffic_.contended[l] ? 1 : 0;
    }
    traffic_.pressures = link_pressures(traffic_.sets, demand, traffic_.capacity, *context_.links);
    for (CommunicatorSet& set : traffic_.sets) keep_contended(set);
  }

  void keep_contended(CommunicatorSet& set) const {
    std::vector<LinkUse> kept;
    std::vector<std::int32_t> begin = {0};
    for (int i = 0; i < set.size(); ++i)
      for (std::size_t p = 0; p < set.patterns.size(); ++p) {
        double stretch = 1.0;
        for (const LinkUse& use : set.load(i, static_cast<int>(p))) {
          const auto l = static_cast<std::size_t>(use.link);
          if (traffic_.contended[l])
            kept.push_back(use);
          else
            stretch = std::max(stretch, set.patterns[p].peak * use.bytes / traffic_.capacity[l]);
        }
        set.stretch.push_back(stretch > 1 + rounding ? stretch : 1.0);
        begin.push_back(static_cast<std::int32_t>(kept.size()));
      }
    set.loads = std::move(kept);
    set.load_begin = std::move(begin);
  }

  const StepProgram& program_;
  const PricedProgram& prices_;
  const EngineContext& context_;
  const std::vector<std::vector<Tier>>& paths_;
  Traffic traffic_;
  std::vector<std::vector<int>> runs_;    // [work] kinds
  std::vector<std::vector<bool>> users_;  // [set][kind]
  std::vector<Ends> channels_;
};

}  // namespace

Traffic traffic_of(const StepProgram& program, const PricedProgram& prices, const EngineContext& context,
                   const std::vector<std::vector<Tier>>& paths, LinkSharing sharing) {
  return TrafficBuilder(program, prices, context, paths).build(sharing);
}

std::vector<std::vector<Tier>> paths_alone(const StepProgram& program) {
  std::vector<std::vector<Tier>> paths = program.paths;
  for (std::vector<Tier>& tiers : paths)
    for (Tier& tier : tiers)
      if (tier.alone.value > 0) tier.bandwidth = tier.alone;
  return paths;
}

}  // namespace trainyard
