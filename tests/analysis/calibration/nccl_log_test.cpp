#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "analysis/calibration/nccl_log.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

const std::string columns =
    "#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw "
    "#wrong\n";

// Eight ranks: 2 * 7 / 8 = 1.75.  67108864 B / 324.7 us = 206.68 GB/s, * 1.75 = 361.7.
const std::string all_reduce_row =
    "    67108864      16777216     float     sum      -1    324.7  206.67  361.67      0    324.7  206.67  361.68     "
    " 0\n";
const std::string next_row =
    "   134217728      33554432     float     sum      -1    586.4  228.88  400.53      0    586.0  229.05  400.84     "
    " 0\n";

Measurements read(const std::string& text, const std::string& file = "x.txt", MeasurementChoices choices = {}) {
  return read_nccl_log(text, file, choices);
}

std::string refusal(const std::string& text, const std::string& file = "x.txt", MeasurementChoices choices = {}) {
  try {
    read(text, file, std::move(choices));
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}

std::string rank_line(int rank, const std::string& host, int device) {
  return fmt::format("#  Rank {:2} Group  0 Pid {} on {:>10} device {:2} [0000:19:00] NVIDIA H100 80GB HBM3\n", rank,
                     1000 + device, host, device);
}

}  // namespace

TEST_CASE("Both placements of a row become samples of nccl-tests' size") {
  const Measurements m = read(columns + all_reduce_row);
  REQUIRE(m.collectives.size() == 2);
  const CollectiveSample& s = m.collectives[0];
  CHECK(s.kind == CollectiveKind::all_reduce);
  CHECK(s.ranks == 8);  // 361.67 / 206.67 = 1.75 = 2 * 7 / 8
  CHECK(s.size == Bytes(67108864));
  CHECK(s.time.value == Approx(324.7e-6));
  CHECK(s.type == "float");
  CHECK_FALSE(s.in_place);
  CHECK(m.collectives[1].in_place);
  CHECK(s.where.line == 2);
}

TEST_CASE("The list of devices gives ranks, nodes and the GPU") {
  std::string text = "# Collective test starting: all_reduce_perf\n# Using devices\n";
  for (int r = 0; r < 8; ++r) text += rank_line(r, r < 4 ? "alpha" : "beta", r % 4);
  text += "NCCL version 2.26.2+cuda12.8\n" + columns + all_reduce_row;
  const Measurements m = read(text);
  CHECK(m.collectives.at(0).ranks == 8);
  CHECK(m.collectives.at(0).nodes == 2);
  CHECK(m.collectives.at(0).device == "NVIDIA H100 80GB HBM3");
  CHECK(m.collectives.at(0).nccl == "2.26.2");
  CHECK(m.machines.at(0).cuda == "12.8");
  CHECK(m.notes.empty());
}

TEST_CASE("A list with gaps gives nodes by the highest device") {
  const std::string text =
      "# Using devices\n" + rank_line(0, "alpha", 0) + "...\n" + rank_line(7, "beta", 3) + columns + all_reduce_row;
  CHECK(read(text).collectives.at(0).ranks == 8);
  CHECK(read(text).collectives.at(0).nodes == 2);  // 8 ranks, 4 devices each
}

TEST_CASE("Without a list the ranks are said to share one domain, and --nodes says otherwise") {
  const Measurements m = read(columns + all_reduce_row);
  CHECK(m.collectives.at(0).nodes == 1);
  REQUIRE(m.notes.size() == 1);
  CHECK_THAT(m.notes[0], Contains("x.txt:2") && Contains("--nodes"));
  MeasurementChoices two;
  two.nodes = 2;
  CHECK(read(columns + all_reduce_row, "x.txt", two).collectives.at(0).nodes == 2);
  CHECK(read(columns + all_reduce_row, "x.txt", two).notes.empty());
}

