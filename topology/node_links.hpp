// The shared links of one node, numbered from 0, and the ways over them. All nodes are equal, so one table serves all.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "topology/shared_link.hpp"

namespace trainyard {

class Routes;

// Which NICs carry what GPU `from` sends to GPU `to` of another node. On rail-optimised fabrics the bytes leave on the
// receiver's rail, after a hop over NVLink to a GPU near it where the sender is not (NCCL's PXN).
struct NicWay {
  std::optional<int> proxy;  // the GPU that forwards to the NICs
  std::vector<int> out;      // NICs of the sender's node, equal shares
  std::vector<int> in;       // NICs of the receiver's node, equal shares
  bool same_rails = false;   // out == in
};

class NodeLinks {
 public:
  explicit NodeLinks(const Routes& routes);

  int size() const { return static_cast<int>(links_.size()); }
  const SharedLink& link(int id) const { return links_[static_cast<std::size_t>(id)]; }
  const std::string& vertex_name(int vertex) const { return vertices_[static_cast<std::size_t>(vertex)]; }
  const NicWay& nic_way(int from_gpu, int to_gpu) const { return nic_ways_[cell(from_gpu, to_gpu)]; }

  // A GPU's ports on the NVSwitch; none without one.
  std::optional<int> port_out(int gpu) const { return port_[static_cast<std::size_t>(gpu)]; }
  std::optional<int> port_in(int gpu) const;
  int nic_out(int nic) const { return first_nic_ + 2 * nic; }
  int nic_in(int nic) const { return first_nic_ + 2 * nic + 1; }

  // Append links (numbered from `base`) that `share` of a transfer crosses inside the node. Devices are GPUs, then
  // NICs.
  void gpu_to_gpu(int a, int b, int base, double share, std::vector<LinkLoad>& out) const;
  void over_pcie(int device_a, int device_b, int base, double share, std::vector<LinkLoad>& out) const;

 private:
  std::size_t cell(int a, int b) const { return static_cast<std::size_t>(a) * gpus_ + static_cast<std::size_t>(b); }
  void number_links(const Routes& routes);
  void find_nic_ways(const Routes& routes);
  NicWay find_nic_way(const Routes& routes, int a, int b) const;

  std::size_t gpus_ = 0;
  int first_nic_ = 0;
  std::vector<SharedLink> links_;
  std::vector<std::string> vertices_;
  std::vector<std::optional<int>> port_;    // per GPU: its link to the NVSwitch, the next one is the way back
  std::vector<std::optional<int>> direct_;  // GPU pairs: NVLinks from one to the other without a switch
  std::vector<int> parent_;                 // per device and PCIe group; the root is its own
  std::vector<int> up_;                     // link to the parent, the next one is the way back
  std::vector<int> island_;                 // per GPU
  std::vector<NicWay> nic_ways_;            // GPU pairs
};

}  // namespace trainyard
