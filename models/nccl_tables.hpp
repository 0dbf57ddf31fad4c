// The constants of NCCL's tuner, version 2.30 (src/graph/tuning.cc, topo.h, search.cc): bandwidths in GB/s = 1e9 B/s
// per direction, latencies in microseconds, as the source has them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace trainyard {

enum class NcclAlgorithm : std::uint8_t { tree, ring, collnet_direct, collnet_chain, nvls, nvls_tree, pat };
enum class NcclProtocol : std::uint8_t { ll, ll128, simple };
inline constexpr int nccl_protocols = 3;
inline constexpr int nccl_algorithms = 7;
std::string_view name(NcclAlgorithm algorithm);  // "ring", "nvls-tree" …
std::string_view name(NcclProtocol protocol);    // "LL", "LL128", "Simple"
enum class NcclHop : std::uint8_t { nvlink, pci, net };

// The GPU generations that its tables tell apart.
enum class NcclGeneration : std::uint8_t { volta, ampere, hopper, blackwell };
NcclGeneration nccl_generation(int compute_capability);

// Highest bandwidth of protocol LL. Within a node by generation, between nodes by the vendor of the CPU; here Intel's.
double nccl_ll_limit(NcclGeneration generation, int nodes);
// Highest bandwidths of one channel.
double nccl_ring_ll128_limit(NcclGeneration generation, int nodes);
double nccl_tree_limit(NcclGeneration generation, int nodes);
double nccl_tree_ll128_limit(NcclGeneration generation, int nodes);
double nccl_nvls_tree_limit(NcclGeneration generation, int nodes);
double nccl_nvls_efficiency(NcclGeneration generation);

double nccl_base_latency(NcclAlgorithm algorithm, NcclProtocol protocol);
double nccl_hop_latency(NcclHop hop, NcclAlgorithm algorithm, NcclProtocol protocol);

// Factor on the bandwidth of a tree all-reduce of S bytes: by powers of two from 64 B on as NCCL has it, or with the
// values in between interpolated (`smooth`), so that the time never falls as S grows.
double nccl_tree_correction(NcclProtocol protocol, double bytes, bool smooth);
// The same by log2(S / 64 B), for callers that ask for several protocols.
double nccl_tree_correction_at(NcclProtocol protocol, double octave, bool smooth);
double nccl_tree_octave(double bytes);
inline constexpr double nccl_tree_corrected_from = 64;  // bytes

// Bandwidths of a channel that its search tries, descending.
std::span<const double> nccl_intra_speeds(NcclGeneration generation);
std::span<const double> nccl_inter_speeds(NcclGeneration generation);

// What its topology takes of the nominal rate: 20 of 25 GB/s of an NVLink 2 or 3, 24 of 31.5 GB/s of PCIe 4 x16.
double nccl_nvlink_share(NcclGeneration generation);
inline constexpr double nccl_pcie_share = 24.0 / 31.5;

}  // namespace trainyard
