// Reads a cluster from YAML: a preset's name, a path, or an inline mapping.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/yaml_reader.hpp"
#include "topology/cluster.hpp"

namespace trainyard {

// Keys (* may be left out if scenarios/clusters/defaults/gpu_links.yaml knows the GPU, ? if the default suits):
//   name?                    for reports; the file's name
//   gpu                      device profile; may also stand in `node`
//   gpu_memory*              capacity of one GPU as the driver reports it
//   nodes?                   1 … 131072; 1
//   node: {topology: FILE, gpu?}    a capture of `nvidia-smi topo -m` or an NCCL topology XML, or {nccl_xml: FILE}
//   nvlink?: {bandwidth_per_link*, switch?, multicast?, domain_nodes?, links?}
//                            switch: told from the matrix if absent; links: NV# of all pairs, for a matrix without
//                            NVLink
//   pcie_bandwidth*, socket_bandwidth*
//   nics?: {bandwidth, count?, only?}   only: the NICs (label or legend name) that carry the job, others are dropped;
//                            count: checked against the matrix, or assumed near the GPUs if the matrix has no NIC
//   fabric?: {kind?, nodes_per_leaf?, oversubscription?, network}
//   stragglers?              see stragglers_yaml.hpp; checked against the number of nodes that holds in the end
// FILEs are relative to the folder of the document; a bare name is one of scenarios/topologies. Unknown keys,
// impossible numbers, several nodes without NICs, NICs without a bandwidth and a topology that contradicts a key are
// InputErrors at the key. `nodes` overrides the document's number.
Cluster read_cluster(const YamlValue& value, std::optional<int> nodes = std::nullopt);
Cluster read_cluster_file(std::string_view name_or_path, std::optional<int> nodes = std::nullopt);

inline constexpr int most_nodes = 131072;

// The same machine with another number of nodes. InputError at `where` if it cannot be: out of range, several nodes
// without NICs or without a named network, or stragglers on nodes that would be gone.
Cluster with_nodes(Cluster cluster, int nodes, const SourceLocation& where);

std::vector<std::string> network_names();  // what fabric.network may be

}  // namespace trainyard
