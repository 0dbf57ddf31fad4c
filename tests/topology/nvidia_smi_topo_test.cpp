#include "topology/nvidia_smi_topo.hpp"

#include <catch2/catch.hpp>

#include <sstream>

#include "tests/topology/topology_words.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

// Two bridged GPUs and a NIC, as nvidia-smi prints them.
const std::string plain =
    "\tGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\n"
    "GPU0\t X \tNV4\tPIX\t0-15\t0\t\tN/A\n"
    "GPU1\tNV4\t X \tPXB\t0-15\t0\t\tN/A\n"
    "NIC0\tPIX\tPXB\t X \t\t\t\t\n"
    "\n"
    "Legend:\n\n  X    = Self\n  NV#  = Connection traversing a bonded set of # NVLinks\n\n"
    "NIC Legend:\n\n  NIC0: mlx5_0\n";

NodeTopology read(const std::string& text) { return read_nvidia_smi_topo(text, "topo.txt"); }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}
std::string prefixed(const std::string& text, const std::string& prefix) {
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);) out += prefix + line + "\n";
  return out;
}

}  // namespace

TEST_CASE("a plain capture gives devices, relations, affinities and NIC names") {
  const NodeTopology node = read(plain);
  CHECK(node.gpus == std::vector<std::string>{"GPU0", "GPU1"});
  CHECK(node.nics == std::vector<std::string>{"NIC0"});
  CHECK(node.nic_names == std::vector<std::string>{"mlx5_0"});
  CHECK(cell(node, "GPU0", "GPU1") == "NV4");
  CHECK(cell(node, "NIC0", "GPU1") == "PXB");
  CHECK(node.cpu_affinity == std::vector<std::string>{"0-15", "0-15"});
  CHECK(node.numa_affinity == std::vector<std::string>{"0", "0"});
  CHECK(node.warnings.empty());
}

TEST_CASE("wrapping by terminals, logs, wikis and notebooks does not change what is read") {
  const NodeTopology node = read(plain);
  CHECK(read(replaced(plain, "\n", "\r\n")) == node);
  CHECK(read("\xef\xbb\xbf" + plain) == node);
  CHECK(read(replaced(plain, "GPU0\tGPU1\tNIC0\tCPU", "\x1b[4mGPU0\tGPU1\tNIC0\tCPU")) == node);
  CHECK(read(replaced(plain, "\tGPU0\tGPU1\tNIC0\tCPU", "\t[4mGPU0\tGPU1\tNIC0\tCPU")) == node);
  CHECK(read(prefixed(plain, "0: ")) == node);
  CHECK(read(prefixed(plain, "[1,0]<stdout>:")) == node);
  CHECK(read(prefixed(plain, "# ")) == node);
  CHECK(read(prefixed(plain, "> ")) == node);
  CHECK(read("Captured on node01:\n```\n" + plain + "```\nGPU0 looks fine.\n") == node);
  CHECK(read(replaced(plain, "\n", "\n\n")) == node);
  const std::string json = "{\"stdout\": \"" + replaced(replaced(plain, "\t", "\\t"), "\n", "\\n") + "\"}\n";
  CHECK(read(json) == node);
}

TEST_CASE("a markdown table reads as the matrix it shows, wherever its affinity columns stand") {
  const std::string table =
      "| CPU Affinity | | **GPU0** | **GPU1** | NUMA Affinity |\n"
      "|---|---|---|---|---|\n"
      "| 0-15 | **GPU0** | X | NV4 | 0 |\n"
      "| 16-31 | **GPU1** | NV4 | X | 1 |\n";
  const NodeTopology node = read(table);
  CHECK(cell(node, "GPU0", "GPU1") == "NV4");
  CHECK(node.cpu_affinity == std::vector<std::string>{"0-15", "16-31"});
  CHECK(node.numa_affinity == std::vector<std::string>{"0", "1"});
}

