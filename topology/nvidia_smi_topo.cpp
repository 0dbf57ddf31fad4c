#include "topology/nvidia_smi_topo.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <istream>
#include <iterator>
#include <utility>

#include "sim/base/errors.hpp"
#include "topology/capture_diagnosis.hpp"
#include "topology/smi_lines.hpp"
#include "topology/smi_matrix.hpp"
#include "topology/smi_words.hpp"
#include "topology/topology_oddities.hpp"

namespace trainyard {
namespace {

constexpr int most_nvlinks = 36;  // twice what any GPU up to Blackwell has

SourceLocation at(const std::string& file, const CaptureWord& word) { return {file, word.line, word.column}; }

// The columns of a capture without a header are its rows, provided the rows make a complete square.
void infer_header(CaptureMatrix& matrix, const std::string& file) {
  const std::size_t width = matrix.rows.front().cells.size();
  for (const MatrixRow& row : matrix.rows) {
    if (row.cells.size() == width) continue;
    throw InputError(
        at(file, row.label),
        fmt::format("row {} has {} cells where row {} has {}: the capture is cut, and it has no header line",
                    row.label.text, row.cells.size(), matrix.rows.front().label.text, width));
  }
  if (width != matrix.rows.size())
    throw InputError(at(file, matrix.rows.front().label),
                     fmt::format("no header line, and {} row{} of {} cells do not say what the columns are",
                                 matrix.rows.size(), matrix.rows.size() == 1 ? "" : "s", width),
                     "copy the capture with its first line");
  for (const MatrixRow& row : matrix.rows) matrix.columns.push_back(row.label);
}

void refuse_duplicates(const std::vector<CaptureWord>& labels, const std::string& file, std::string_view what) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (labels[i].text == labels[j].text)
        throw InputError(at(file, labels[i]), fmt::format("two {}s are called {}", what, labels[i].text));
}

void check_columns(const CaptureMatrix& matrix, const std::string& file) {
  refuse_duplicates(matrix.columns, file, "column");
  std::vector<CaptureWord> rows;
  for (const MatrixRow& row : matrix.rows) rows.push_back(row.label);
  refuse_duplicates(rows, file, "row");
  const auto nic = std::find_if_not(matrix.columns.begin(), matrix.columns.end(),
                                    [](const CaptureWord& w) { return is_gpu_label(w.text); });
  if (nic == matrix.columns.begin()) throw InputError(at(file, *nic), "the matrix has no GPU");
  const auto gpu = std::find_if(nic, matrix.columns.end(), [](const CaptureWord& w) { return is_gpu_label(w.text); });
  if (gpu != matrix.columns.end())
    throw InputError(at(file, *gpu), fmt::format("{} stands behind NIC {}; GPUs come first", gpu->text, nic->text));
}

std::string column_name(const CaptureMatrix& matrix, std::size_t j) { return matrix.columns[j].text; }

// One row per column, in column order; no row for a NIC if the capture has no NIC rows at all.
std::vector<const MatrixRow*> rows_in_column_order(const CaptureMatrix& matrix, const std::string& file) {
  std::vector<const MatrixRow*> ordered(matrix.columns.size(), nullptr);
  for (const MatrixRow& row : matrix.rows) {
    const auto same = [&](const CaptureWord& w) { return w.text == row.label.text; };
    const auto column = std::find_if(matrix.columns.begin(), matrix.columns.end(), same);
    if (column == matrix.columns.end())
      throw InputError(at(file, row.label), fmt::format("row {} is no column of the header", row.label.text));
    ordered[static_cast<std::size_t>(column - matrix.columns.begin())] = &row;
  }
  const auto is_nic_row = [](const MatrixRow& row) { return !is_gpu_label(row.label.text); };
  const bool nic_rows = std::any_of(matrix.rows.begin(), matrix.rows.end(), is_nic_row);
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    if (ordered[i] != nullptr || (!is_gpu_label(column_name(matrix, i)) && !nic_rows)) continue;
    const CaptureWord& last = matrix.rows.back().label;
    throw InputError(at(file, last), fmt::format("{} has a column but no row: the capture ends after row {}",
                                                 column_name(matrix, i), last.text));
  }
  return ordered;
}

