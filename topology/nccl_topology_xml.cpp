#include "topology/nccl_topology_xml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <pugixml.hpp>
#include <vector>

#include "sim/base/errors.hpp"
#include "topology/topology_oddities.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_devices = 512;
constexpr std::size_t deepest_bridge = 64;

struct XmlDevice {
  std::vector<pugi::xml_node> path;  // <cpu>, then the PCI bridges above it, then itself
  pugi::xml_node cpu;
  pugi::xml_node gpu;  // the <gpu> element, if any
  std::string busid;
  std::string net_name;
  std::optional<int> dev;
  std::optional<double> speed_mbps;
};

struct Reader {
  std::string_view text;
  const std::string& file;
  std::vector<XmlDevice> gpus;
  std::vector<XmlDevice> nics;

  SourceLocation where(std::ptrdiff_t offset) const {
    if (offset < 0) return {file, 0, 0};
    const std::string_view before = text.substr(0, std::min(static_cast<std::size_t>(offset), text.size()));
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t start = before.rfind('\n');
    const std::size_t column = before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
    return {file, static_cast<int>(line), static_cast<int>(column)};
  }
  [[noreturn]] void fail(const pugi::xml_node& node, std::string message, std::string hint = {}) const {
    throw InputError(where(node.offset_debug()), std::move(message), std::move(hint));
  }
};

std::optional<double> number(const pugi::xml_attribute& attribute) {
  const std::string_view text = attribute.value();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A count such as dev="3"; InputError if it is there but is no small whole number.
std::optional<int> count(const Reader& reader, const pugi::xml_node& node, const char* key) {
  const pugi::xml_attribute attribute = node.attribute(key);
  if (!attribute) return std::nullopt;
  const std::optional<double> value = number(attribute);
  if (!value || *value < 0 || *value > 1e6 || *value != static_cast<int>(*value))
    reader.fail(node, fmt::format("{}=\"{}\" is no whole number", key, attribute.value()));
  return static_cast<int>(*value);
}

bool has_class(const pugi::xml_node& pci, std::string_view prefix) {
  return std::string_view(pci.attribute("class").value()).starts_with(prefix);
}

// A <nic> holds one <net> per port; a NIC of a template holds none and counts as one.
void add_nics(Reader& reader, const XmlDevice& at, const pugi::xml_node& pci) {
  std::size_t found = 0;
  for (const pugi::xml_node& nic : pci.children("nic"))
    for (const pugi::xml_node& net : nic.children("net")) {
      XmlDevice device = at;
      device.net_name = net.attribute("name").value();
      device.dev = count(reader, net, "dev");
      if (const std::optional<double> speed = number(net.attribute("speed")); speed && *speed > 0)
        device.speed_mbps = *speed;
      reader.nics.push_back(std::move(device));
      ++found;
    }
  if (found == 0) reader.nics.push_back(at);
}

void read_pci(Reader& reader, const pugi::xml_node& pci, XmlDevice above) {
  if (above.path.size() > deepest_bridge) reader.fail(pci, "PCI bridges are nested too deep");
  above.path.push_back(pci);
  above.busid = pci.attribute("busid").value();
  above.gpu = pci.child("gpu");
  if (above.gpu || has_class(pci, "0x0302") || has_class(pci, "0x0300")) {
    if (above.gpu) above.dev = count(reader, above.gpu, "dev");
    reader.gpus.push_back(above);
  } else if (pci.child("nic") || has_class(pci, "0x02")) {
    add_nics(reader, above, pci);
  }
  if (reader.gpus.size() + reader.nics.size() > most_devices) reader.fail(pci, "more devices than a node can have");
  for (const pugi::xml_node& child : pci.children("pci")) read_pci(reader, child, above);
}

void read_system(Reader& reader, const pugi::xml_node& system) {
  std::string host;
  for (const pugi::xml_node& cpu : system.children("cpu")) {
    const std::string hash = cpu.attribute("host_hash").value();
    if (!host.empty() && !hash.empty() && hash != host)
      reader.fail(cpu, "the file describes several hosts", "dump the topology of one node");
    if (!hash.empty()) host = hash;
    XmlDevice at;
    at.cpu = cpu;
    at.path.push_back(cpu);
    for (const pugi::xml_node& pci : cpu.children("pci")) read_pci(reader, pci, at);
    if (cpu.child("nic")) add_nics(reader, at, cpu);  // virtual NICs hang on the CPU
  }
}

LinkClass pcie_relation(const XmlDevice& a, const XmlDevice& b) {
  if (a.cpu != b.cpu) return LinkClass::sys;
  std::size_t shared = 0;
  while (shared < a.path.size() && shared < b.path.size() && a.path[shared] == b.path[shared]) ++shared;
  if (shared <= 1) return LinkClass::phb;  // only the <cpu>
  const bool one_bridge = shared + 1 >= a.path.size() && shared + 1 >= b.path.size();
  return one_bridge ? LinkClass::pix : LinkClass::pxb;
}

// NVLinks of a GPU to NVSwitches.
int switch_links(const Reader& reader, const XmlDevice& gpu) {
  int links = 0;
  for (const pugi::xml_node& link : gpu.gpu.children("nvlink"))
    if (std::string_view(link.attribute("tclass").value()).starts_with("0x0680"))
      links += count(reader, link, "count").value_or(1);
  return links;
}
int direct_links(const Reader& reader, const XmlDevice& gpu, const XmlDevice& peer) {
  int links = 0;
  for (const pugi::xml_node& link : gpu.gpu.children("nvlink"))
    if (!peer.busid.empty() && peer.busid == link.attribute("target").value())
      links += count(reader, link, "count").value_or(1);
  return links;
}

Relation gpu_relation(const Reader& reader, const XmlDevice& a, const XmlDevice& b) {
  const int by_switch = std::min(switch_links(reader, a), switch_links(reader, b));
  const int links = std::max({by_switch, direct_links(reader, a, b), direct_links(reader, b, a)});
  if (links > 36) reader.fail(a.gpu, fmt::format("{} NVLinks are no plausible number", links));
  if (links > 0) return {LinkClass::nvlink, links};
  return {pcie_relation(a, b), 0};
}

// "000000ff,ffff0000": 32-bit words, highest first -> "16-39"; empty if it is no such mask or is zero.
std::string cpu_list(std::string_view mask) {
  std::vector<bool> cpus;
  if (mask.size() > 2048) return {};
  for (std::size_t i = mask.size(); i-- > 0;) {
    if (mask[i] == ',') continue;
    unsigned digit = 0;
    if (std::from_chars(&mask[i], &mask[i] + 1, digit, 16).ec != std::errc{}) return {};
    for (unsigned bit = 0; bit < 4; ++bit) cpus.push_back((digit >> bit & 1U) != 0);
  }
  std::string list;
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    if (!cpus[i]) continue;
    const std::size_t first = i;
    while (i + 1 < cpus.size() && cpus[i + 1]) ++i;
    if (!list.empty()) list.push_back(',');
    list.append(first == i ? fmt::format("{}", first) : fmt::format("{}-{}", first, i));
  }
  return list;
}