TEST_CASE("fused labels and cells are taken apart") {
  const NodeTopology node = read(
      "GPU0 GPU1 NIC8NIC9\n"
      "GPU0 X NODE NODEPXB\n"
      "GPU1 NODE X NODENODE\n"
      "NIC8 NODENODE X PIX\n"
      "NIC9 PXB NODE PIX X\n");
  CHECK(node.nics == std::vector<std::string>{"NIC8", "NIC9"});
  CHECK(cell(node, "GPU0", "NIC9") == "PXB");
}

TEST_CASE("a header may be wrapped or missing, a row may be wrapped") {
  CHECK(read("GPU0\nGPU1 CPU Affinity\nGPU0 X SYS 0-3\nGPU1 SYS X 4-7\n").cpu_affinity[1] == "4-7");
  CHECK(cell(read("GPU0 X PHB\nGPU1 PHB X\n"), "GPU0", "GPU1") == "PHB");
  CHECK(cell(read("GPU0 GPU1\nGPU0 X\nPHB\nGPU1 PHB X\n"), "GPU0", "GPU1") == "PHB");
  CHECK_THAT(refusal("GPU0 X PHB PIX\nGPU1 PHB X PIX\n"), Contains("no header line, and 2 rows of 3 cells"));
}

TEST_CASE("a topo -m matrix followed by a -p2p matrix is read, a lone -p2p matrix is not") {
  const std::string p2p = " \tGPU0\tGPU1\nGPU0\tX\tOK\nGPU1\tOK\tX\n";
  CHECK(read(plain + "\n" + p2p) == read(plain));
  CHECK(read(p2p + "\n" + plain) == read(plain));
  CHECK_THAT(refusal(p2p), Contains("topo -p2p"));
}

TEST_CASE("look-alikes are refused with what they are") {
  CHECK_THAT(refusal("+---+\n| NVIDIA-SMI 550.54 Driver Version: 550.54 CUDA Version: 12.4 |\n"),
             Contains("plain `nvidia-smi`"));
  CHECK_THAT(refusal("#       size  count  type  time  algbw  busbw\n  1024 256 float 12.1 0.08 0.15\n"),
             Contains("nccl-tests"));
  CHECK_THAT(refusal("00:01.0 PCI bridge: Intel Corporation\n"), Contains("lspci"));
  CHECK_THAT(refusal("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1234)\n"), Contains("nvidia-smi -L"));
  CHECK_THAT(refusal("<system version=\"1\"><cpu numaid=\"0\"/></system>"), Contains("NCCL topology XML"));
  CHECK_THAT(refusal(""), Contains("the file is empty"));
  CHECK_THAT(refusal(" \n\t\n"), Contains("the file is empty"));
  CHECK_THAT(refusal(std::string("\x7f"
                                 "ELF\0\1\2",
                                 7)),
             Contains("binary"));
  CHECK_THAT(refusal("\xff\xfeG\0P\0"), Contains("UTF-16"));
  CHECK_THAT(refusal("hello\nworld\n"), Contains("no topology matrix in 2 lines"));
  CHECK_THAT(refusal("\tGPU0\tGPU1\tCPU Affinity\n"), Contains("no row follows"));
}

TEST_CASE("a matrix without an NV# legend may be topo -mp and says so") {
  const NodeTopology node = read(
      "\tGPU0\tGPU1\nGPU0\t X \tPIX\nGPU1\tPIX\t X \n\nLegend:\n  PIX  = Connection traversing at most a single PCIe "
      "bridge\n");
  REQUIRE(node.warnings.size() == 1);
  CHECK_THAT(node.warnings[0], Contains("topo -mp"));
}

TEST_CASE("an unknown label names its row, column and place, and the known ones") {
  CHECK_THAT(refusal("\tGPU0\tGPU1\nGPU0\t X \tNV\nGPU1\tNV\t X \n"),
             Catch::StartsWith("topo.txt:2:10: row GPU0, column GPU1: 'NV' is no link label (known labels: X, NV#"));
  CHECK_THAT(refusal("\tGPU0\tGPU1\nGPU0\t X \tPIX\nGPU1\tFOO\t X \n"),
             Catch::StartsWith("topo.txt:3:6: row GPU1, column GPU0: 'FOO'"));
}

