#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <iterator>

#include "sim/base/utf8.hpp"
#include "topology/describe.hpp"
#include "topology/nvidia_smi_topo.hpp"

namespace trainyard {
namespace {

// Pixels. Devices stand in one row in the order of the PCIe tree, NVLink above them, PCIe below.
constexpr double margin = 24;
constexpr double device_width = 72;
constexpr double device_height = 44;
constexpr double slot = 84;  // from one device to the next
constexpr double level_step = 50;
constexpr double group_height = 26;
constexpr double arc_rise = 22;  // of an NVLink arc per device it spans
constexpr std::string_view font = "font-family=\"Helvetica, Arial, sans-serif\"";

// XML text: markup escaped, control characters dropped, bytes that are no UTF-8 (cut or foreign names) as '?'.
std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const char c = text[i];
    if (length == 0)
      out += '?';
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (length > 1 || static_cast<unsigned char>(c) >= 0x20)
      out += text.substr(i, length);
    i += std::max<std::size_t>(length, 1);
  }
  return out;
}

struct Drawing {
  const TopologyDescription& d;
  std::vector<int> order;    // devices from left to right
  std::vector<double> x;     // centre of each device, by device
  double nvlink_height = 0;  // room above the devices
  double row = 0;            // top of the device row
  double width = 0;
  double height = 0;
  std::string body;

  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(body), format, std::forward<Args>(args)...);
    body.push_back('\n');
  }
  void text(double at_x, double at_y, int size, std::string_view colour, std::string_view what,
            std::string_view anchor = "middle") {
    add(R"(<text x="{:.1f}" y="{:.1f}" font-size="{}" fill="{}" text-anchor="{}" {}>{}</text>)", at_x, at_y, size,
        colour, anchor, font, escaped(what));
  }
  void line(double x1, double y1, double x2, double y2, std::string_view colour, double stroke) {
    add(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}" stroke-width="{:.1f}"/>)", x1, y1, x2, y2,
        colour, stroke);
  }
  void box(double left, double top, double w, double h, std::string_view fill, std::string_view stroke) {
    add(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="5" fill="{}" stroke="{}"/>)", left, top, w, h,
        fill, stroke);
  }
};

// Devices below a group, GPUs before NICs, groups by their first device.
void visit(const PcieTree& tree, int group, std::vector<int>& order) {
  struct Child {
    int first;
    std::optional<int> group;  // none: a device itself
  };
  std::vector<Child> children;
  for (std::size_t g = 0; g < tree.groups.size(); ++g)
    if (tree.groups[g].parent == group) children.push_back({tree.groups[g].devices.front(), static_cast<int>(g)});
  for (std::size_t device = 0; device < tree.group_of_device.size(); ++device)
    if (tree.group_of_device[device] == group) children.push_back({static_cast<int>(device), std::nullopt});
  std::sort(children.begin(), children.end(), [](const Child& a, const Child& b) { return a.first < b.first; });
  for (const Child& child : children) {
    if (child.group)
      visit(tree, *child.group, order);
    else
      order.push_back(child.first);
  }
}

double stroke_of(int nvlinks) { return std::min(8.0, 0.8 + 0.6 * nvlinks); }

int span_of(const Drawing& g, int a, int b) {
  return static_cast<int>(
      std::lround(std::abs(g.x[static_cast<std::size_t>(a)] - g.x[static_cast<std::size_t>(b)]) / slot));
}

void place(Drawing& g) {
  visit(g.d.pcie, static_cast<int>(g.d.pcie.groups.size()) - 1, g.order);
  g.x.resize(g.order.size());
  for (std::size_t i = 0; i < g.order.size(); ++i)
    g.x[static_cast<std::size_t>(g.order[i])] = margin + slot * static_cast<double>(i) + slot / 2;
  int longest = 0;
  for (const DevicePair& pair : g.d.links)
    if (pair.relation.link == LinkClass::nvlink) longest = std::max(longest, span_of(g, pair.a, pair.b));
  if (longest > 0) g.nvlink_height = g.d.nvlink_switch ? 84 : 24 + arc_rise * longest;
  g.row = margin + 44 + g.nvlink_height;
  g.width = std::max(2 * margin + slot * static_cast<double>(g.order.size()), 620.0);
}