TEST_CASE("Prefixes, colours, foreign lines and gaps are no obstacle") {
  const std::string text =
      "```\n[1,0]<stdout>:" + columns + "[1,0]<stdout>:\x1b[32m" + all_reduce_row +
      "...\nhost:3442:3442 [0] NCCL INFO Launch mode Parallel\n0: " + next_row.substr(0, next_row.size() - 1) +
      "\r\n# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 12.5\n```\n";
  CHECK(read(text).collectives.size() == 4);
  CHECK(read("# " + all_reduce_row).collectives.size() == 2);
  CHECK(read("2025-01-01T00:00:00Z pod-0 " + all_reduce_row).collectives.size() == 2);
}

TEST_CASE("Tables of old versions have no reduction, no root and an error in place of a count") {
  // 7/8 * 258.0 = 225.75; the count is one rank's share, 2147483648 / 4 / 8.
  const std::string row =
      "  2147483648      67108864   float     8658.8  248.01  217.01  5e-07     8389.4  255.98  223.98    N/A\n";
  const Measurements m = read(row, "old-ag.txt");
  CHECK(m.collectives.at(0).kind == CollectiveKind::all_gather);
  CHECK(m.collectives.at(0).ranks == 8);
  CHECK(m.collectives.size() == 2);
}

TEST_CASE("Per-iteration columns and time stamps are skipped") {
  const std::string text =
      "# size count type redop root time algbw busbw #wrong i_min i_max i_p99 i_cv% time algbw busbw #wrong i_min "
      "i_max "
      "i_p99 i_cv% timestamp\n"
      " 67108864 16777216 float sum -1 324.7 206.67 361.67 0 320.0 330.0 329.0 0.5 324.7 206.67 361.68 0 320.1 330.1 "
      "329.1 "
      "0.6 2026-01-02 03:04:05\n";
  CHECK(read(text).collectives.at(1).time.value == Approx(324.7e-6));
}

TEST_CASE("Several tables in one file keep their own collective") {
  const std::string gather =
      "   67108864  2097152  float  none  -1  379.7  176.74  154.65  0  367.6  182.56  159.74  0\n";
  const std::string text = "$ ./all_reduce_perf -b 64M -g 8\n" + columns + all_reduce_row +
                           "# Avg bus bandwidth : 300\n" + "$ ./all_gather_perf -b 64M -g 8\n" + columns + gather;
  const Measurements m = read(text);
  REQUIRE(m.collectives.size() == 4);
  CHECK(m.collectives[1].kind == CollectiveKind::all_reduce);
  CHECK(m.collectives[2].kind == CollectiveKind::all_gather);
}

TEST_CASE("Which collective may stand after the table or in the file's name, and must stand somewhere") {
  const std::string row = "   67108864  2097152  float  none  -1  379.7  176.74  154.65  0  367.6  182.56  159.74  0\n";
  CHECK(read(row + "# Collective test concluded: alltoall_perf\n").collectives.at(0).kind ==
        CollectiveKind::all_to_all);
  CHECK(read(row, "runs/h100-all_gather.txt").collectives.at(0).kind == CollectiveKind::all_gather);
  CHECK_THAT(refusal(row), Contains("--operation"));
  MeasurementChoices said;
  said.operation = "alltoall";
  CHECK(read(row, "x.txt", said).collectives.at(0).kind == CollectiveKind::all_to_all);
  said.operation = "all_reduce";  // whose factor is not below 1
  CHECK_THAT(refusal(row, "x.txt", said), Contains("all-reduce"));
  said.operation = "all_redcue";
  CHECK_THAT(refusal(row, "x.txt", said), Contains("not known"));
}