// `cell` in row `row`, column j as a relation; nullopt for X.
std::optional<Relation> read_cell(const CaptureMatrix& matrix, const MatrixRow& row, std::size_t j,
                                  const std::string& file) {
  const CaptureWord& cell = row.cells[j];
  const std::string place = fmt::format("row {}, column {}", row.label.text, column_name(matrix, j));
  const std::optional<CellLabel> label = cell_label(cell.text);
  if (!label)
    throw InputError(at(file, cell), fmt::format("{}: '{}' is no link label", place, cell.text.substr(0, 40)),
                     "known labels: X, NV# (NV1, NV18 …), PIX, PXB, PHB, NODE, SYS, SOC");
  const bool diagonal = column_name(matrix, j) == row.label.text;
  if (diagonal && label->relation)
    throw InputError(at(file, cell), fmt::format("{}: '{}' on the diagonal, where X belongs", place, cell.text));
  if (!diagonal && !label->relation)
    throw InputError(at(file, cell), fmt::format("{}: X off the diagonal", place),
                     "a cell of this row is missing or one too many");
  if (label->relation && label->relation->link == LinkClass::nvlink) {
    if (label->relation->nvlinks < 1 || label->relation->nvlinks > most_nvlinks || cell.text[2] == '0')
      throw InputError(at(file, cell), fmt::format("{}: '{}' is no plausible number of NVLinks (1 to {})", place,
                                                   cell.text.substr(0, 40), most_nvlinks));
    if (!is_gpu_label(row.label.text) || !is_gpu_label(column_name(matrix, j)))
      throw InputError(at(file, cell), fmt::format("{}: NVLink to a NIC does not exist", place));
  }
  return label->relation;
}

void check_width(const CaptureMatrix& matrix, const MatrixRow& row, const std::string& file) {
  const std::size_t width = matrix.columns.size();
  if (row.cells.size() > width)
    throw InputError(at(file, row.cells[width]),
                     fmt::format("row {} has {} cells for {} columns", row.label.text, row.cells.size(), width));
  // A damaged cell explains a short row better than the missing one at its end.
  for (std::size_t j = 0; j < row.cells.size(); ++j) read_cell(matrix, row, j, file);
  if (row.cells.size() < width)
    throw InputError(at(file, row.cells.empty() ? row.label : row.cells.back()),
                     fmt::format("row {} ends after {} of {} cells, before column {}: the capture is cut",
                                 row.label.text, row.cells.size(), width, column_name(matrix, row.cells.size())));
}

void read_relations(NodeTopology& node, const CaptureMatrix& matrix, const std::string& file) {
  const std::vector<const MatrixRow*> rows = rows_in_column_order(matrix, file);
  const std::size_t n = rows.size();
  node.relations.assign(n, std::vector<Relation>(n));
  for (std::size_t i = 0; i < n; ++i) {
    if (rows[i] == nullptr) continue;
    for (std::size_t j = 0; j < n; ++j) {
      const std::optional<Relation> relation = read_cell(matrix, *rows[i], j, file);
      if (!relation) continue;
      if (rows[j] != nullptr && j < i && node.relations[j][i] != *relation)
        throw InputError(at(file, rows[i]->cells[j]),
                         fmt::format("row {}, column {} says {}, but row {}, column {} says {}", column_name(matrix, i),
                                     column_name(matrix, j), rows[i]->cells[j].text, column_name(matrix, j),
                                     column_name(matrix, i), rows[j]->cells[i].text),
                         "the matrix contradicts itself; copy it again");
      node.relations[i][j] = *relation;
      if (rows[j] == nullptr) node.relations[j][i] = *relation;
    }
  }
}

void warn_about_the_capture(NodeTopology& node, const CaptureMatrix& matrix) {
  const auto is_nic_row = [](const MatrixRow& row) { return !is_gpu_label(row.label.text); };
  const bool nic_rows = std::any_of(matrix.rows.begin(), matrix.rows.end(), is_nic_row);
  if (!node.nics.empty() && !nic_rows)
    node.warnings.push_back(
        fmt::format("the capture has no NIC rows (cut below the GPUs?): how {} NIC{} would reach each other is unknown "
                    "and taken as SYS",
                    node.nics.size(), node.nics.size() == 1 ? "" : "s"));
  const bool columns = !matrix.tail_columns.empty();
  const auto empty = [](const std::string& s) { return s.empty(); };
  if (columns && std::all_of(node.cpu_affinity.begin(), node.cpu_affinity.end(), empty))
    node.warnings.push_back(
        "the CPU and NUMA affinities are empty (a container without its CPU set?): which socket a GPU hangs on is read "
        "from its links alone, and data loaders cannot be bound");
}

