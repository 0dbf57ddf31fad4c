// Reads the output of `nvidia-smi topo -m` as people have it: pasted, logged, escaped, trimmed, but never guessed.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "topology/node_topology.hpp"

namespace trainyard {

// Columns are counted, not aligned; a missing header is inferred from complete rows; affinity columns, NIC rows and
// legends may be absent. The diagonal must be X and every cell must equal its mirror, so a damaged cell is noticed.
// InputError with file:line:column and the row and column names for anything truncated, contradictory or unknown, and
// with a word on what was read instead (`topo -p2p`, plain nvidia-smi, nccl-tests …) for anything else.
// Oddities of real machines load and are explained in `warnings`.
NodeTopology read_nvidia_smi_topo(std::string_view text, const std::string& name_in_messages);
NodeTopology read_nvidia_smi_topo(std::istream& in, const std::string& name_in_messages);

// The same matrix as nvidia-smi prints it, tab separated, with affinity columns and NIC legend where known.
// read_nvidia_smi_topo of it gives back an equal topology.
std::string to_smi_text(const NodeTopology& node);

std::string cell_text(const Relation& relation);  // "NV18", "PIX"

}  // namespace trainyard
