#include "models/nccl_tables.hpp"

#include <algorithm>
#include <cmath>

namespace trainyard {
namespace {

constexpr int generations = 4;
// Rows: generations. Columns: one node, two nodes, more.
using ByNodes = std::array<std::array<double, 3>, generations>;

constexpr ByNodes ll_limit = {{{39.0, 39.0, 20.4}, {87.7, 22.5, 19.0}, {141.0, 45.0, 35.0}, {282.0, 90.0, 70.0}}};
constexpr ByNodes ring_ll128_limit = {{{20, 20, 20}, {20, 20, 20}, {36.7, 36.7, 36.7}, {40, 40, 40}}};
constexpr ByNodes tree_ll128_limit = {{{20, 20, 20}, {20, 20, 20}, {36.7, 36.7, 29.0}, {55.6, 31.67, 20.0}}};
constexpr ByNodes tree_limit = {{{26.5, 18.5, 10.0}, {24.0, 23.6, 17.8}, {38.7, 41.4, 36.0}, {70.0, 42.8, 24.0}}};
constexpr ByNodes nvls_tree_limit = {{{26.5, 18.5, 10.0}, {24.0, 23.6, 17.8}, {0, 57.7, 45.5}, {0, 96.0, 80.0}}};
constexpr std::array<double, generations> nvls_efficiency = {0, 0, 0.85, 0.74};
// Gigabytes per second that the topology's graph gives a 25 or 50 GB/s link, over that.
constexpr std::array<double, generations> nvlink_share = {20.0 / 25, 20.0 / 25, 20.6 / 25, 40.1 / 50};

double at(const ByNodes& table, NcclGeneration generation, int nodes) {
  return table[static_cast<std::size_t>(generation)][static_cast<std::size_t>(std::clamp(nodes, 1, 3) - 1)];
}

// LL, LL128, Simple.
using ByProtocol = std::array<double, nccl_protocols>;
constexpr std::array<ByProtocol, nccl_algorithms> base_latency = {
    {{6.8, 14.0, 8.4}, {6.6, 14.0, 8.4}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {8.0, 8.0, 8.0}}};
constexpr std::array<std::array<ByProtocol, nccl_algorithms>, 3> hop_latency = {{
    {{{0.6, 1.25, 4.0}, {0.6, 1.9, 3.4}, {0, 0, 3.7}, {0, 0, 2.8}, {0, 0, 25.0}, {0, 0, 25.0}, {0, 0, 4.0}}},
    {{{1.0, 1.9, 4.0}, {1.0, 2.5, 5.7}, {0, 0, 3.7}, {0, 0, 2.8}, {0, 0, 0}, {0, 0, 0}, {0, 0, 4.0}}},
    {{{5.0, 8.5, 14.0}, {2.7, 4.0, 14.0}, {0, 0, 31.0}, {0, 0, 30.0}, {0, 0, 18.0}, {0, 0, 20.9}, {0, 0, 14.0}}},
}};

// By powers of two of S / 64 B; 1 beyond.
constexpr int corrections = 23;
constexpr std::array<std::array<double, corrections + 1>, nccl_protocols> tree_correction = {{
    {1, 1, 1, 1, .9, .8, .7, .7, .7, .7, .6, .5, .4, .4, .5, .6, .7, .8, .9, 1, 1, 1, 1, 1},
    {1, 1, 1, 1, 1, .9, .8, .8, .8, .7, .6, .6, .6, .6, .6, .6, .8, .9, .9, .9, .9, 1, 1, 1},
    {.9, .9, .9, .9, .9, .9, .9, .8, .7, .6, .6, .5, .5, .5, .5, .6, .7, .8, .7, .7, .8, .9, .9, 1},
}};

constexpr double intra_speeds[] = {40, 30, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3};
constexpr double intra_speeds_hopper[] = {60, 50, 40, 30, 24, 20, 15, 12, 11, 6, 3};
constexpr double intra_speeds_blackwell[] = {90, 80, 70, 60, 50, 45, 40, 30, 24, 20, 19, 18};
constexpr double inter_speeds[] = {48, 30, 28, 24, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3, 2.4, 1.2, .24, .12};
constexpr double inter_speeds_hopper[] = {48, 45, 42, 40, 30, 24, 22, 20, 17.5, 15, 12, 6, 3, 2.4, 1.2, .24, .12};
constexpr double inter_speeds_blackwell[] = {96, 86,   80, 48, 45.1, 42, 40,  30,  24,  22, 20,
                                             20, 17.5, 15, 12, 6,    3,  2.4, 1.2, .24, .12};

}  // namespace

std::string_view name(NcclAlgorithm algorithm) {
  switch (algorithm) {
    case NcclAlgorithm::tree:
      return "tree";
    case NcclAlgorithm::ring:
      return "ring";
    case NcclAlgorithm::collnet_direct:
      return "collnet-direct";
    case NcclAlgorithm::collnet_chain:
      return "collnet-chain";
    case NcclAlgorithm::nvls:
      return "nvls";
    case NcclAlgorithm::nvls_tree:
      return "nvls-tree";
    case NcclAlgorithm::pat:
      return "pat";
  }
  return "none";
}
std::string_view name(NcclProtocol protocol) {
  switch (protocol) {
    case NcclProtocol::ll:
      return "LL";
    case NcclProtocol::ll128:
      return "LL128";
    case NcclProtocol::simple:
      return "Simple";
  }
  return "";
}

NcclGeneration nccl_generation(int compute_capability) {
  if (compute_capability >= 100) return NcclGeneration::blackwell;
  if (compute_capability >= 90) return NcclGeneration::hopper;
  return compute_capability >= 80 ? NcclGeneration::ampere : NcclGeneration::volta;
}

double nccl_ll_limit(NcclGeneration generation, int nodes) {
  return at(ll_limit, nodes > 1 ? NcclGeneration::volta : generation, nodes);  // Volta's row is Intel's
}
double nccl_ring_ll128_limit(NcclGeneration g, int nodes) { return at(ring_ll128_limit, g, nodes); }
double nccl_tree_limit(NcclGeneration g, int nodes) { return at(tree_limit, g, nodes); }
double nccl_tree_ll128_limit(NcclGeneration g, int nodes) { return at(tree_ll128_limit, g, nodes); }
double nccl_nvls_tree_limit(NcclGeneration g, int nodes) { return at(nvls_tree_limit, g, nodes); }
double nccl_nvls_efficiency(NcclGeneration g) { return nvls_efficiency[static_cast<std::size_t>(g)]; }
double nccl_nvlink_share(NcclGeneration g) { return nvlink_share[static_cast<std::size_t>(g)]; }

double nccl_base_latency(NcclAlgorithm algorithm, NcclProtocol protocol) {
  return base_latency[static_cast<std::size_t>(algorithm)][static_cast<std::size_t>(protocol)];
}
double nccl_hop_latency(NcclHop hop, NcclAlgorithm algorithm, NcclProtocol protocol) {
  return hop_latency[static_cast<std::size_t>(hop)][static_cast<std::size_t>(algorithm)]
                    [static_cast<std::size_t>(protocol)];
}

double nccl_tree_octave(double bytes) { return std::log2(bytes / nccl_tree_corrected_from); }

double nccl_tree_correction(NcclProtocol protocol, double bytes, bool smooth) {
  return nccl_tree_correction_at(protocol, nccl_tree_octave(bytes), smooth);
}

double nccl_tree_correction_at(NcclProtocol protocol, double octave, bool smooth) {
  const auto& row = tree_correction[static_cast<std::size_t>(protocol)];
  if (!(octave >= 0)) return smooth ? row.front() : 1.0;
  if (octave >= corrections) return 1.0;
  const auto below = static_cast<std::size_t>(octave);
  if (!smooth) return row[below];
  return row[below] + (octave - static_cast<double>(below)) * (row[below + 1] - row[below]);
}

std::span<const double> nccl_intra_speeds(NcclGeneration generation) {
  if (generation == NcclGeneration::blackwell) return intra_speeds_blackwell;
  if (generation == NcclGeneration::hopper) return intra_speeds_hopper;
  return intra_speeds;
}
std::span<const double> nccl_inter_speeds(NcclGeneration generation) {
  if (generation == NcclGeneration::blackwell) return inter_speeds_blackwell;
  if (generation == NcclGeneration::hopper) return inter_speeds_hopper;
  return inter_speeds;
}

}  // namespace trainyard
