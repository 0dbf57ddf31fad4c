#include <fmt/format.h>

#include <algorithm>

#include "analysis/report/picture_step.hpp"
#include "analysis/report/picture_svg.hpp"
#include "analysis/report/picture_topology_load.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_nodes = 4;  // that differ; the rest is said
constexpr double padding = 12, wire = 38, chip = 30;
constexpr double most_chip_width = 84, thinnest = 1, widest = 9;  // units; a link is as wide as it is busy

Fill load_fill(double busy) {
  return busy < 0.5 ? Fill{"--c-forward"} : busy < 0.8 ? Fill{"--c-backward"} : Fill{"--c-limit"};
}
double stroke(const DuplexLoad& load) { return thinnest + (widest - thinnest) * std::clamp(load.busy, 0.0, 1.0); }

std::string share(const DuplexLoad& load) {
  if (load.bytes.value <= 0) return "";
  return load.busy < 0.01 ? "<1 %" : fmt::format("{:.0f} %", 100 * load.busy);
}

DuplexLoad busiest(const std::vector<DuplexLoad>& loads) {
  DuplexLoad best;
  for (const DuplexLoad& load : loads)
    if (load.busy > best.busy) best = load;
  return best;
}

class TopologyDrawing {
 public:
  TopologyDrawing(const Cluster& cluster, const TopologyLoad& load, const PictureFrame& frame)
      : cluster_(cluster),
        load_(load),
        nics_(nearest_nics(cluster.node)),
        svg_(frame, "Topology with link load", description()) {
    inner_ = svg_.width() - 2 * padding;
  }

  std::string drawn() {
    double y = svg_.legend(4, 4,
                           {{{"--c-forward"}, "link busy below 50 % of the step"},
                            {{"--c-backward"}, "50 to 80 %"},
                            {{"--c-limit"}, "above"}}) +
               6;
    const std::size_t shown = std::min(load_.nodes.size(), most_nodes);
    for (std::size_t n = 0; n < shown; ++n) y = draw_node(load_.nodes[n], y) + 10;
    if (shown < load_.nodes.size()) y = draw_rest(shown, y);
    if (cluster_.nodes > 1) y = draw_fabric(y);
    return svg_.finished(y + 4);
  }

 private:
  std::string description() const {
    std::string text = fmt::format("{} nodes of {} GPUs.", cluster_.nodes, cluster_.gpus_per_node());
    for (const NodeLoad& node : load_.nodes)
      text += fmt::format(" {}: busiest NVLink {}, PCIe {}, NIC {}.", title(node), percent(busiest(node.nvlink).busy),
                          percent(busiest(node.pcie).busy), percent(busiest(node.nic).busy));
    return text;
  }
  static std::string title(const NodeLoad& node) {
    if (node.nodes.size() == 1) return fmt::format("node {}", node.nodes.front());
    const bool run = node.nodes.back() - node.nodes.front() + 1 == static_cast<int>(node.nodes.size());
    const std::string which = run ? fmt::format("nodes {}–{}", node.nodes.front(), node.nodes.back())
                                  : fmt::format("node {} and others", node.nodes.front());
    return fmt::format("{} (× {}, loaded alike)", which, node.nodes.size());
  }

  double slot(std::size_t count) const { return inner_ / static_cast<double>(std::max<std::size_t>(count, 1)); }
  double centre(std::size_t i, std::size_t count) const {
    return padding + slot(count) * (static_cast<double>(i) + 0.5);
  }

  double draw_node(const NodeLoad& node, double y) {
    const pugi::xml_node box = svg_.rect(1, y, svg_.width() - 2, 0, {"--muted", Texture::hollow});
    double at = y + 22;
    svg_.text(padding, y + 16, title(node), {.strong = true});
    if (node.sockets.bytes.value > 0)
      svg_.text(svg_.width() - padding, y + 16, fmt::format("between sockets {}", share(node.sockets)),
                {.property = "--muted", .anchor = "end"});
    if (busiest(node.nvlink).bytes.value > 0) at = draw_nvlink(node, at + 6);
    const double gpus_top = at;
    draw_chips(cluster_.node.gpus, "GPU", gpus_top, {"--c-sky"});
    at += chip;
    if (!node.nic.empty() && !nics_.empty()) {
      draw_pcie(node, at);
      at += wire;
      draw_chips(cluster_.node.nics, "NIC", at, {"--c-other", Texture::hollow});
      at += chip;
      draw_nic_labels(node, at);
      at += 20;
    }
    at += 10;
    pugi::xml_node(box).attribute("height").set_value(px(at - y).c_str());
    return at;
  }

  double draw_nvlink(const NodeLoad& node, double y) {
    svg_.rect(padding, y, inner_, 22, {"--c-weight", Texture::hollow});
    const std::string_view label = cluster_.nodes_per_nvlink_domain > 1 ? "NVSwitch of several nodes"
                                   : cluster_.nvlink_switch             ? "NVSwitch"
                                                                        : "NVLink";
    svg_.text(svg_.width() / 2, y + 15, label, {.anchor = "middle"});
    for (std::size_t g = 0; g < node.nvlink.size(); ++g)
      draw_wire(centre(g, node.nvlink.size()), y + 22, centre(g, node.nvlink.size()), y + 22 + wire, node.nvlink[g],
                fmt::format("{} NVLink", cluster_.node.gpus[g]), slot(node.nvlink.size()));
    return y + 22 + wire;
  }

