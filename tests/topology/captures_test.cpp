// Real captures, one row each: what must load and how, what must be refused and why. The captures are not part of the
// source tree; without them the table is skipped with a notice.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <map>

#include "tests/topology/topology_words.hpp"

using namespace trainyard;

namespace {

struct Loads {
  std::string file;
  std::size_t gpus;
  std::size_t nics;
  std::vector<std::string> cells;     // "GPU0 NIC1 PIX"
  std::vector<std::string> warnings;  // fragments, one per warning, in any order
};
struct Refused {
  std::string file;
  std::string error;  // behind the file name
};

const std::vector<Loads> loading = {
    {"001-gcp-a3ultra-h200-8nic-ansi.txt",
     8,
     8,
     {"GPU0 GPU7 NV18", "GPU0 NIC1 PIX", "GPU7 NIC5 NODE", "NIC0 NIC4 SYS"},
     {}},
    {"002-rtx6000pro-8gpu-pix-node-sys-ansi.txt", 8, 0, {"GPU0 GPU1 PIX", "GPU0 GPU2 NODE", "GPU0 GPU7 SYS"}, {}},
    {"003-rtx6000pro-8gpu-handtrimmed-numa.txt", 8, 0, {"GPU4 GPU5 PIX", "GPU6 GPU4 NODE"}, {}},
    {"004-rtx6000pro-4gpu-node.txt", 4, 0, {"GPU0 GPU3 NODE"}, {}},
    {"005-rtx6000pro-8gpu-2switch-pix.txt", 8, 0, {"GPU0 GPU3 PIX", "GPU3 GPU4 NODE"}, {}},
    {"006-rtx6000pro-8gpu-pix-pxb-node.txt", 8, 0, {"GPU0 GPU1 PIX", "GPU1 GPU2 PXB", "GPU3 GPU4 NODE"}, {}},
    {"007-rtx6000ada-4gpu-4nic-node-sys.txt", 4, 4, {"GPU0 NIC1 NODE", "GPU2 NIC1 SYS", "NIC2 NIC3 PIX"}, {}},
    {"008-rtx-2gpu-2nic-phb-node.txt", 2, 2, {"GPU0 GPU1 PHB", "GPU1 NIC0 NODE"}, {}},
    {"009-2080ti-2gpu-pix-numa1.txt", 2, 0, {"GPU0 GPU1 PIX"}, {}},
    {"010-l40s-2gpu-2nic-dell-interleaved.txt",
     2,
     2,
     {"GPU0 GPU1 NODE", "GPU0 NIC0 SYS"},
     {"every GPU reaches every NIC as SYS"}},
    {"011-l40s-4gpu-2nic-jupyter-escaped.txt",
     4,
     2,
     {"GPU0 GPU1 NODE", "GPU3 NIC1 NODE", "GPU0 NIC0 SYS"},
     {"no NIC is near GPU0, GPU1"}},
    {"012-legacy-soc-4gpu-mlx4.txt", 4, 1, {"GPU0 GPU2 SYS", "GPU3 mlx4_0 PHB"}, {"no NIC is near GPU0, GPU1"}},
    {"013-nv2-2gpu-numa-na.txt", 2, 0, {"GPU0 GPU1 NV2"}, {}},
    {"014-phb-2gpu-numa-na.txt", 2, 0, {"GPU0 GPU1 PHB"}, {}},
    {"015-a100-8gpu-nv12-compact.txt", 8, 0, {"GPU0 GPU7 NV12"}, {}},
    {"016-h100-8gpu-nv18-compact.txt", 8, 0, {"GPU6 GPU7 NV18"}, {}},
    {"017-h100-8gpu-nv18-affinity.txt", 8, 0, {"GPU0 GPU4 NV18"}, {}},
    {"018-nv18-8gpu-noaffinity.txt", 8, 0, {"GPU0 GPU4 NV18"}, {}},
    {"021-polaris-a100-4gpu-markdown-pipes.txt",
     4,
     2,
     {"GPU0 GPU3 NV4", "GPU3 mlx5_0 PHB", "GPU1 mlx5_1 PHB"},
     {"no NIC is near GPU0, GPU2"}},
    {"022-sys-4gpu-right-aligned-indented.txt", 4, 0, {"GPU0 GPU1 SYS"}, {}},
    {"023-gcp-cloud-image-tests-golden.txt", 8, 8, {"GPU0 GPU1 NV18", "GPU2 NIC3 PIX"}, {}},
    {"024-v100-8gpu-2nic-hybridcube.txt",
     8,
     2,
     {"GPU0 GPU2 NV2", "GPU0 GPU4 SYS", "GPU6 mlx5_1 PIX"},
     {"NVLink joins GPU0, GPU1", "NVLink widths differ (NV1 to NV2)"}},
    {"026-a100pcie-4gpu-one-bridge-nv12.txt",
     4,
     2,
     {"GPU0 GPU1 NV12", "GPU2 GPU3 NODE"},
     {"GPU2, GPU3 have no NVLink", "no NIC is near GPU2, GPU3"}},
    {"027-a6000-8gpu-nv4-pairs.txt", 8, 0, {"GPU0 GPU1 NV4", "GPU1 GPU2 NODE", "GPU3 GPU4 SYS"}, {}},
    {"028-h100-4gpu-nv6-4nic-snc.txt", 4, 4, {"GPU0 GPU3 NV6", "GPU3 NIC3 PIX", "GPU3 NIC0 SYS"}, {}},
    {"033-a100-2gpu-8nic-blank-affinity.txt",
     2,
     8,
     {"GPU0 GPU1 NV12", "GPU0 NIC6 PXB", "GPU1 NIC5 SYS"},
     {"affinities are empty"}},
    {"034-v100-8gpu-nv1nv2-doublespaced.txt",
     8,
     0,
     {"GPU0 GPU7 NV2", "GPU0 GPU6 SYS"},
     {"NVLink joins GPU0, GPU1", "NVLink widths differ"}},
    {"037-ac922-4gpu-nv3-4nic.txt", 4, 4, {"GPU0 GPU1 NV3", "GPU2 mlx5_2 NODE", "mlx5_0 mlx5_1 PIX"}, {}},
    {"039-h100pcie-1gpu-1nic.txt", 1, 1, {"GPU0 NIC0 PHB"}, {}},
    {"043-bigred200-a100-4gpu-trimmed.txt",
     4,
     2,
     {"GPU0 NIC1 PHB", "GPU1 NIC0 NODE"},
     {"no NIC rows", "shares of the NICs are unequal"}},
    {"045-leonardo-a100-4gpu-4nic-sys.txt", 4, 4, {"GPU0 GPU1 NV4", "GPU2 NIC2 PXB", "GPU2 NIC1 SYS"}, {}},
    {"048-a100-8gpu-4nic-asym.txt",
     8,
     4,
     {"GPU0 GPU7 NV12", "NIC0 NIC1 PXB", "NIC2 NIC3 PIX"},
     {"no NIC is near GPU4, GPU5, GPU6, GPU7"}},
    {"049-gb200-4gpu-8nic-openshift.txt",
     4,
     8,
     {"GPU0 GPU3 NV18", "GPU0 NIC0 SYS", "NIC2 NIC3 PIX"},
     {"every GPU reaches every NIC as SYS"}},
    {"051-h200-8gpu-8nic-shuffled.txt",
     8,
     8,
     {"GPU0 NIC4 PIX", "GPU7 NIC2 PIX", "GPU0 NIC0 NODE"},
     {"numbered in another order than the GPUs (GPU0-NIC4"}},
    {"064-fixture-wrapped-header.txt",
     8,
     2,
     {"GPU0 GPU7 NV18", "GPU0 NIC0 PXB", "GPU4 NIC1 SYS"},
     {"no NIC rows", "no NIC is near GPU4, GPU5, GPU6, GPU7"}},
    {"066-fixture-preamble-note.txt",
     2,
     1,
     {"GPU0 GPU1 NV18", "GPU0 mlx5_0 PIX"},
     {"no NIC rows", "no NIC is near GPU1"}},
    {"069-h100-7gpu-nv18-dell.txt", 7, 0, {"GPU0 GPU6 NV18"}, {"7 GPUs: one of 8 seems to be missing"}},
    {"071-m60-azure-2gpu-soc.txt", 2, 0, {"GPU0 GPU1 SYS"}, {}},
};

const std::vector<Refused> refused = {
    {"019-p2p-matrix-not-topo.txt", ":2:1: this is a `nvidia-smi topo -p2p` matrix"},
    {"020-p2p-matrix-with-legend-not-topo.txt", ":2:2: this is a `nvidia-smi topo -p2p` matrix"},
    {"053-a100vm-8gpu-8nic-corrupt-ph.txt", ":2:73: row GPU0, column NIC7: 'PH0-115' is no link label"},
    {"056-b200-8gpu-broken-nvlink-gpu2-truncated.txt", ":7:1: row GPU6 has 14 cells where row GPU0 has 20"},
    {"062-8gpu-mlx4-pix-phb-sys-truncated.txt", ":6:1: GPU5 has a column but no row: the capture ends after row GPU4"},
};

std::filesystem::path captures() {
  return std::filesystem::path(TRAINYARD_SOURCE_DIR).parent_path() / "shared/data/topologies";
}

bool skipped() {
  if (std::filesystem::exists(captures())) return false;
  WARN("skipped: no captures in " << captures());
  return true;
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(text.find(' ', i), text.size());
    all.push_back(text.substr(i, end - i));
    i = end + 1;
  }
  return all;
}

}  // namespace

