// The CUDA microbenchmarks as far as a machine without a GPU can tell: what they share with the readers of their
// output, how several processes find each other, and that a program builds with nvcc alone and fails well.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "analysis/calibration/microbench/nccl_table.hpp"
#include "analysis/calibration/nccl_log.hpp"
#include "tests/support/process.hpp"

namespace trainyard::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using microbench::Collective;
using microbench::ElementCounts;

const std::string folder = std::string(TRAINYARD_SOURCE_DIR) + "/analysis/calibration/microbench";

class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name)
      : path_(fs::temp_directory_path() / fmt::format("trainyard_microbench_{}_{}", name, getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

TEST_CASE("a collective's elements are counted as nccl-tests counts them") {
  using microbench::element_counts;
  // 1 MiB of floats on 8 ranks: 262144 elements, a share is 32768.
  CHECK(element_counts(Collective::all_reduce, 1 << 20, 4, 8) == ElementCounts{262144, 262144, 262144});
  CHECK(element_counts(Collective::all_gather, 1 << 20, 4, 8) == ElementCounts{32768, 262144, 32768});
  CHECK(element_counts(Collective::reduce_scatter, 1 << 20, 4, 8) == ElementCounts{262144, 32768, 32768});
  CHECK(element_counts(Collective::alltoall, 1 << 20, 4, 8) == ElementCounts{262144, 262144, 32768});
  // 1000 bytes are 250 floats; 250 / 8 = 31 is rounded down to 28, a multiple of 16 bytes.
  CHECK(element_counts(Collective::all_gather, 1000, 4, 8) == ElementCounts{28, 224, 28});
  CHECK(element_counts(Collective::all_gather, 64, 4, 8) == ElementCounts{0, 0, 0});
  CHECK(microbench::message_bytes({28, 224, 28}, 4) == 896);
}

TEST_CASE("bus bandwidth relates to algorithm bandwidth as nccl-tests defines it") {
  CHECK(microbench::bus_bandwidth_factor(Collective::all_reduce, 8) == Approx(1.75));
  for (const Collective c : {Collective::all_gather, Collective::reduce_scatter, Collective::alltoall}) {
    CHECK(microbench::bus_bandwidth_factor(c, 8) == Approx(0.875));
    CHECK(microbench::bus_bandwidth_factor(c, 1) == 0);
  }
  CHECK(microbench::bus_bandwidth_factor(Collective::broadcast, 8) == 1);
  CHECK(microbench::bus_bandwidth_factor(Collective::sendrecv, 2) == 1);
}

TEST_CASE("a column keeps as many decimals as its width holds") {
  using microbench::column_number;
  CHECK(column_number(0, 7) == "   0.00");
  CHECK(column_number(13.672, 7) == "  13.67");
  CHECK(column_number(1211.234, 7) == "1211.23");
  CHECK(column_number(18790.04, 7) == "18790.0");
  CHECK(column_number(187904, 7) == " 187904");
  CHECK(column_number(12345678, 7) == "1.2e+07");
  CHECK(column_number(455.88, 6) == "455.88");
  CHECK(column_number(1234.56, 6) == "1234.6");
}

TEST_CASE("a row of the table stands in the columns of nccl-tests") {
  // 1 MiB all-reduced by 8 ranks in 40 us: 1048576 B / 40 us = 26.21 GB/s, times 1.75 = 45.88; in 50 us 20.97
  // and 36.70.
  const ElementCounts counts{262144, 262144, 262144};
  CHECK(microbench::table_row({Collective::all_reduce, counts, 4, "float", "sum", 8}, {40e-6, 0}, {50e-6, 3}) ==
        "     1048576        262144     float     sum      -1    40.00   26.21   45.88       0    50.00   20.97   36.70"
        "       3");
  // The result in place is not defined: N/A. 1048576 B / 40 us times 7/8 = 22.94.
  CHECK(microbench::table_row({Collective::alltoall, {262144, 262144, 32768}, 4, "float", "sum", 8}, {40e-6, 0},
                              {40e-6, {}}) ==
        "     1048576         32768     float    none      -1    40.00   26.21   22.94       0    40.00   26.21   22.94"
        "     N/A");
}

std::string log_of(Collective collective, const std::string& rows) {
  std::string log = fmt::format(
      "# trainyard microbench nccl_collectives\n# collective: {}\n# device: NVIDIA H200\n# driver: 580.65.06\n"
      "# nccl: 2.28.9\n# date: 2026-11-22T10:00:00Z\n{}\n#\n# Using devices\n",
      microbench::collective_name(collective), microbench::settings_line({1, 1024, 1 << 20, 2, 5, 20, true}));
  for (int rank = 0; rank < 4; ++rank)
    log += microbench::device_line({rank, 100 + rank, rank < 2 ? "one" : "two", rank % 2, 0, 0x1b, 0, "NVIDIA H200"}) +
           "\n";
  return log + microbench::table_header() + rows + microbench::table_footer(0, 12.5);
}

TEST_CASE("what the collectives program prints is read as nccl-tests' output is") {
  const ElementCounts counts{262144, 262144, 65536};
  const std::string row =
      microbench::table_row({Collective::alltoall, counts, 4, "float", "sum", 4}, {40e-6, 0}, {50e-6, {}});
  const ElementCounts whole{262144, 262144, 262144};
  const std::string other =
      microbench::table_row({Collective::broadcast, whole, 4, "float", "sum", 4}, {60e-6, 0}, {70e-6, 0});
  const Measurements all =
      read_nccl_log(log_of(Collective::alltoall, row + "\n") + log_of(Collective::broadcast, other + "\n"), "mine.txt",
                    MeasurementChoices{});
  REQUIRE(all.collectives.size() == 4);
  CHECK(all.collectives[0].kind == CollectiveKind::all_to_all);
  CHECK(all.collectives[2].kind == CollectiveKind::broadcast);
  CHECK(all.collectives[0].device == "NVIDIA H200");
  CHECK(all.collectives[0].nccl == "2.28.9");
  CHECK(all.collectives[0].ranks == 4);
  CHECK(all.collectives[0].nodes == 2);
  CHECK(all.collectives[0].size == Bytes(1048576));
  CHECK(all.collectives[0].time.value == Approx(40e-6));
  CHECK(all.collectives[1].time.value == Approx(50e-6));
  CHECK(all.collectives[3].in_place);
  CHECK(all.collectives[3].time.value == Approx(70e-6));
  REQUIRE(all.machines.size() == 1);
  CHECK(all.machines[0].driver == "580.65.06");
}

// The path of a program, empty if there is none.
std::string find_program(const std::string& name, const std::vector<std::string>& more_folders = {}) {
  std::vector<std::string> folders = more_folders;
  const char* path = std::getenv("PATH");
  std::istringstream entries(path == nullptr ? "" : path);
  for (std::string entry; std::getline(entries, entry, ':');) folders.push_back(entry);
  for (const std::string& candidate : folders)
    if (access((candidate + "/" + name).c_str(), X_OK) == 0) return candidate + "/" + name;
  return {};
}

const std::vector<std::string> no_gpu = {"CUDA_VISIBLE_DEVICES="};

TEST_CASE("a microbenchmark builds with nvcc alone and says what is wrong") {
  const std::string nvcc = find_program("nvcc", {"/usr/local/cuda/bin"});
  if (nvcc.empty()) {
    WARN("skipped: nvcc was not found");
    return;
  }
  const TemporaryFolder built("nvcc");
  const std::string program = built / "host_copy";
  const ProcessResult build = run_process(
      {nvcc, "-std=c++17", "-O1", "-arch=sm_80", folder + "/host_copy.cu", "-o", program}, {{}, no_gpu, {}});
  INFO(build.err);
  REQUIRE(build.exit_code == 0);

  const ProcessResult run = run_process({program}, {{}, no_gpu, {}});
  CHECK(run.exit_code == 1);
  CHECK_THAT(run.err, Contains("no CUDA device"));
  CHECK(run.out.empty());
  const ProcessResult help = run_process({program, "--help"}, {{}, no_gpu, {}});
  CHECK(help.exit_code == 0);
  CHECK_THAT(help.out, Contains("example: ") && Contains("--max-bytes"));
  const std::vector<std::vector<std::string>> wrong = {{"--no-such-option"},
                                                       {"--max-bytes"},
                                                       {"--max-bytes", "nan"},
                                                       {"--max-bytes", "-1"},
                                                       {"--max-bytes", "99999999999999999999"},
                                                       {"--max-bytes", "1K", "--min-bytes", "2K"}};
  for (const std::vector<std::string>& options : wrong) {
    std::vector<std::string> command = {program};
    command.insert(command.end(), options.begin(), options.end());
    const ProcessResult refused = run_process(command, {{}, no_gpu, {}});
    INFO(fmt::format("{}", fmt::join(options, " ")));
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Contains(options.front()));
  }
}

TEST_CASE("the PyTorch benchmark ends well without torch and without a GPU") {
  const std::string python = find_program("python3");
  if (python.empty()) {
    WARN("skipped: python3 was not found");
    return;
  }
  const std::string script = folder + "/attention_sdpa.py";
  const bool torch = run_process({python, "-c", "import torch"}, {{}, no_gpu, {}}).exit_code == 0;
  const ProcessResult run = run_process({python, script}, {{}, no_gpu, {}});
  CHECK(run.exit_code == (torch ? 1 : 0));
  CHECK_THAT(run.err, Contains(torch ? "no CUDA device" : "torch is not installed: skipped"));
  CHECK(run.out.empty());
  CHECK(run_process({python, script, "--help"}).exit_code == 0);
  CHECK(run_process({python, script, "--lengths", "0"}).exit_code == 2);
  CHECK(run_process({python, script, "--heads", "6", "--kv-heads", "4"}).exit_code == 2);
}

void write_program(const std::string& path, const std::string& body) {
  std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
  chmod(path.c_str(), 0755);
}

TEST_CASE("run_all.sh keeps each program's output and names the next command") {
  const TemporaryFolder place("run all");  // a space, so that quoting shows
  write_program(place / "microbench_gemm", R"(echo "{\"arguments\":\"$*\"}")");
  write_program(place / "microbench_memory", "echo first; exit 1");
  const std::string script = folder + "/run_all.sh";
  const std::string bin = fs::path(place / "x").parent_path().string();
  const ProcessResult good = run_process({"/bin/bash", script, "--quick", "--bin", bin, "--only", "gemm", place / "a"});
  INFO(good.err);
  CHECK(good.exit_code == 0);
  CHECK_THAT(good.out, Contains("trainyard calibrate") && Contains("gemm.jsonl") && Contains("-o mine.yaml"));
  std::ifstream result(place / "a/gemm.jsonl");
  std::string line;
  CHECK(std::getline(result, line));
  CHECK(line == R"({"arguments":"--quick"})");

  const ProcessResult bad = run_process({"/bin/bash", script, "--bin", bin, "--only", "gemm,memory", place / "b"});
  CHECK(bad.exit_code == 1);
  CHECK(fs::exists(place / "b/gemm.jsonl"));
  CHECK_FALSE(fs::exists(place / "b/memory.jsonl"));
  CHECK(fs::exists(place / "b/memory.jsonl.part"));
  CHECK_THAT(bad.out, !Contains("memory"));
}

TEST_CASE("run_all.sh refuses what it does not know") {
  const std::string script = folder + "/run_all.sh";
  CHECK(run_process({"/bin/bash", script, "--help"}).exit_code == 0);
  CHECK(run_process({"/bin/bash", script, "--fast"}).exit_code == 2);
  CHECK(run_process({"/bin/bash", script, "--only", "gemm,nothing"}).exit_code == 2);
  CHECK(run_process({"/bin/bash", script, "one", "two"}).exit_code == 2);
}

}  // namespace
}  // namespace trainyard::testing