  // A link; its share beside it where there is room.
  void draw_wire(double x1, double y1, double x2, double y2, const DuplexLoad& load, const std::string& what,
                 double room) {
    pugi::xml_node node = svg_.line(x1, y1, x2, y2, load_fill(load.busy).property, stroke(load));
    node.append_child("title").text().set(
        clean(fmt::format("{}: {} busy, {} one way", what, percent(load.busy), to_text(load.bytes))).c_str());
    const std::string label = share(load);
    if (text_width(label, 11) + widest + 4 >= room) return;
    const double aside = stroke(load) / 2 + 3;
    if (x1 == x2)
      svg_.text(x1 + aside, (y1 + y2) / 2 + 4, label, {.size = 11, .property = "--muted"});
    else  // beside its upper end, where it does not go
      svg_.text(x1 < x2 ? x1 - aside : x1 + aside, y1 + 14, label,
                {.size = 11, .property = "--muted", .anchor = x1 < x2 ? "end" : "start"});
  }

  void draw_chips(const std::vector<std::string>& names, std::string_view prefix, double y, const Fill& fill) {
    const double wide = std::min(slot(names.size()) - 4, most_chip_width);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const double x = centre(i, names.size());
      svg_.rect(x - wide / 2, y, wide, chip, {fill.property, Texture::hollow}, names[i])
          .append_attribute("stroke-width")
          .set_value("1.5");
      const bool whole = text_width(names[i], 11) + 4 <= wide;
      svg_.text(x, y + 19, whole ? names[i] : fmt::format("{}", i), {.size = 11, .anchor = "middle"});
    }
    if (!names.empty() && text_width(names.front(), 11) + 4 > wide)
      svg_.text(padding, y - 3, prefix, {.size = 10, .property = "--muted"});
  }

  void draw_pcie(const NodeLoad& node, double y) {
    const std::size_t gpus = node.pcie.size();
    for (std::size_t g = 0; g < gpus && g < nics_.size(); ++g) {
      const std::string what = fmt::format("{} PCIe", cluster_.node.gpus[g]);
      for (const int nic : nics_[g])
        draw_wire(centre(g, gpus), y, centre(static_cast<std::size_t>(nic), node.nic.size()), y + wire, node.pcie[g],
                  what, nics_[g].size() == 1 ? slot(gpus) : 0);
      if (nics_[g].size() > 1) label_fan(g, gpus, node, y);
    }
  }
  // One label for the ways to several NICs, on the side to which fewer of them go.
  void label_fan(std::size_t g, std::size_t gpus, const NodeLoad& node, double y) {
    const double x = centre(g, gpus);
    if (text_width(share(node.pcie[g]), 11) + 30 >= slot(gpus)) return;
    double lean = 0;
    for (const int nic : nics_[g]) lean += centre(static_cast<std::size_t>(nic), node.nic.size()) - x;
    svg_.text(lean > 1 ? x - 14 : x + 14, y + 11, share(node.pcie[g]),
              {.size = 11, .property = "--muted", .anchor = lean > 1 ? "end" : "start"});
  }
  void draw_nic_labels(const NodeLoad& node, double y) {
    for (std::size_t n = 0; n < node.nic.size(); ++n) {
      const double x = centre(n, node.nic.size());
      draw_wire(x, y, x, y + 24, node.nic[n], cluster_.node.nics[n], slot(node.nic.size()));
    }
  }

  double draw_rest(std::size_t shown, double y) {
    std::size_t nodes = 0;
    for (std::size_t n = shown; n < load_.nodes.size(); ++n) nodes += load_.nodes[n].nodes.size();
    svg_.text(padding, y + 12,
              fmt::format("and {} more nodes, loaded in {} other ways", nodes, load_.nodes.size() - shown),
              {.property = "--muted"});
    return y + 22;
  }

  double draw_fabric(double y) {
    svg_.rect(1, y, svg_.width() - 2, 34, {"--muted", Texture::hollow});
    std::string text = fmt::format("{} {} · {} a NIC", cluster_.fabric.network, name(cluster_.fabric.kind),
                                   to_text(cluster_.nic_bandwidth));
    if (load_.uplinks.bytes.value > 0) text += fmt::format(" · busiest leaf uplinks {}", share(load_.uplinks));
    svg_.text(svg_.width() / 2, y + 21, fitted(text, inner_, 12), {.anchor = "middle"});
    return y + 36;
  }

  const Cluster& cluster_;
  const TopologyLoad& load_;
  std::vector<std::vector<int>> nics_;  // [GPU]
  Svg svg_;
  double inner_ = 0;
};

}  // namespace

std::string topology_load_svg(const Cluster& cluster, const std::vector<LoadedLink>& loads, const PictureFrame& frame) {
  if (loads.empty() || cluster.node.gpus.empty() || cluster.nodes < 1) return {};
  const TopologyLoad load = topology_load(cluster, loads);
  return TopologyDrawing(cluster, load, frame).drawn();
}

}  // namespace trainyard