TEST_CASE("Broadcast and send-receive need the number of ranks") {
  const std::string row =
      "  268435456      67108864     float     sum      -1   1423.3  188.60  188.60      0   1420.2  189.01  189.01    "
      "N/A\n";
  CHECK_THAT(refusal(row, "a-sendrecv.txt"), Contains("--ranks"));
  MeasurementChoices eight;
  eight.ranks = 8;
  CHECK(read(row, "a-sendrecv.txt", eight).collectives.at(0).kind == CollectiveKind::send_receive);
  CHECK(read(row, "a-sendrecv.txt", eight).collectives.at(0).ranks == 8);
  CHECK_THAT(refusal(columns + all_reduce_row, "x.txt", {.ranks = 4, .nodes = 0, .operation = {}, .device = {}}),
             Contains("8 ranks, not of 4"));
}

TEST_CASE("A first row that pays for first use is left out with a note, in its placement only") {
  const std::string slow =
      "           8             2     float     sum      -1    68.52    0.00    0.00      0    24.70    0.00    0.00   "
      "   0\n"
      "          16             4     float     sum      -1    24.96    0.00    0.00      0    24.93    0.00    0.00   "
      "   0\n";
  const Measurements m = read(slow + all_reduce_row);
  CHECK(m.collectives.size() == 5);
  CHECK_THAT(m.notes.at(0), Contains("x.txt:1") && Contains("68.52"));
}

TEST_CASE("Rows of size 0 are left out, and a table of nothing else is refused") {
  const std::string zero =
      "           0             0     float     sum      -1     0.30    0.00    0.00      0     0.26    0.00    0.00   "
      "   0\n";
  CHECK(read(zero + all_reduce_row).collectives.size() == 2);
  CHECK_THAT(refusal(zero), Contains("x.txt:1") && Contains("size 0"));
}

TEST_CASE("Wrong results are left out with a note") {
  const std::string row =
      "    67108864  16777216  float  sum  -1  324.7  206.67  361.67  12  324.7  206.67  361.68  0\n";
  const Measurements m = read(row);
  CHECK(m.collectives.size() == 1);
  CHECK_THAT(m.notes.at(0), Contains("wrong"));
}

TEST_CASE("Rows that are no measurement are refused with their line") {
  const auto row = [](const std::string& figures) {
    return columns + "  67108864 16777216 float sum -1 " + figures + "\n";
  };
  const auto [figures, what] = GENERATE(table<std::string, std::string>({
      {"XXXX XXX.XX XXX.XX 0 XXXX XXX.XX XXX.XX 0", "masked"},
      {"324.7 206.67 361.67 0 324.7 206.67", "the row is cut"},                     // ends after algbw
      {"324.7 206.67 361.67 0", "columns"},                                         // one placement only
      {"324.7 306.67 536.67 0 324.7 206.67 361.68 0", "not size / time"},           // 67.1 MB / 324.7 us = 206.7
      {"324.7 206.67 361.67 0 324.7 206.67 300.00 0", "factor of the rows above"},  // 1.75 before, 1.45 here
      {"nan 206.67 361.67 0 324.7 206.67 361.68 0", "not a measurement"},
      {"inf 206.67 361.67 0 324.7 206.67 361.68 0", "not a measurement"},
      {"-324.7 206.67 361.67 0 324.7 206.67 361.68 0", "not a measurement"},
      {"0 0 0 0 0 0 0 0", "the time is 0"},
      {"324.7 206.67 0.00 0 324.7 206.67 0.00 0", "one rank"},
      {"324.7 206.67 103.33 0 324.7 206.67 103.33 0", "says which collective"},  // half: no all-reduce has that
  }));
  CAPTURE(figures);
  CHECK_THAT(refusal(row(figures)), Contains(":2") && Contains(what));
}

