// A cluster named on the command line.
#pragma once

#include <optional>
#include <string>

#include "sim/cli/scenario_input.hpp"
#include "topology/cluster.hpp"

namespace trainyard {

// `cluster`: a preset's name, the path of a cluster YAML, an inline mapping "{node: …}", or the path of a topology (a
// capture of `nvidia-smi topo -m` or an NCCL topology XML), which needs an override of `gpu`, and for several nodes of
// nics.bandwidth and fabric.network. `overrides` are --set pairs of the cluster's keys, as in a cluster YAML, with or
// without "cluster." in front. Throws InputError.
Cluster read_cluster_word(const std::string& cluster, std::optional<int> nodes, const Overrides& overrides);

}  // namespace trainyard
