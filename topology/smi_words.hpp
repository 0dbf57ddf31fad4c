// The words of `nvidia-smi topo`: which text is a device, a cell, an affinity heading.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/smi_matrix.hpp"

namespace trainyard {

std::vector<CaptureWord> words_of(const CaptureLine& line);  // '|' and, in tables, '*' and '`' separate as blanks do
std::vector<std::string> table_cells(const CaptureLine& line);

// A word as the cell labels it is made of: "NODEPXB" -> NODE, PXB; nullopt if it is not made of labels only.
// The words of `topo -p2p` count as labels here, so that such a matrix is recognised before it is refused.
std::optional<std::vector<CaptureWord>> cells_in(const CaptureWord& word);
bool is_peer_to_peer_label(std::string_view text);

bool is_nic_number(std::string_view text);                                    // "NIC0"
bool is_nic_name(std::string_view text);                                      // "mlx5_0", "rdmap16s27"
std::optional<std::vector<CaptureWord>> devices_in(const CaptureWord& word);  // "NIC8NIC9" -> NIC8, NIC9

// The labels of a header line, or nullopt if the line is none: GPUs first, then NICs, then affinity headings (which a
// markdown table may put in front).
struct HeaderWords {
  std::vector<CaptureWord> columns;
  std::vector<std::string> tail_columns;
};
std::optional<HeaderWords> header_in(const std::vector<CaptureWord>& words);

}  // namespace trainyard