template <class Devices>
void order_by_dev(Devices& devices) {
  const bool all = std::all_of(devices.begin(), devices.end(), [](const XmlDevice& d) { return d.dev.has_value(); });
  if (all)
    std::stable_sort(devices.begin(), devices.end(), [](const auto& a, const auto& b) { return *a.dev < *b.dev; });
}

NodeTopology assemble(const Reader& reader) {
  NodeTopology node;
  std::vector<const XmlDevice*> devices;
  for (const XmlDevice& gpu : reader.gpus) {
    node.gpus.push_back(fmt::format("GPU{}", node.gpus.size()));
    node.cpu_affinity.push_back(cpu_list(gpu.cpu.attribute("affinity").value()));
    node.numa_affinity.emplace_back(gpu.cpu.attribute("numaid").value());
    devices.push_back(&gpu);
  }
  for (const XmlDevice& nic : reader.nics) {
    node.nics.push_back(fmt::format("NIC{}", node.nics.size()));
    node.nic_names.push_back(nic.net_name);
    devices.push_back(&nic);
  }
  const std::size_t gpus = node.gpus.size();
  node.relations.assign(devices.size(), std::vector<Relation>(devices.size()));
  for (std::size_t a = 0; a < devices.size(); ++a)
    for (std::size_t b = 0; b < devices.size(); ++b) {
      if (a == b) continue;
      node.relations[a][b] = a < gpus && b < gpus ? gpu_relation(reader, *devices[a], *devices[b])
                                                  : Relation{pcie_relation(*devices[a], *devices[b]), 0};
    }
  return node;
}

void warn(const Reader& reader, NodeTopology& node) {
  if (std::none_of(reader.gpus.begin(), reader.gpus.end(), [](const XmlDevice& d) { return static_cast<bool>(d.gpu); }))
    node.warnings.emplace_back(
        "the file is a template without <gpu> elements: NVLink is unknown and taken as absent; state nvlink.links, or "
        "dump "
        "the complete topology with NCCL_TOPO_DUMP_FILE");
  const std::vector<std::string> oddities = topology_oddities(node);
  node.warnings.insert(node.warnings.end(), oddities.begin(), oddities.end());
}

}  // namespace

NcclTopology read_nccl_topology_xml(std::string_view text, const std::string& name_in_messages) {
  if (text.size() > (std::size_t{4} << 20))
    throw InputError({name_in_messages, 0, 0},
                     fmt::format("the file has {} bytes, too many for a topology", text.size()));
  Reader reader{text, name_in_messages, {}, {}};
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size());
  if (!parsed) throw InputError(reader.where(parsed.offset), fmt::format("not valid XML: {}", parsed.description()));
  if (const pugi::xml_node graphs = document.child("graphs"))
    reader.fail(graphs, "this is an NCCL graph XML, the result of NCCL's search, not a topology",
                "dump the topology with NCCL_TOPO_DUMP_FILE");
  const pugi::xml_node system = document.child("system");
  if (!system)
    reader.fail(document.first_child(),
                fmt::format("the root element is <{}>, not <system>", document.document_element().name()));
  read_system(reader, system);
  if (reader.gpus.empty()) {
    const bool template_only = text.find("<pci ") != text.npos && text.find(" class=") == text.npos;
    reader.fail(
        system, "no GPU: neither a <gpu> element nor a PCI class 0x0302xx",
        template_only
            ? "a template of bus addresses that NCCL completes at run time; dump the result with NCCL_TOPO_DUMP_FILE"
            : "dump the topology on a node with GPUs with NCCL_TOPO_DUMP_FILE");
  }
  order_by_dev(reader.gpus);
  order_by_dev(reader.nics);
  NcclTopology result{assemble(reader), std::nullopt};
  for (const XmlDevice& nic : reader.nics) {
    if (!nic.speed_mbps) continue;
    const BytesPerSecond speed(*nic.speed_mbps * 1e6 / 8.0);
    result.nic_bandwidth = std::min(result.nic_bandwidth.value_or(speed), speed);
  }
  warn(reader, result.node);
  return result;
}

}  // namespace trainyard