TEST_CASE("every real capture loads with its devices, links and oddities") {
  if (skipped()) return;
  for (const Loads& expected : loading) {
    INFO(expected.file);
    const NodeTopology node = read_nvidia_smi_topo(file_text(captures() / expected.file), expected.file);
    CHECK(node.gpus.size() == expected.gpus);
    CHECK(node.nics.size() == expected.nics);
    for (const std::string& wanted : expected.cells) {
      const std::vector<std::string> w = words(wanted);
      CHECK(cell(node, w[0], w[1]) == w[2]);
      CHECK(cell(node, w[1], w[0]) == w[2]);
    }
    CHECK(node.warnings.size() == expected.warnings.size());
    for (const std::string& fragment : expected.warnings) {
      INFO(fragment);
      CHECK(std::any_of(node.warnings.begin(), node.warnings.end(),
                        [&](const std::string& w) { return w.find(fragment) != std::string::npos; }));
    }
  }
}

TEST_CASE("every capture that is cut, corrupt or something else is refused at its place") {
  if (skipped()) return;
  for (const Refused& expected : refused)
    CHECK_THAT(error_of([&] { read_nvidia_smi_topo(file_text(captures() / expected.file), expected.file); }),
               Catch::StartsWith(expected.file + expected.error));
}

TEST_CASE("no real capture is left out of the tables") {
  if (skipped()) return;
  for (const auto& entry : std::filesystem::directory_iterator(captures())) {
    const std::string file = entry.path().filename().string();
    if (entry.path().extension() != ".txt") continue;
    INFO(file);
    const bool loads = std::any_of(loading.begin(), loading.end(), [&](const Loads& l) { return l.file == file; });
    const bool fails = std::any_of(refused.begin(), refused.end(), [&](const Refused& r) { return r.file == file; });
    CHECK((loads || fails));
  }
}