TEST_CASE("Broken sizes and cut lines are refused") {
  CHECK_THAT(refusal("  -8 2 float sum -1 24.7 0.00 0.00 0 24.7 0.00 0.00 0\n"), Contains("not a measurement"));
  CHECK_THAT(refusal("  8.5 2 float sum -1 24.7 0.00 0.00 0 24.7 0.00 0.00 0\n"), Contains("whole"));
  CHECK_THAT(refusal("  1e300 2 float sum -1 24.7 0.00 0.00 0 24.7 0.00 0.00 0\n"), Contains("whole"));
  CHECK_THAT(refusal(all_reduce_row + "   134217728      3355"),
             Contains("x.txt:2") && Contains("ends after its size"));
  CHECK_THAT(refusal("nothing here\n"), Contains("holds no row"));
}

TEST_CASE("One rank, and a list that contradicts the figures, are refused") {
  const std::string list = "# Using devices\n" + rank_line(0, "alpha", 0);
  CHECK_THAT(refusal(list + columns + all_reduce_row), Contains("one rank"));
  CHECK_THAT(refusal(list + rank_line(1, "alpha", 1) + columns + all_reduce_row), Contains("over 2 ranks"));
}

TEST_CASE("Lists of more ranks than any machine has are refused") {
  const std::string list = rank_line(0, "alpha", 0) + rank_line(2147483647, "beta", 3);
  CHECK_THAT(refusal(list + columns + all_reduce_row), Contains("x.txt:4: its list of ranks is of 2147483648"));
  const std::string json =
      R"({"args":["all_reduce_perf"],"config":{"nthreads":1000000,"ngpus":1000000,"devices":[{"rank":0}]},
    "results":[{"size":1000000,"count":250000,"out_of_place":{"time":100,"alg_bw":10,"bus_bw":17.5}}]})";
  CHECK_THROWS_WITH(read_nccl_json(json, "x.json", {}), Contains("its list of ranks is of 1000000000000"));
}

TEST_CASE("Collectives of no training step are left out with a note") {
  const Measurements m = read(
      "./gather_perf -g 8\n   67108864  2097152  float  none  0  379.7  176.74  154.65  0  367.6  182.56  159.74  0\n");
  CHECK(m.collectives.empty());
  CHECK_THAT(m.notes.at(0), Contains("gather"));
}

TEST_CASE("The JSON of nccl-tests gives the same samples") {
  // As src/util.cu of nccl-tests 2.18 writes it; 16777216 B / 100 us = 167.77 GB/s, * 2 * 3 / 4 = 251.66.
  const std::string text =
      R"({"version":2,"start_time":"2026-01-02 03:04:05","args":["./build/all_reduce_perf","-J","x"],
    "env":[],"nccl_version":22903,"config":{"nthreads":1,"ngpus":4,"devices":[{"rank":0,"group":0,"pid":1,
    "hostname":"alpha","device":0,"device_hex":"0000:19:00","device_info":"NVIDIA H200"}]},
    "results":[{"size":16777216,"count":4194304,"type":"float","redop":"sum","root":"    -1",
    "out_of_place":{"time":100.000000,"alg_bw":167.772160,"bus_bw":251.658240,"nwrong":0.000000},
    "in_place":null,"actual_iterations":20,"experiment_name":"AllReduce"}],"end_time":"x"})";
  const Measurements m = read_nccl_json(text, "x.json", {});
  REQUIRE(m.collectives.size() == 1);
  CHECK(m.collectives[0].ranks == 4);
  CHECK(m.collectives[0].nodes == 1);
  CHECK(m.collectives[0].device == "NVIDIA H200");
  CHECK(m.collectives[0].nccl == "2.29.3");
  CHECK(m.collectives[0].time.value == Approx(100e-6));
}

TEST_CASE("JSON that is not nccl-tests' is refused") {
  for (const std::string text :
       {"{", "{}", "[]", R"({"results":[1]})", R"({"results":"x"})", R"({"results":[{"size":"8"}]})",
        R"({"results":[{"size":8,"count":2,"out_of_place":{"time":"nan","alg_bw":1,"bus_bw":1}}]})",
        R"({"args":5,"results":[{"size":8,"count":2}]})"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(read_nccl_json(text, "x.json", {}), InputError);
  }
}
