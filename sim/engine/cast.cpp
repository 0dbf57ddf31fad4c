#include "sim/engine/cast.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace trainyard {
namespace {

class CastBuilder {
 public:
  CastBuilder(const StepProgram& program, const Traffic& traffic, const RankClasses& classes,
              const EngineContext& context, Cast& cast)
      : program_(program), traffic_(traffic), classes_(classes), context_(context), cast_(cast) {}

  void build() {
    number_meetings();
    first_transfer_.assign(program_.works.size(), -1);
    for (std::size_t c = 0; c < classes_.classes.size(); ++c) add_roles(c);
  }

 private:
  // One place per class of communicators, per channel and class of pairs, per rendezvous and per lockstep.
  void number_meetings() {
    for (const std::vector<CommunicatorClass>& set : classes_.communicators) {
      set_meeting_.push_back(cast_.meetings);
      cast_.meetings += static_cast<std::int32_t>(set.size());
    }
    for (const std::int32_t set : traffic_.sender_set) {
      channel_meeting_.push_back(cast_.meetings);
      if (set >= 0)
        cast_.meetings += static_cast<std::int32_t>(classes_.communicators[static_cast<std::size_t>(set)].size());
    }
    for (const Work& work : program_.works)
      if (const auto* c = std::get_if<Collective>(&work); c != nullptr && by_rendezvous(*c))
        if (rendezvous_.try_emplace(c->rendezvous, cast_.meetings).second) ++cast_.meetings;
  }
  static bool by_rendezvous(const Collective& c) { return c.group == CommGroup::none && c.parties > 1; }

  void add_roles(std::size_t c) {
    std::vector<Role>& roles = cast_.roles.emplace_back(program_.works.size());
    const RankClass& rank_class = classes_.classes[c];
    std::vector<bool> seen(program_.works.size(), false);
    Role block;
    bool block_known = false;
    for (const Instruction& i : program_.kinds[static_cast<std::size_t>(rank_class.kind)].instructions) {
      const auto w = static_cast<std::size_t>(i.work);
      if (seen[w]) continue;
      seen[w] = true;
      if (std::holds_alternative<Block>(program_.works[w])) {
        if (!std::exchange(block_known, true)) block = lockstep_role(rank_class);
        roles[w] = block;
      } else {
        roles[w] = role_of(w, rank_class);
      }
    }
  }

  Role role_of(std::size_t w, const RankClass& rank_class) {
    Role role;
    if (const auto* c = std::get_if<Collective>(&program_.works[w]); c != nullptr && by_rendezvous(*c)) {
      role.meeting = rendezvous_.at(c->rendezvous);
      role.parties = c->parties;
      return role;
    }
    const std::int32_t set_index = traffic_.works[w].set;
    if (set_index < 0) return role;
    const auto s = static_cast<std::size_t>(set_index);
    const CommunicatorSet& set = traffic_.sets[s];
    const RankId member = std::holds_alternative<Receive>(program_.works[w])
                              ? context_.groups->in_stage(rank_class.representative, set.from_stage)
                              : rank_class.representative;
    const std::int32_t communicator = set.of_rank[member.index()];
    const std::int32_t g = classes_.of_communicator[s][static_cast<std::size_t>(communicator)];
    role.transfer = transfer_of(w, s, g);
    if (set.pairs()) {
      role.parties = 2;
      role.meeting = channel_meeting_[static_cast<std::size_t>(channel_of(w))] + g;
      return role;
    }
    const CommunicatorClass& of = classes_.communicators[s][static_cast<std::size_t>(g)];
    role.parties = static_cast<std::int32_t>(of.parties.size());
    if (role.parties > 1) role.meeting = set_meeting_[s] + g;
    return role;
  }
  int channel_of(std::size_t w) const {
    if (const auto* s = std::get_if<Send>(&program_.works[w])) return s->channel;
    return std::get<Receive>(program_.works[w]).channel;
  }