TEST_CASE("affinities of real captures are kept per GPU, also where cells are empty") {
  if (skipped()) return;
  struct Affinity {
    std::string file, cpu, numa;  // of the last GPU
  };
  const std::vector<Affinity> expected = {{"001-gcp-a3ultra-h200-8nic-ansi.txt", "56-111,168-223", "1"},
                                          {"003-rtx6000pro-8gpu-handtrimmed-numa.txt", "", "1"},
                                          {"010-l40s-2gpu-2nic-dell-interleaved.txt", "0,2,4,6,8,10", "0"},
                                          {"013-nv2-2gpu-numa-na.txt", "0-23", "N/A"},
                                          {"021-polaris-a100-4gpu-markdown-pipes.txt", "0-7,32-39", "0"},
                                          {"028-h100-4gpu-nv6-4nic-snc.txt", "5,13,21,29", "5"},
                                          {"033-a100-2gpu-8nic-blank-affinity.txt", "", ""},
                                          {"049-gb200-4gpu-8nic-openshift.txt", "72-143", "1,18-33"}};
  for (const Affinity& a : expected) {
    INFO(a.file);
    const NodeTopology node = read_nvidia_smi_topo(file_text(captures() / a.file), a.file);
    CHECK(node.cpu_affinity.back() == a.cpu);
    CHECK(node.numa_affinity.back() == a.numa);
  }
}

TEST_CASE("the printed matrix of every real capture reads back equal") {
  if (skipped()) return;
  for (const Loads& expected : loading) {
    INFO(expected.file);
    NodeTopology node = read_nvidia_smi_topo(file_text(captures() / expected.file), expected.file);
    NodeTopology again = read_nvidia_smi_topo(to_smi_text(node), "again");
    node.warnings.clear();  // the printed matrix has NIC rows where the capture lacked them
    again.warnings.clear();
    CHECK(again == node);
  }
}