void draw_switches(Drawing& g) {
  int index = 0;
  for (const NvlinkIsland& island : g.d.islands) {
    if (island.gpus.size() < 2) continue;
    double left = g.width;
    double right = 0;
    for (int gpu : island.gpus) {
      left = std::min(left, g.x[static_cast<std::size_t>(gpu)]);
      right = std::max(right, g.x[static_cast<std::size_t>(gpu)]);
    }
    const double top = g.row - 78;
    for (int gpu : island.gpus) {
      const double at = g.x[static_cast<std::size_t>(gpu)];
      g.line(at, top + 28, at, g.row, "#38761d", stroke_of(island.widest));
      g.text(at + 6, g.row - 18, 11, "#274e13", fmt::format("NV{}", island.widest), "start");
    }
    g.box(left - device_width / 2, top, right - left + device_width, 28, "#d9ead3", "#38761d");
    g.text((left + right) / 2, top + 19, 13, "#274e13", fmt::format("NVSwitch {}", index++));
  }
}

void draw_arcs(Drawing& g) {
  std::string labels;
  for (const DevicePair& pair : g.d.links) {
    if (pair.relation.link != LinkClass::nvlink) continue;
    const double a = g.x[static_cast<std::size_t>(pair.a)];
    const double b = g.x[static_cast<std::size_t>(pair.b)];
    const double rise = arc_rise * span_of(g, pair.a, pair.b);
    // A quadratic curve peaks at half the height of its control point.
    g.add(
        R"(<path d="M {:.1f} {:.1f} Q {:.1f} {:.1f} {:.1f} {:.1f}" fill="none" stroke="#38761d" stroke-opacity="0.75" stroke-width="{:.1f}"/>)",
        a, g.row, (a + b) / 2, g.row - 2 * rise, b, g.row, stroke_of(pair.relation.nvlinks));
    std::swap(labels, g.body);
    g.text((a + b) / 2, g.row - rise - 4, 11, "#274e13", cell_text(pair.relation));
    std::swap(labels, g.body);
  }
  // Labels above all curves, with a white rim, so that a crossing curve does not hide them.
  g.body += R"(<g paint-order="stroke" stroke="#ffffff" stroke-width="4" stroke-linejoin="round">)"
            "\n" +
            labels + "</g>\n";
}

void draw_devices(Drawing& g) {
  const NodeTopology& node = g.d.node;
  for (int device : g.order) {
    const auto i = static_cast<std::size_t>(device);
    const bool gpu = i < node.gpus.size();
    g.box(g.x[i] - device_width / 2, g.row, device_width, device_height, gpu ? "#b6d7a8" : "#cfe2f3",
          gpu ? "#38761d" : "#3d85c6");
    const std::size_t nic = gpu ? 0 : i - node.gpus.size();
    std::string below =
        gpu ? (i < node.numa_affinity.size() && !node.numa_affinity[i].empty() ? "NUMA " + node.numa_affinity[i] : "")
            : (nic < node.nic_names.size() ? node.nic_names[nic] : "");
    if (below.size() > 12) below = below.substr(0, 11) + "…";
    std::string label = device_name(node, device);
    if (label.size() > 10) label = label.substr(0, 9) + "…";
    g.text(g.x[i], g.row + (below.empty() ? 27 : 19), 13, "#1a1a1a", label);
    if (!below.empty()) g.text(g.x[i], g.row + 35, below.size() > 10 ? 9 : 10, "#444444", below);
  }
}

// Rows of the PCIe tree from the devices down.
constexpr std::size_t tree_rows = 5;
std::size_t row_of(LinkClass level) {
  switch (level) {
    case LinkClass::pix:
      return 0;
    case LinkClass::pxb:
      return 1;
    case LinkClass::phb:
      return 2;
    case LinkClass::node:
      return 3;
    case LinkClass::nvlink:
    case LinkClass::c2c:
    case LinkClass::sys:
    case LinkClass::net:
    case LinkClass::spine:
      return 4;
  }
  return 4;
}

struct Extent {
  double left = 0;
  double right = 0;
  double middle() const { return (left + right) / 2; }
};
Extent extent_of(const Drawing& g, const PcieGroup& group) {
  Extent e{g.width, 0};
  for (int device : group.devices) {
    e.left = std::min(e.left, g.x[static_cast<std::size_t>(device)] - device_width / 2);
    e.right = std::max(e.right, g.x[static_cast<std::size_t>(device)] + device_width / 2);
  }
  return e;
}

