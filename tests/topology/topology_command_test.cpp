#include "sim/cli/topology_command.hpp"

#include <catch2/catch.hpp>

#include <boost/program_options/errors.hpp>
#include <filesystem>
#include <sstream>

#include "tests/topology/topology_words.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {
std::string answer(const std::vector<std::string>& args, const std::string& input = {}) {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  CHECK(topology_command(args, in, out, err) == 0);
  CHECK(err.str().empty());
  return out.str();
}
const std::string pair = "GPU0 GPU1\nGPU0 X NV4\nGPU1 NV4 X\n";
}  // namespace

TEST_CASE("topology reads a capture from standard input") {
  CHECK_THAT(answer({"-"}, pair), Contains("stdin: 2 GPUs, 0 NICs"));
  CHECK_THAT(answer({"-", "--json"}, pair), Contains("\"NV4\""));
  CHECK_THAT(answer({"-", "--svg", "-"}, pair), Catch::StartsWith("<svg"));
}
TEST_CASE("topology takes presets, cluster files, XML and captures alike") {
  CHECK_THAT(answer({"dgx-h100"}), Contains("Fabric: rail-optimised"));
  const std::string scenarios = std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/";
  CHECK_THAT(answer({scenarios + "clusters/dgx-h100.yaml"}), Contains("Fabric: rail-optimised"));
  CHECK_THAT(answer({scenarios + "topologies/dgx-h100.txt"}), Contains("8 GPUs, 8 NICs"));
  CHECK_THAT(answer({"-"}, "<system><cpu><pci class=\"0x030200\"/></cpu></system>"), Contains("1 GPU, 0 NICs"));
}
TEST_CASE("topology's help ends with an example and its mistakes are usage errors") {
  CHECK_THAT(answer({"--help"}), Contains("usage: trainyard topology") &&
                                     Catch::EndsWith("trainyard topology dgx-h100 --svg dgx-h100.svg\n"));
  std::istringstream in;
  std::ostringstream out;
  CHECK_THROWS_AS(topology_command({}, in, out, out), boost::program_options::error);
  CHECK_THROWS_AS(topology_command({"-", "--jsn"}, in, out, out), boost::program_options::error);
  CHECK_THROWS_AS(topology_command({"-", "--svg"}, in, out, out), boost::program_options::error);
  CHECK_THROWS_AS(topology_command({"no-such-preset"}, in, out, out), InputError);
  CHECK_THROWS_AS(topology_command({"dgx-h100", "--svg", "/no/such/folder/x.svg"}, in, out, out), InputError);
}
