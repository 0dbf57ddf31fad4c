// Laws of the reader: it never guesses, never crashes, and damage never passes for another machine.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <random>

#include "sim/base/scenario_files.hpp"
#include "tests/topology/topology_words.hpp"

using namespace trainyard;

namespace {

std::vector<std::string> preset_matrices() {
  std::vector<std::string> texts;
  const std::filesystem::path folder = std::filesystem::path(TRAINYARD_SOURCE_DIR) / "scenarios/topologies";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) texts.push_back(file_text(entry.path()));
  std::sort(texts.begin(), texts.end());
  return texts;
}

// The matrix alone, without comments and legends.
std::string matrix_of(const std::string& text) {
  const NodeTopology node = read_nvidia_smi_topo(text, "preset");
  const std::string printed = to_smi_text(node);
  return printed.substr(0, printed.find("\nLegend"));
}

// The same devices in another order, written down in that order.
NodeTopology permuted(const NodeTopology& node, const std::vector<std::size_t>& gpu_order) {
  NodeTopology out = node;
  std::vector<std::size_t> order = gpu_order;
  for (std::size_t nic = 0; nic < node.nics.size(); ++nic) order.push_back(node.gpus.size() + nic);
  for (std::size_t i = 0; i < order.size(); ++i)
    for (std::size_t j = 0; j < order.size(); ++j) out.relations[i][j] = node.relations[order[i]][order[j]];
  for (std::size_t i = 0; i < gpu_order.size(); ++i) {
    out.cpu_affinity[i] = node.cpu_affinity[gpu_order[i]];
    out.numa_affinity[i] = node.numa_affinity[gpu_order[i]];
  }
  return out;
}

}  // namespace

TEST_CASE("a permuted matrix reads back as the permuted machine") {
  std::mt19937 random(7);
  for (const std::string& text : preset_matrices()) {
    const NodeTopology node = read_nvidia_smi_topo(text, "preset");
    std::vector<std::size_t> order(node.gpus.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    NodeTopology wanted = permuted(node, order);
    NodeTopology found = read_nvidia_smi_topo(to_smi_text(wanted), "permuted");
    wanted.warnings.clear();
    found.warnings.clear();
    CHECK(found == wanted);
  }
}

TEST_CASE("one damaged character is an error or changes no relation") {
  std::mt19937 random(11);
  const std::string characters = "XNVPIBHODESYC0123456789 \t\n|,-_.:#\"\\uGa\x1b[";
  std::vector<std::string> texts = preset_matrices();
  std::size_t refused = 0;
  for (const std::string& text : texts) {
    const std::string matrix = matrix_of(text);
    const NodeTopology whole = read_nvidia_smi_topo(matrix, "whole");
    for (int trial = 0; trial < 400; ++trial) {
      std::string damaged = matrix;
      const std::size_t at = std::uniform_int_distribution<std::size_t>(0, matrix.size() - 1)(random);
      damaged[at] = characters[std::uniform_int_distribution<std::size_t>(0, characters.size() - 1)(random)];
      try {
        const NodeTopology node = read_nvidia_smi_topo(damaged, "damaged");
        INFO(damaged);
        CHECK(node.relations == whole.relations);
        CHECK(node.gpus == whole.gpus);
      } catch (const InputError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > texts.size() * 40);
}

TEST_CASE("a matrix cut at any character is an error or the whole matrix, but for missing NIC rows") {
  for (const std::string& text : preset_matrices()) {
    const std::string matrix = matrix_of(text);
    const NodeTopology whole = read_nvidia_smi_topo(matrix, "whole");
    for (std::size_t length = 0; length < matrix.size(); length += 7) {
      try {
        const NodeTopology node = read_nvidia_smi_topo(matrix.substr(0, length), "cut");
        CHECK(node.gpus == whole.gpus);
        for (std::size_t gpu = 0; gpu < node.gpus.size(); ++gpu) CHECK(node.relations[gpu] == whole.relations[gpu]);
      } catch (const InputError&) {
      }
    }
  }
}

TEST_CASE("junk neither crashes nor hangs the reader") {
  std::mt19937 random(13);
  const std::vector<std::string> pieces = {"GPU0",
                                           "GPU1",
                                           "GPU",
                                           "NIC0",
                                           "X",
                                           " X ",
                                           "NV18",
                                           "NV",
                                           "PIX",
                                           "SYS",
                                           "SOC",
                                           "OK",
                                           "NS",
                                           "\t",
                                           "\n",
                                           " ",
                                           "|",
                                           "---",
                                           "\x1b[4m",
                                           "\x1b",
                                           "[",
                                           "\\t",
                                           "\\n",
                                           "\\u001b",
                                           "\"",
                                           "CPU Affinity",
                                           "NUMA",
                                           "0-55",
                                           "N/A",
                                           "mlx5_0",
                                           "Legend:",
                                           "=",
                                           "\xc3\xa9",
                                           "\xff",
                                           "\r",
                                           "0:",
                                           "[1,0]<stdout>:",
                                           ",",
                                           "9999999999"};
  for (int trial = 0; trial < 3000; ++trial) {
    std::string junk;
    const int words = std::uniform_int_distribution<int>(0, 60)(random);
    for (int i = 0; i < words; ++i)
      junk += pieces[std::uniform_int_distribution<std::size_t>(0, pieces.size() - 1)(random)];
    try {
      const NodeTopology node = read_nvidia_smi_topo(junk, "junk");
      CHECK_FALSE(node.gpus.empty());
    } catch (const InputError&) {
    }
  }
  for (int trial = 0; trial < 300; ++trial) {
    std::string junk(std::uniform_int_distribution<std::size_t>(0, 400)(random), ' ');
    for (char& c : junk) c = static_cast<char>(std::uniform_int_distribution<int>(1, 255)(random));
    CHECK_NOTHROW(refusal(junk));
  }
}
