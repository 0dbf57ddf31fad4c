// Words that the topology and the cost models share.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "sim/base/units.hpp"

namespace trainyard {

// How two devices reach each other, best first; the names are those of `nvidia-smi topo -m`, plus the ones it has no
// word for: C2C (GPU to its CPU on Grace), NET (through NICs, one switch level) and SPINE (NET above the first level).
enum class LinkClass { nvlink, c2c, pix, pxb, phb, node, sys, net, spine };
inline constexpr std::array link_classes = {LinkClass::nvlink, LinkClass::c2c, LinkClass::pix,
                                            LinkClass::pxb,    LinkClass::phb, LinkClass::node,
                                            LinkClass::sys,    LinkClass::net, LinkClass::spine};

constexpr std::string_view name(LinkClass c) {
  switch (c) {
    case LinkClass::nvlink:
      return "NVLink";
    case LinkClass::c2c:
      return "C2C";
    case LinkClass::pix:
      return "PIX";
    case LinkClass::pxb:
      return "PXB";
    case LinkClass::phb:
      return "PHB";
    case LinkClass::node:
      return "NODE";
    case LinkClass::sys:
      return "SYS";
    case LinkClass::net:
      return "NET";
    case LinkClass::spine:
      return "SPINE";
  }
  return "?";
}

enum class DataType { fp32, tf32, bf16, fp16, fp8, nvfp4 };

constexpr std::string_view name(DataType t) {
  switch (t) {
    case DataType::fp32:
      return "fp32";
    case DataType::tf32:
      return "tf32";
    case DataType::bf16:
      return "bf16";
    case DataType::fp16:
      return "fp16";
    case DataType::fp8:
      return "fp8";
    case DataType::nvfp4:
      return "nvfp4";
  }
  return "?";
}
constexpr double bytes_per_element(DataType t) {
  switch (t) {
    case DataType::fp32:
      return 4.0;
    case DataType::tf32:
      return 4.0;
    case DataType::bf16:
      return 2.0;
    case DataType::fp16:
      return 2.0;
    case DataType::fp8:
      return 1.0;
    case DataType::nvfp4:
      return 0.5;
  }
  return 0.0;
}
std::optional<DataType> data_type_from(std::string_view text);  // "bf16", "fp8" …; nullopt if unknown

// One level of what a communication group crosses, innermost first. A group of 16 ranks, 8 on each of 2 nodes, has
// {8, nvlink, 450 GB/s per rank} and {2, net, 50 GB/s per rank}; the product of `ranks` is the group's size.
struct Tier {
  int ranks = 1;  // members that meet at this level (of one member per lower-level island)
  LinkClass link = LinkClass::nvlink;
  BytesPerSecond bandwidth{};  // nominal, per rank and direction, its fair share of what the level's links carry
  Seconds latency{};           // one hop of this level as the topology states it (0 = the network profile decides)
  bool multicast = false;      // in-network reduction at this level (NVLink SHARP)
  BytesPerSecond alone{};      // what a member gets while its sibling groups are silent; 0 = `bandwidth`
  friend bool operator==(const Tier&, const Tier&) = default;
};

}  // namespace trainyard