NodeTopology assemble(CaptureMatrix matrix, const std::string& file) {
  if (matrix.columns.empty()) infer_header(matrix, file);
  check_columns(matrix, file);
  for (const MatrixRow& row : matrix.rows) check_width(matrix, row, file);
  NodeTopology node;
  for (const CaptureWord& column : matrix.columns)
    (is_gpu_label(column.text) ? node.gpus : node.nics).push_back(column.text);
  node.nic_names.resize(node.nics.size());
  node.cpu_affinity.resize(node.gpus.size());
  node.numa_affinity.resize(node.gpus.size());
  read_relations(node, matrix, file);
  for (const MatrixRow& row : matrix.rows) {
    const auto gpu = std::find(node.gpus.begin(), node.gpus.end(), row.label.text);
    if (gpu == node.gpus.end()) continue;
    node.cpu_affinity[static_cast<std::size_t>(gpu - node.gpus.begin())] = row.cpu_affinity;
    node.numa_affinity[static_cast<std::size_t>(gpu - node.gpus.begin())] = row.numa_affinity;
  }
  warn_about_the_capture(node, matrix);
  return node;
}

// "NIC0: mlx5_0" below the matrix; `topo -mp` is known by a legend without NV#.
void read_legend(NodeTopology& node, const std::vector<CaptureLine>& lines) {
  bool pcie_legend = false;
  bool nvlink_legend = false;
  for (const CaptureLine& line : lines) {
    const std::vector<CaptureWord> words = words_of(line);
    pcie_legend |= words.size() > 1 && words[0].text == "PIX" && words[1].text == "=";
    nvlink_legend |= !words.empty() && words[0].text.starts_with("NV");
    if (words.size() < 2 || !words[0].text.ends_with(':')) continue;
    const std::string_view label = std::string_view(words[0].text).substr(0, words[0].text.size() - 1);
    const auto nic = std::find(node.nics.begin(), node.nics.end(), label);
    if (nic != node.nics.end()) node.nic_names[static_cast<std::size_t>(nic - node.nics.begin())] = words[1].text;
  }
  if (pcie_legend && !nvlink_legend)
    node.warnings.emplace_back(
        "the legend does not mention NVLink: this may be `nvidia-smi topo -mp`, which hides NVLink; use `topo -m`");
}

[[noreturn]] void refuse(const std::vector<CaptureMatrix>& matrices, std::string_view text, const std::string& file) {
  if (!matrices.empty())
    throw InputError(
        at(file, matrices.front().rows.front().label),
        "this is a `nvidia-smi topo -p2p` matrix (OK, NS …): it says who may access whom, not over which link",
        "capture `nvidia-smi topo -m`");
  const CaptureDiagnosis diagnosis = diagnose_capture(text);
  throw InputError({file, 0, 0}, diagnosis.what, diagnosis.hint);
}

// A matrix of `topo -p2p` has no link label at all; one with both kinds is a damaged `topo -m`.
bool is_peer_to_peer(const CaptureMatrix& matrix) {
  if (!matrix.peer_to_peer) return false;
  for (const MatrixRow& row : matrix.rows)
    for (const CaptureWord& cell : row.cells)
      if (const auto label = cell_label(cell.text); label && label->relation) return false;
  return true;
}

}  // namespace

NodeTopology read_nvidia_smi_topo(std::string_view text, const std::string& name_in_messages) {
  const std::vector<CaptureLine> lines = capture_lines(text, name_in_messages);
  const std::vector<CaptureMatrix> matrices = find_matrices(lines, name_in_messages);
  std::optional<NodeTopology> node;
  for (const CaptureMatrix& matrix : matrices) {
    if (is_peer_to_peer(matrix)) continue;
    NodeTopology next = assemble(matrix, name_in_messages);
    if (!node) {
      node = std::move(next);
    } else if (next.relations != node->relations || next.gpus != node->gpus || next.nics != node->nics) {
      throw InputError(at(name_in_messages, matrix.rows.front().label), "a second, different topology matrix",
                       "keep one node's capture per file");
    }
  }
  if (!node) refuse(matrices, text, name_in_messages);
  read_legend(*node, lines);
  const std::vector<std::string> oddities = topology_oddities(*node);
  node->warnings.insert(node->warnings.end(), oddities.begin(), oddities.end());
  return *node;
}

NodeTopology read_nvidia_smi_topo(std::istream& in, const std::string& name_in_messages) {
  constexpr std::size_t enough = std::size_t{8} << 20;  // larger input is refused by its size, so it need not be read
  std::string text;
  for (std::istreambuf_iterator<char> c(in), end; c != end && text.size() < enough; ++c) text.push_back(*c);
  return read_nvidia_smi_topo(text, name_in_messages);
}

}  // namespace trainyard