// The longest wording that fits into the group's box.
std::string group_label(const PcieGroup& group, int index, double room) {
  std::vector<std::string> wordings;
  switch (row_of(group.level)) {
    case 2:
      wordings = {fmt::format("host bridge {} (PHB)", index), fmt::format("PHB {}", index)};
      break;
    case 3:
      wordings = {fmt::format("NUMA node {}", index), fmt::format("NUMA {}", index)};
      break;
    case 4:
      wordings = {"between NUMA nodes (SYS)", "SYS"};
      break;
    default:
      wordings = {fmt::format("PCIe switch {} ({})", index, name(group.level)),
                  fmt::format("{} {}", name(group.level), index)};
  }
  for (const std::string& wording : wordings)
    if (6.5 * static_cast<double>(wording.size()) < room) return wording;
  return wordings.back();
}

// With one NUMA node there is nothing for the root to join.
bool is_drawn(const TopologyDescription& d, const PcieGroup& group) {
  const auto numa = [](const PcieGroup& g) { return g.level == LinkClass::node; };
  return group.parent || std::count_if(d.pcie.groups.begin(), d.pcie.groups.end(), numa) > 1;
}

void draw_group(Drawing& g, const PcieGroup& group, int index, const std::array<double, tree_rows>& top) {
  const Extent e = extent_of(g, group);
  const double at = top[row_of(group.level)];
  if (group.parent && is_drawn(g.d, g.d.pcie.groups[static_cast<std::size_t>(*group.parent)])) {
    const PcieGroup& parent = g.d.pcie.groups[static_cast<std::size_t>(*group.parent)];
    g.line(e.middle(), at + group_height, e.middle(), top[row_of(parent.level)], "#888888", 1.4);
  }
  const bool socket = row_of(group.level) >= 3;
  g.box(e.left, at, e.right - e.left, group_height, socket ? "#fff2cc" : "#f0f0f0", socket ? "#bf9000" : "#888888");
  g.text(e.middle(), at + 17, 11, "#333333", group_label(group, index, e.right - e.left));
}

void draw_pcie(Drawing& g) {
  std::array<bool, tree_rows> used{};
  for (const PcieGroup& group : g.d.pcie.groups)
    if (is_drawn(g.d, group)) used[row_of(group.level)] = true;
  std::array<double, tree_rows> top{};
  double y = g.row + device_height + 28;
  for (std::size_t row = 0; row < tree_rows; ++row) {
    top[row] = y;
    if (used[row]) y += level_step;
  }
  for (std::size_t device = 0; device < g.x.size(); ++device) {
    const PcieGroup& group = g.d.pcie.groups[static_cast<std::size_t>(g.d.pcie.group_of_device[device])];
    g.line(g.x[device], g.row + device_height, g.x[device], top[row_of(group.level)], "#888888", 1.4);
  }
  std::array<int, tree_rows> count{};
  for (const PcieGroup& group : g.d.pcie.groups)
    if (is_drawn(g.d, group)) draw_group(g, group, count[row_of(group.level)]++, top);
  g.height = y + 8;
}

}  // namespace

std::string topology_svg(const TopologyDescription& d) {
  Drawing g{d, {}, {}, 0, 0, 0, 0, {}};
  place(g);
  const std::string file = d.name.substr(d.name.rfind('/') + 1);  // npos + 1 is 0
  g.text(margin, margin + 14, 16, "#1a1a1a", file.substr(0, 60), "start");
  g.text(margin, margin + 32, 11, "#555555",
         fmt::format("{} GPUs, {} NICs; green: NVLink, width by number of links; below: PCIe as the matrix implies it",
                     d.node.gpus.size(), d.node.nics.size()),
         "start");
  if (d.nvlink_switch)
    draw_switches(g);
  else
    draw_arcs(g);
  draw_devices(g);
  draw_pcie(g);
  if (d.cluster && d.cluster->nodes > 1) {
    g.text(margin, g.height + 10, 12, "#333333",
           fmt::format("{} such nodes, network {}", d.cluster->nodes, d.cluster->fabric.network), "start");
    g.height += 24;
  }
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}">
<rect width="100%" height="100%" fill="#ffffff"/>
{2}</svg>
)",
      g.width, g.height, g.body);
}

}  // namespace trainyard
