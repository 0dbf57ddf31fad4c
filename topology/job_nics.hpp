// Which NICs of a node carry the job: captures also show storage and management NICs, or none at all.
#pragma once

#include <vector>

#include "sim/base/yaml_reader.hpp"
#include "topology/node_topology.hpp"

namespace trainyard {

// Drops every NIC that `names` (labels or legend names) does not list. InputError at a name that no NIC has.
void keep_nics(NodeTopology& node, const std::vector<YamlValue>& names);

// The matrix must have `count` NICs; if it has none, that many are assumed, NIC j beside an equal share of the GPUs,
// with a warning. InputError if the matrix has another number.
void check_nic_count(NodeTopology& node, const YamlValue& count);

}  // namespace trainyard
