#include "sim/engine/rank_activity.hpp"

#include <algorithm>
#include <utility>

#include "sim/engine/rank_engine.hpp"

namespace trainyard {

std::optional<Gathering> Gatherings::join(Member member, std::int32_t work, const Role& role, double ready) {
  std::deque<Gathering>& open = open_[static_cast<std::size_t>(role.meeting)];
  // The first that this party has not joined; a class of ranks may be both ends of a message.
  auto g = std::find_if(open.begin(), open.end(), [&](const Gathering& one) {
    return std::none_of(one.members.begin(), one.members.end(),
                        [&](const Member& o) { return o.rank_class == member.rank_class && o.sends == member.sends; });
  });
  if (g == open.end()) {
    g = open.insert(open.end(), Gathering{{}, 0, work});
    g->members.reserve(static_cast<std::size_t>(role.parties));
  }
  g->members.push_back(member);
  g->ready = std::max(g->ready, ready);
  if (static_cast<std::int32_t>(g->members.size()) < role.parties) return std::nullopt;
  std::optional<Gathering> complete = std::move(*g);
  open.erase(g);
  return complete;
}

}  // namespace trainyard