  // The classes that share a block's inner communicators with this one, directly or through others.
  Role lockstep_role(const RankClass& rank_class) {
    std::set<std::int32_t> classes;
    std::set<std::pair<std::int32_t, std::int32_t>> seen;
    std::vector<RankId> todo = {rank_class.representative};
    std::set<std::int32_t> ranks = {rank_class.representative.value};
    while (!todo.empty()) {
      const RankId rank = todo.back();
      todo.pop_back();
      classes.insert(classes_.of_rank[rank.index()]);
      for (const std::int32_t s : traffic_.inside_blocks) {
        const CommunicatorSet& set = traffic_.sets[static_cast<std::size_t>(s)];
        const std::int32_t communicator = set.of_rank[rank.index()];
        if (communicator < 0 || !seen.insert({s, communicator}).second) continue;
        for (const RankId m : set.of(communicator))
          if (ranks.insert(m.value).second) todo.push_back(m);
      }
    }
    Role role;
    if (classes.size() < 2) return role;
    const auto [known, added] =
        lockstep_.try_emplace(std::vector<std::int32_t>(classes.begin(), classes.end()), cast_.meetings);
    if (added) ++cast_.meetings;
    role.meeting = known->second;
    role.parties = static_cast<std::int32_t>(classes.size());
    return role;
  }

  std::int32_t transfer_of(std::size_t w, std::size_t set, std::int32_t g) {
    std::int32_t& first = first_transfer_[w];
    if (first < 0) {
      first = static_cast<std::int32_t>(cast_.transfers.size());
      for (const CommunicatorClass& c : classes_.communicators[set]) cast_.transfers.push_back(made(w, c));
    }
    return first + g;
  }

  ClassTransfer made(std::size_t w, const CommunicatorClass& c) {
    const WorkTransfer& t = traffic_.works[w];
    ClassTransfer transfer;
    transfer.latency = t.latency;
    transfer.transfer = t.transfer;
    transfer.channels = t.channels;
    transfer.memory_rate = t.memory_rate;
    transfer.first_part = static_cast<std::int32_t>(cast_.parts.size());
    if (t.pattern < 0) return transfer;
    const auto p = static_cast<std::size_t>(t.pattern);
    const double peak = traffic_.sets[static_cast<std::size_t>(t.set)].patterns[p].peak;
    const double stretch = std::max(1.0, c.stretch[p] * (t.bytes / t.transfer) / peak);
    transfer.transfer *= stretch;
    // Links with as many bytes of as many flows progress together.
    std::map<std::pair<double, std::int32_t>, std::vector<int>> equal;
    for (const ClassLoad& load : c.loads[p]) equal[{load.bytes, load.flows}].push_back(load.link);
    for (auto& [load, links] : equal) {
      const double bytes = t.bytes * load.first;
      cast_.parts.push_back({flow_class(std::move(links), load.second, bytes / transfer.transfer), bytes});
      ++transfer.parts;
    }
    return transfer;
  }

  std::int32_t flow_class(std::vector<int> links, std::int32_t flows, double rate) {
    double least = classes_.capacity[static_cast<std::size_t>(links.front())];
    for (const int l : links) least = std::min(least, classes_.capacity[static_cast<std::size_t>(l)]);
    const double cap = rate < least ? rate : 0.0;
    const auto [known, added] =
        flow_classes_.try_emplace({links, flows, cap}, static_cast<std::int32_t>(cast_.flow_classes.size()));
    if (added) cast_.flow_classes.push_back({std::move(links), static_cast<double>(flows), cap});
    return known->second;
  }

  const StepProgram& program_;
  const Traffic& traffic_;
  const RankClasses& classes_;
  const EngineContext& context_;
  Cast& cast_;
  std::vector<std::int32_t> set_meeting_, channel_meeting_;  // first place of a set, of a channel
  std::map<int, std::int32_t> rendezvous_;
  std::map<std::vector<std::int32_t>, std::int32_t> lockstep_;
  std::vector<std::int32_t> first_transfer_;  // [work] of its set's classes, -1 = not made
  std::map<std::tuple<std::vector<int>, std::int32_t, double>, std::int32_t> flow_classes_;
};

}  // namespace

Cast make_cast(const StepProgram& program, const PricedProgram& alone, const Traffic& traffic,
               const RankClasses& classes, const EngineContext& context, LinkSharing sharing) {
  Cast cast;
  cast.program = &program;
  cast.prices = &alone;
  cast.traffic = &traffic;
  cast.classes = &classes;
  cast.multiprocessors = context.profile->device.multiprocessors;
  cast.memory_bandwidth = context.profile->device.memory_bandwidth.value;
  cast.compute_contention = sharing == LinkSharing::on;
  const Stragglers& stragglers = context.links->routes().cluster().stragglers;
  cast.jitter = stragglers.jitter;
  cast.seed = stragglers.seed;
  CastBuilder(program, traffic, classes, context, cast).build();
  return cast;
}

}  // namespace trainyard
