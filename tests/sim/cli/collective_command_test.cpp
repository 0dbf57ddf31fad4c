// trainyard collective as a user of nccl-tests types it.
#include "sim/cli/collective_command.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <boost/program_options/errors.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/base/errors.hpp"

namespace trainyard::testing {
namespace {

using Catch::Contains;
using Words = std::vector<std::string>;
using nlohmann::json;

std::string run(Words args) {
  std::istringstream in;
  std::ostringstream out, err;
  CHECK(collective_command(args, in, out, err) == 0);
  return out.str();
}

// On one DGX H100 unless the arguments say otherwise.
Words on_dgx(Words args) {
  args.insert(args.end(), {"--cluster", "dgx-h100"});
  return args;
}
json run_json(Words args) {
  args.push_back("--json");
  return json::parse(run(on_dgx(std::move(args))));
}

std::string usage_error(Words args) {
  std::istringstream in;
  std::ostringstream out, err;
  try {
    collective_command(args, in, out, err);
  } catch (const boost::program_options::error& e) {
    CHECK(out.str().empty());
    return e.what();
  }
  return "no error";
}
std::string dgx_error(Words args) { return usage_error(on_dgx(std::move(args))); }

std::string input_error(Words args) {
  std::istringstream in;
  std::ostringstream out, err;
  try {
    collective_command(args, in, out, err);
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

class TopologyFile {
 public:
  explicit TopologyFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / fmt::format("trainyard_collective_{}.txt", getpid())) {
    std::ofstream(path_) << text;
  }
  ~TopologyFile() { std::filesystem::remove(path_); }
  TopologyFile(const TopologyFile&) = delete;
  TopologyFile& operator=(const TopologyFile&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST_CASE("the words of nccl-tests give its table") {
  const std::string text =
      run({"all_reduce", "--cluster", "dgx-h100", "--nodes", "2", "-b", "8", "-e", "8G", "-f", "2", "-g", "1"});
  CHECK_THAT(text, Contains("minBytes 8 maxBytes 8589934592 step: 2(factor)"));
  CHECK_THAT(text, Contains("\n           8             2     float     sum      -1  "));
  CHECK_THAT(text, Contains("\n  8589934592    2147483648     float     sum      -1  "));
  CHECK_THAT(text, Contains("\n# Avg bus bandwidth    : "));
  CHECK_THAT(text, Contains("#  Rank 15 Group  0 Pid      0 on     node-1 device  7 "));
}

TEST_CASE("a collective has the names of its programs, too") {
  for (const char* word : {"alltoall", "alltoall_perf", "./build/alltoall_perf", "all_to_all"})
    CHECK(run_json({word, "-b", "1M", "-e", "1M"})["collective"] == "alltoall");
}

TEST_CASE("the JSON has the rows that were asked for") {
  const json table = run_json({"all_gather", "-b", "1M", "-e", "4M", "-i", "1M", "-d", "bfloat16"});
  REQUIRE(table["rows"].size() == 4);
  CHECK(table["rows"][2]["bytes"] == 3145728);
  CHECK(table["rows"][2]["count"] == 3145728 / 8 / 2);
  CHECK(table["datatype"] == "bfloat16");
}

TEST_CASE("a factor of 1 steps by bytes, as in nccl-tests") {
  CHECK(run_json({"all_reduce", "-b", "1M", "-e", "3M", "-f", "1"})["rows"].size() == 3);
}

TEST_CASE("a smallest size above the default largest one is the only one") {
  CHECK(run_json({"all_reduce", "-b", "16G"})["rows"].size() == 1);
}

TEST_CASE("what is no collective is refused with the nearest one") {
  CHECK_THAT(dgx_error({"all_redcue"}), Contains("did you mean 'all_reduce'?"));
  CHECK_THAT(dgx_error({"gather"}), Contains("not modelled"));
  CHECK_THAT(dgx_error({""}), Contains("one of all_reduce"));
}

TEST_CASE("sizes that are none, or make no table, are refused") {
  for (const char* size : {"0", "nan", "inf", "8T", "", "1e300"})
    CHECK_THAT(dgx_error({"all_reduce", "-b", size}), Contains("--minbytes must be a size"));
  CHECK_THAT(dgx_error({"all_reduce", "-b", "2M", "-e", "1M"}), Contains("2097152 > 1048576"));
  CHECK_THAT(dgx_error({"all_reduce", "-i", "8"}), Contains("1073741824 rows"));
  CHECK_THAT(dgx_error({"all_reduce", "-f", "0"}), Contains("--stepfactor"));
  CHECK_THAT(dgx_error({"all_reduce", "-d", "fp32"}), Contains("--datatype must be one of float"));
}

TEST_CASE("communicators need two ranks each, all the same number") {
  CHECK_THAT(dgx_error({"all_reduce", "--gpus-per-node", "1"}), Contains("one rank communicates with nobody"));
  CHECK_THAT(dgx_error({"all_reduce", "--groups", "3"}), Contains("does not divide the 8 ranks"));
  CHECK_THAT(dgx_error({"all_reduce", "--groups", "8"}), Contains("at most 4 groups"));
  CHECK_THAT(dgx_error({"all_reduce", "--groups", "8", "--nodes", "131072"}), Contains("at most 65536 ranks"));
  CHECK_THAT(dgx_error({"all_reduce", "--groups", "-2"}), Contains("--groups must be a whole number"));
}

TEST_CASE("GPUs of a process are GPUs of a node, and more than it has are refused") {
  CHECK(run_json({"all_reduce", "-t", "2", "-g", "2", "-b", "1G"})["gpus_per_node"] == 4);
  CHECK(run_json({"all_reduce", "-g", "2", "--gpus-per-node", "6", "-b", "1G"})["gpus_per_node"] == 6);
  CHECK_THAT(dgx_error({"all_reduce", "-t", "8", "-g", "2"}), Contains("a node has 8 GPUs"));
  CHECK_THAT(dgx_error({"all_reduce", "-g", "4", "--gpus-per-node", "6"}), Contains("no multiple of the 4 GPUs"));
}

TEST_CASE("a cluster is needed, and a mistyped one is answered with the nearest") {
  CHECK_THAT(usage_error({"all_reduce"}), Contains("--cluster is missing"));
  CHECK_THAT(input_error({"all_reduce", "--cluster", "dgx-h10"}), Contains("did you mean 'dgx-h100'?"));
}

TEST_CASE("a cluster's values may be replaced, those of stragglers too") {
  const Words base = {"all_reduce", "--nodes", "2", "-b", "1G", "-e", "1G"};
  Words slow = base, broken = base;
  slow.insert(slow.end(), {"--set", "nics.bandwidth=100Gbps"});
  broken.insert(broken.end(), {"--set", "stragglers.links=[{node: 0, nic: 3, bandwidth: 0.1}]"});
  const double healthy = run_json(base)["rows"][0]["time_us"];
  CHECK(run_json(slow)["rows"][0]["time_us"].get<double>() > 2 * healthy);
  const json degraded = run_json(broken);
  CHECK(degraded["rows"][0]["time_us"].get<double>() > 2 * healthy);
  CHECK(degraded["rows"][0]["alone_time_us"].get<double>() == healthy);
  CHECK(degraded["links"][0]["health"].get<double>() == Approx(0.1));
  CHECK_THAT(input_error(on_dgx({"all_reduce", "--set", "plan.tp=8"})), Contains("unknown key 'plan'"));
}

TEST_CASE("a topology is a cluster once its GPU is named") {
  const TopologyFile topology("\tGPU0\tGPU1\nGPU0\t X \tNV4\nGPU1\tNV4\t X \n");
  const Words words = {"all_reduce", "--cluster", topology.path(), "-b", "1M", "-e", "1M"};
  CHECK_THAT(input_error(words), Contains("does not say which GPUs these are"));
  Words with_gpu = words, two_nodes = words;
  with_gpu.insert(with_gpu.end(), {"--set", "gpu=a100-sxm-80gb", "--json"});
  two_nodes.insert(two_nodes.end(), {"--set", "cluster.gpu=a100-sxm-80gb", "--nodes", "2"});
  CHECK(json::parse(run(with_gpu))["group_size"] == 2);
  CHECK_THAT(input_error(two_nodes), Contains("shows no NIC"));
}

TEST_CASE("the help shows the nccl-tests options and an example") {
  CHECK_THAT(run({"--help"}), Contains("--minbytes") && Contains("example:\n  trainyard collective all_reduce"));
}

}  // namespace
}  // namespace trainyard::testing
