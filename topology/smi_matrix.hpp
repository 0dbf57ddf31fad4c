// Finds device matrices ("GPU0  X  NV18 …") in the lines of a capture and takes them apart into labelled cells, by
// counting words rather than trusting column positions. Says nothing yet about whether a matrix makes sense.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/node_topology.hpp"
#include "topology/smi_lines.hpp"

namespace trainyard {

struct CaptureWord {
  std::string text;
  int line = 0;
  int column = 0;
};

struct MatrixRow {
  CaptureWord label;
  std::vector<CaptureWord> cells;  // as written; fused ones ("NODEPXB") separated
  std::string cpu_affinity;
  std::string numa_affinity;
  bool tail = false;  // something stood behind the cells
};

struct CaptureMatrix {
  std::vector<CaptureWord> columns;  // labels of the header; empty if the capture has none
  std::vector<std::string>
      tail_columns;  // "CPU Affinity", "NUMA Affinity", "GPU NUMA ID" as far as the header has them
  std::vector<std::string> table_header;  // all cells of a markdown table's header
  std::vector<MatrixRow> rows;
  bool peer_to_peer = false;  // cells are those of `topo -p2p` (OK, NS, CNS …)
};

// Every matrix of the capture that has at least one row. InputError, naming its place, for a line that is evidently a
// row but whose label no header names, and for more than 512 columns.
std::vector<CaptureMatrix> find_matrices(const std::vector<CaptureLine>& lines, const std::string& name_in_messages);

// The closed set of cell labels: X (nullopt in `relation`), NV#, PIX, PXB, PHB, NODE, SYS and the legacy SOC.
struct CellLabel {
  std::optional<Relation> relation;
};
std::optional<CellLabel> cell_label(std::string_view text);  // nullopt: not a label
bool is_gpu_label(std::string_view text);                    // "GPU0" … "GPU511"

}  // namespace trainyard
