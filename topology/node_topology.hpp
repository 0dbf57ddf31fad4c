// One node as `nvidia-smi topo -m` shows it: which label stands between every two devices.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/base/hardware.hpp"

namespace trainyard {

// The relation of two devices of a node. nvlinks is 0 unless link == nvlink ("NV18" -> 18).
struct Relation {
  LinkClass link = LinkClass::sys;
  int nvlinks = 0;
  friend bool operator==(const Relation&, const Relation&) = default;
};

// GPUs come first, then NICs, in the order of the capture. relations is symmetric; its diagonal is not read.
struct NodeTopology {
  std::vector<std::string> gpus;                 // "GPU0" …
  std::vector<std::string> nics;                 // "NIC0" or "mlx5_0" … as labelled in the matrix
  std::vector<std::string> nic_names;            // legend names ("mlx5_0") per NIC, empty where the capture has none
  std::vector<std::vector<Relation>> relations;  // [gpus+nics][gpus+nics]
  std::vector<std::string> cpu_affinity;         // per GPU, "" if the capture has none
  std::vector<std::string> numa_affinity;        // per GPU, "" if the capture has none
  std::vector<std::string> warnings;             // oddities that loaded, each with what it means for a job
  friend bool operator==(const NodeTopology&, const NodeTopology&) = default;
};

}  // namespace trainyard