TEST_CASE("contradictions are refused at the cell that contradicts") {
  CHECK_THAT(refusal("GPU0 GPU1\nGPU0 X NV2\nGPU1 NV1 X\n"),
             Contains("topo.txt:3:6: row GPU1, column GPU0 says NV1, but row GPU0, column GPU1 says NV2"));
  CHECK_THAT(refusal("GPU0 GPU1\nGPU0 X X\nGPU1 SYS X\n"),
             Contains("topo.txt:2:8: row GPU0, column GPU1: X off the diagonal"));
  CHECK_THAT(refusal("GPU0 GPU1\nGPU0 SYS SYS\nGPU1 SYS X\n"),
             Contains("row GPU0, column GPU0: 'SYS' on the diagonal"));
  CHECK_THAT(refusal("GPU0 GPU1\nGPU0 X SYS\nGPU0 X SYS\n"), Contains("topo.txt:3:1: two rows are called GPU0"));
  CHECK_THAT(refusal("GPU0 GPU1 GPU1\nGPU0 X SYS SYS\n"), Contains("two columns are called GPU1"));
  CHECK_THAT(refusal("GPU0 GPU1\nGPU0 X NV0\nGPU1 NV0 X\n"), Contains("'NV0' is no plausible number of NVLinks"));
  CHECK_THAT(refusal("GPU0 GPU1\nGPU0 X NV99999999999\nGPU1 NV0 X\n"), Contains("no link label"));
  CHECK_THAT(refusal("GPU0 GPU1\nGPU0 X NV400\nGPU1 NV400 X\n"), Contains("no plausible number"));
  CHECK_THAT(refusal("GPU0 NIC0\nGPU0 X NV4\nNIC0 NV4 X\n"), Contains("NVLink to a NIC"));
  CHECK_THAT(refusal(plain + "\n" + replaced(plain, "NV4", "NV2")), Contains("a second, different topology matrix"));
}

TEST_CASE("a capture that is cut is refused, wherever it is cut") {
  CHECK_THAT(refusal("GPU0 GPU1\nGPU0 X SYS\n"), Contains("topo.txt:2:1: GPU1 has a column but no row"));
  CHECK_THAT(refusal("GPU0 GPU1\nGPU0 X SYS\nGPU1 SYS\n"),
             Contains("row GPU1 ends after 1 of 2 cells, before column GPU1"));
  CHECK_THAT(refusal("GPU0 GPU1 NIC0 NIC1\nGPU0 X SYS PIX SYS\nGPU1 SYS X SYS PIX\nNIC0 PIX SYS X SYS\n"),
             Contains("NIC1 has a column but no row"));
}

TEST_CASE("a degraded node loads and says what it means") {
  const NodeTopology node = read(
      "GPU0 GPU1 GPU2 GPU3\nGPU0 X NV18 NODE NV18\nGPU1 NV18 X NODE NV18\nGPU2 NODE NODE X NODE\nGPU3 NV18 NV18 NODE "
      "X\n");
  REQUIRE(node.warnings.size() == 1);
  CHECK_THAT(node.warnings[0],
             Contains("GPU2 has no NVLink while the other 3 GPUs have: every group with it falls back to PCIe"));
}

TEST_CASE("inputs of absurd size are refused at once") {
  std::string header;
  for (int i = 0; i < 100000; ++i) header += fmt::format("\tGPU{}", i);
  CHECK_THAT(refusal(header + "\nGPU0\tX\n"), Contains("more than 512 devices"));
  CHECK_THAT(refusal(std::string(10'000'000, 'X')), Contains("too many for a topology capture"));
  CHECK_THAT(refusal("GPU0 " + std::string(4'000'000, 'X')), Contains("no header line"));
  std::string rows;
  for (int i = 0; i < 100000; ++i) rows += fmt::format("GPU{} X SYS\n", i);
  CHECK_THAT(refusal(rows), Contains("more than 512 rows"));
}
