#include <fmt/format.h>

#include <algorithm>

#include "analysis/report/picture_step.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

// What a column stands for: PCIe in all its distances is one.
enum class LinkFamily { nvlink, pcie, socket, nic, uplink };
constexpr std::array families = {LinkFamily::nvlink, LinkFamily::pcie, LinkFamily::socket, LinkFamily::nic,
                                 LinkFamily::uplink};

LinkFamily family_of(SharedLinkKind kind) {
  switch (kind) {
    case SharedLinkKind::nvlink_out:
    case SharedLinkKind::nvlink_in:
      return LinkFamily::nvlink;
    case SharedLinkKind::pcie:
      return LinkFamily::pcie;
    case SharedLinkKind::socket:
      return LinkFamily::socket;
    case SharedLinkKind::nic_out:
    case SharedLinkKind::nic_in:
      return LinkFamily::nic;
    case SharedLinkKind::leaf_up:
    case SharedLinkKind::leaf_down:
      return LinkFamily::uplink;
  }
  return LinkFamily::nvlink;
}
std::string name(LinkFamily family) {
  switch (family) {
    case LinkFamily::nvlink:
      return "NVLink";
    case LinkFamily::pcie:
      return "PCIe";
    case LinkFamily::socket:
      return "sockets";
    case LinkFamily::nic:
      return "NIC";
    case LinkFamily::uplink:
      return "leaf uplink";
  }
  return "?";
}

// Of the links of a family the one that carries most of a line for its width.
struct Busiest {
  double busy = 0;
  Bytes bytes{};
};

HeatMapCell cell_of(const Busiest& b) {
  if (b.bytes.value <= 0) return {};
  return {false, b.busy, b.busy < 0.001 ? "< 0.1 %" : percent(b.busy), to_text(b.bytes)};
}

}  // namespace

HeatMap link_heat_map(const StepResult& result, const std::vector<LoadedLink>& loads) {
  HeatMap map{.title = "How much of the step the busiest link of each kind is busy with each communication",
              .row_title = "communication",
              .column_title = "share of the step the busiest link needs at full bandwidth; bytes across it",
              .rows = {},
              .columns = {},
              .cells = {},
              .low = "0 %",
              .high = "100 % of the step"};
  std::vector<LinkFamily> used;
  for (const LinkFamily family : families)
    if (std::any_of(loads.begin(), loads.end(), [&](const LoadedLink& l) { return family_of(l.kind) == family; })) {
      used.push_back(family);
      map.columns.push_back(name(family));
    }
  if (used.empty()) return map;
  for (std::size_t line = 0; line < result.communication.size(); ++line) {
    std::array<Busiest, families.size()> busiest{};
    for (const LoadedLink& link : loads) {
      if (line >= link.of.size() || link.bytes.value <= 0) continue;
      const double busy = link.busy * (link.of[line] / link.bytes);
      Busiest& best = busiest[static_cast<std::size_t>(family_of(link.kind))];
      if (busy > best.busy) best = {busy, link.of[line]};
    }
    const CommunicationLine& c = result.communication[line];
    map.rows.push_back(fmt::format("{} {} of {}", name(c.axis), c.collective, c.purpose));
    for (const LinkFamily family : used) map.cells.push_back(cell_of(busiest[static_cast<std::size_t>(family)]));
  }
  return map;
}

}  // namespace trainyard
