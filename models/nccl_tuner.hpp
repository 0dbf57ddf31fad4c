// How NCCL 2.22 to 2.30 decides on an algorithm and a protocol for a collective: the pair with the least
//   t = latency + S / bandwidth,    S the larger of the buffers a rank sends and receives
// by a model of its own (src/graph/tuning.cc). It knows neither congestion nor other collectives; all-to-all and
// send-receive are not in it. The same arithmetic with bandwidths and latencies that were achieved instead of NCCL's
// assumed ones prices collectives (collective_cost.hpp).
#pragma once

#include <vector>

#include "models/nccl_tables.hpp"
#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/hardware.hpp"

namespace trainyard {

// What of a communicator the tuner looks at. A node is what NVLink or PCIe joins: a rack of 72 GPUs is one.
struct NcclGroup {
  int ranks = 1;
  int nodes = 1;
  int per_node = 1;
  NcclGeneration generation = NcclGeneration::volta;
  NcclHop inside = NcclHop::nvlink;   // the worst link inside a node
  bool multicast = false;             // NVLink SHARP in the node
  bool in_network_reduction = false;  // SHARP between the nodes
  bool ll = true, ll128 = true;       // protocols that the network carries
};
NcclGroup nccl_group(const std::vector<Tier>& tiers, const DeviceProfile& device, const NetworkProfile& network);

// Channels, each a ring or tree of its own, and the bandwidth of one in a node and between nodes, GB/s.
struct NcclGraph {
  int channels = 0;
  double inside = 0;
  double between = 0;
};
// A rank's bandwidth in the node and to the network as NCCL counts them, GB/s; infinite where there is no such level.
struct NcclLinks {
  double inside = 0;
  double network = 0;
};
NcclLinks nccl_links(const std::vector<Tier>& tiers, NcclGeneration generation);
NcclGraph nccl_ring_graph(const NcclGroup& group, const NcclLinks& links);
NcclGraph nccl_multicast_graph(const NcclGroup& group, const NcclLinks& links);

// Bandwidths of all channels together as the bus bandwidth of nccl-tests, GB/s, before the protocol takes its part;
// 0 = the algorithm is not available.
struct NcclRates {
  double ring = 0;
  double tree = 0;
  double nvls = 0;
  double nvls_tree = 0;
  double collnet_direct = 0;
  double collnet_chain = 0;
  int channels = 1;            // of ring and tree
  int multicast_channels = 1;  // of NVLS
};
int nccl_multicast_channels(const NcclGroup& group);
NcclRates nccl_rates(CollectiveKind kind, const NcclGroup& group, const NcclLinks& links);

// Latency of base and hops, microseconds: factors on and additions to the tables.
struct NcclLatencies {
  double inside = 1;             // factor on the base and on hops inside a node
  double between = 1;            // factor on hops between nodes
  double between_added = 0;      // added to every hop between nodes, whatever the protocol
  double message_growth = 0;     // added to a pass over the network with every doubling of its messages beyond 1 KiB
  double multicast = 25.0;       // of NVLink SHARP in a node
  double multicast_step = 20.9;  // of NVLink SHARP continued as a tree, per hop between nodes
  // What happens instead of what the tuner counts: nccl_tree_correction's `smooth`, a height of trees that grows with
  // every node, and rings in which a message enters every node over the network.
  bool smooth = false;
};

struct NcclChoice {
  NcclAlgorithm algorithm = NcclAlgorithm::ring;
  NcclProtocol protocol = NcclProtocol::simple;
  int channels = 0;  // thread blocks that work on a message of this size
  Seconds time{};
  Seconds latency{};  // the part of `time` that does not depend on bandwidth
};
// The fastest pair; kinds that the tuner does not know give `none`, Simple and no time.
NcclChoice fastest_nccl(CollectiveKind kind, Bytes size, const NcclGroup& group, const NcclRates& rates,
                        const NcclLatencies& latencies);

// What NCCL decides, and the time it expects.
NcclChoice nccl_tune(CollectiveKind kind, Bytes size, const std::vector<Tier>& tiers, const DeviceProfile& device,
                     const NetworkProfile& network);

// Its expectation of one pair, infinite where that is not available.
NcclChoice nccl_expected(CollectiveKind kind, Bytes size, NcclAlgorithm algorithm, NcclProtocol protocol,
                         const NcclGroup& group, const NcclRates& rates, const NcclLatencies& latencies);

}  // namespace trainyard
