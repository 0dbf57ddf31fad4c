// Reads which parts of a cluster are slower than the others, and how much every kernel varies.
#pragma once

#include "sim/base/yaml_reader.hpp"
#include "topology/cluster.hpp"

namespace trainyard {

// Keys, all optional:
//   gpus: [{gpu: 13, speed: 0.8}, {node: 2, gpu: 5, speed: 0.9}]    without node: the global index
//   links: [{node: 1, nic: 3, bandwidth: 0.5}, {node: 0, gpu: 2, nvlink: 0.5}, {gpu: 2, pcie: 0.25}]
//          nic: its index, its label ("NIC3") or its legend name ("mlx5_3"), always with a node
//   jitter: 0.02    relative standard deviation of every kernel's duration, 0 to 0.5
//   seed: 7         of the jitter
// Speeds and bandwidths are relative to a healthy part, 0.001 to 10.
//
// Entries are added to those the cluster has; jitter and seed replace the cluster's. An index that the cluster does not
// have (read it after the number of nodes is known), a part listed twice and NVLink where there is none are
// InputErrors.
void add_stragglers(Cluster& cluster, const YamlValue& value);

// InputError at `where` if a straggler stands on a node that the cluster does not have.
void check_stragglers(const Cluster& cluster, const SourceLocation& where);

}  // namespace trainyard
