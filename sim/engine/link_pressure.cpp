#include "sim/engine/link_pressure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/engine/traffic.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_degraded = 8;
constexpr double short_of = 1.0 + 1e-9;  // wanted over carried

std::string user_of(const CommunicatorSet& set) {
  if (set.pairs()) return fmt::format("sends from stage {} to {}", set.from_stage, set.to_stage);
  return fmt::format("{} groups", name(set.group));
}

bool crosses(const CommunicatorSet& set, int link) {
  return std::any_of(set.loads.begin(), set.loads.end(), [&](const LinkUse& use) { return use.link == link; });
}

}  // namespace

std::vector<LinkPressure> link_pressures(const std::vector<CommunicatorSet>& sets,
                                         const std::vector<LinkDemand>& demand, const std::vector<double>& capacity,
                                         const LinkMap& links) {
  std::map<SharedLinkKind, int> worst;
  std::vector<int> chosen;
  const auto ratio = [&](int l) {
    return demand[static_cast<std::size_t>(l)].wanted / capacity[static_cast<std::size_t>(l)];
  };
  for (int l = 0; l < links.size(); ++l) {
    const LinkDemand& d = demand[static_cast<std::size_t>(l)];
    if (d.users == 0) continue;
    const SharedLink link = links.link(l);
    if (link.health < 1.0) {
      if (chosen.size() < most_degraded) chosen.push_back(l);
    } else if (d.users > 1 && ratio(l) > short_of) {
      const auto [at, first] = worst.try_emplace(link.kind, l);
      if (!first && ratio(l) > ratio(at->second)) at->second = l;
    }
  }
  for (const auto& [kind, link] : worst) chosen.push_back(link);
  std::stable_sort(chosen.begin(), chosen.end(), [&](int a, int b) { return ratio(a) > ratio(b); });
  std::vector<LinkPressure> result;
  for (const int l : chosen) {
    const auto at = static_cast<std::size_t>(l);
    const SharedLink link = links.link(l);
    LinkPressure& p = result.emplace_back(LinkPressure{links.name(l),
                                                       link.link,
                                                       BytesPerSecond(demand[at].wanted),
                                                       BytesPerSecond(capacity[at]),
                                                       link.health,
                                                       demand[at].users,
                                                       {}});
    for (const CommunicatorSet& set : sets)
      if (crosses(set, l)) p.users += (p.users.empty() ? "" : ", ") + user_of(set);
  }
  return result;
}

}  // namespace trainyard
