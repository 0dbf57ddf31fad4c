// The rules by which Holistic Trace Analysis (facebookresearch/HolisticTraceAnalysis: hta/common/trace_file.py,
// trace_parser.py, trace.py, analyzers/breakdown_analysis.py) reads Kineto files, and what it would compute.
#include <catch2/catch.hpp>
#include <map>
#include <regex>
#include <set>

#include "analysis/trace/kineto_kernels.hpp"
#include "tests/analysis/trace/kineto_files.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

// Small enough to be quick: 4 stages of one layer, tensor and data parallel.
const Overrides small = {{"plan.gbs", "16"}, {"plan.vpp", "1"}, {"plan.schedule", "1f1b"}};

// Times have three decimals: nanoseconds.
std::int64_t nanoseconds(const Json& microseconds) { return std::llround(microseconds.get<double>() * 1000.0); }

struct Row {
  std::int64_t start = 0, end = 0;
  std::string name;
};
Row row(const Json& event) {
  const std::int64_t start = nanoseconds(event["ts"]);
  return {start, start + nanoseconds(event["dur"]), event["name"]};
}

// hta: "rows with stream >= 0 are the GPU's".
bool on_gpu(const Json& event) {
  return event["ph"] == "X" && event.contains("args") && event["args"].contains("stream") &&
         event["args"]["stream"].get<int>() >= 0;
}

std::vector<Row> steps_of(const Json& trace) {
  std::vector<Row> steps;
  for (const Json& event : trace["traceEvents"])
    if (event.value("cat", "") == "user_annotation" && event["name"].get<std::string>().starts_with("ProfilerStep"))
      steps.push_back(row(event));
  return steps;
}

// hta: joins kernels to launches on the correlation and keeps launches before the last step's start.
std::map<std::int64_t, Row> launches_of(const Json& trace) {
  std::map<std::int64_t, Row> launches;
  for (const Json& event : trace["traceEvents"])
    if (event.value("cat", "") == "cuda_runtime") {
      const bool added = launches.emplace(event["args"]["correlation"], row(event)).second;
      REQUIRE(added);
    }
  return launches;
}

// Length of the union of intervals.
std::int64_t covered(std::vector<Row> rows) {
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.start < b.start; });
  std::int64_t sum = 0, end = 0;
  for (const Row& r : rows) {
    sum += std::max<std::int64_t>(0, r.end - std::max(r.start, end));
    end = std::max(end, r.end);
  }
  return sum;
}

void check_streams_are_serial(const Json& trace) {
  std::map<std::int64_t, std::vector<Row>> by_stream;
  for (const Json& event : trace["traceEvents"])
    if (on_gpu(event)) {
      CHECK(event["tid"] == event["args"]["stream"]);
      by_stream[event["tid"].get<std::int64_t>()].push_back(row(event));
    }
  REQUIRE_FALSE(by_stream.empty());
  for (auto& [stream, rows] : by_stream) {
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.start < b.start; });
    std::size_t overlaps = 0;
    for (std::size_t i = 1; i < rows.size(); ++i) overlaps += rows[i].start < rows[i - 1].end ? 1 : 0;
    INFO("stream " << stream);
    CHECK(overlaps == 0);
  }
}

}  // namespace

TEST_CASE("HTA finds the rank of every file line by line") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  for (const int rank : {0, 5, 63}) {
    std::istringstream lines(kineto_text(s, rank));
    std::smatch match;
    bool before_events = true;
    for (std::string line; match.empty() && std::getline(lines, line);) {
      before_events = before_events && line.find("traceEvents") == std::string::npos;
      if (std::regex_search(line, match, std::regex(R"-("rank":\s+(\d+))-"))) CHECK(match[1] == std::to_string(rank));
    }
    CHECK_FALSE(match.empty());
    CHECK(before_events);
  }
}

TEST_CASE("HTA keeps every kernel: launches are unique, before their kernels and inside a step that is not the last") {
  constexpr int repeated = 3;
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const Json trace = Json::parse(kineto_text(s, 17, repeated));
  const std::vector<Row> steps = steps_of(trace);
  REQUIRE(steps.size() == repeated + 1);
  for (int i = 0; i < repeated; ++i) {
    const auto at = static_cast<std::size_t>(i);
    CHECK(steps[at].name == "ProfilerStep#" + std::to_string(i));
    CHECK(steps[at].end == steps[at + 1].start);
    CHECK(steps[at].end - steps[at].start == std::llround(s.step.result.step_time.value * 1e9));
  }
  const std::map<std::int64_t, Row> launches = launches_of(trace);
  std::map<int, int> kernels_of_step;
  std::size_t kernels = 0, late = 0;
  for (const Json& event : trace["traceEvents"]) {
    if (!on_gpu(event)) continue;
    ++kernels;
    const auto launch = launches.find(event["args"]["correlation"].get<std::int64_t>());
    REQUIRE(launch != launches.end());
    late += launch->second.end > row(event).start ? 1 : 0;
    for (int i = 0; i < repeated; ++i)
      if (const Row& step = steps[static_cast<std::size_t>(i)];
          launch->second.start >= step.start && launch->second.end <= step.end)
        ++kernels_of_step[i];
  }
  const std::size_t of_one_step = simulated_kernels(s.step, shown(s, 17).list).size();
  CHECK(kernels == repeated * of_one_step);
  CHECK(launches.size() == kernels);
  CHECK(late == 0);
  for (int i = 0; i < repeated; ++i) CHECK(kernels_of_step[i] == static_cast<int>(of_one_step));
}

TEST_CASE("launches and passes nest on their thread: Perfetto drops what overlaps without nesting") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const Json trace = Json::parse(kineto_text(s, 0, 2));
  std::vector<Row> open;
  std::vector<Row> rows;
  for (const Json& event : trace["traceEvents"])
    if (event["ph"] == "X" && event["pid"] == 10000 && event["tid"] == 10000) rows.push_back(row(event));
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.start < b.start; });
  std::size_t crossing = 0;
  for (const Row& r : rows) {
    while (!open.empty() && open.back().end <= r.start) open.pop_back();
    crossing += !open.empty() && r.end > open.back().end ? 1 : 0;
    open.push_back(r);
  }
  CHECK(rows.size() > 1000);
  CHECK(crossing == 0);
}

TEST_CASE("streams are strictly serial in whole nanoseconds") {
  check_streams_are_serial(Json::parse(kineto_text(simulated("llama3-70b-64xh100", small), 16, 2)));
  check_streams_are_serial(Json::parse(kineto_text(simulated("llama3-8b-64xh100-fsdp2"), 3, 2)));
}

TEST_CASE("streams stay serial over steps that overlap, as those of zero-bubble schedules do") {
  const Simulated s =
      simulated("llama3-70b-64xh100", {{"plan.gbs", "16"}, {"plan.vpp", "1"}, {"plan.schedule", "zb-h1"}});
  REQUIRE(s.step.program.steps_overlap);
  for (const int rank : {0, 16, 48}) check_streams_are_serial(Json::parse(kineto_text(s, rank, 3)));
}

TEST_CASE("HTA's temporal breakdown and overlap are the simulator's") {
  const Simulated s = simulated("llama3-8b-64xh100-fsdp2");
  REQUIRE(s.step.program.kinds.size() == 1);  // one stage: its rank is the average rank
  const Json trace = Json::parse(kineto_text(s, 0));
  std::vector<Row> communication, compute, all;
  for (const Json& event : trace["traceEvents"]) {
    if (!on_gpu(event)) continue;
    const Row r = row(event);
    const bool memory = r.name.starts_with("Memcpy") || r.name.starts_with("Memset");
    if (memory) continue;
    (r.name.starts_with("nccl") ? communication : compute).push_back(r);
    all.push_back(r);
  }
  const auto seconds = [](std::int64_t ns) { return static_cast<double>(ns) * 1e-9; };
  // Every end of a kernel is rounded to a nanosecond.
  const double rounding = 1e-9 * static_cast<double>(all.size());
  const Breakdown& b = s.step.result.breakdown;
  CHECK(seconds(covered(compute)) == Approx((b.compute + b.optimizer).value).margin(rounding));
  CHECK(seconds(covered(all) - covered(compute)) == Approx(b.exposed_dp.value).margin(rounding));
  double busy = 0;
  for (const CommunicationLine& line : s.step.result.communication) busy += line.busy.value;
  double nccl = 0;
  for (const Row& r : communication) nccl += seconds(r.end - r.start);
  CHECK(nccl == Approx(busy).margin(rounding));
}

TEST_CASE("GEMM, attention and memory-bound kernels sum to the simulator's split of compute") {
  const Simulated s = simulated("llama3-8b-64xh100-fsdp2");
  const GpuActivity activity = simulated_activity(s.step, 0);
  const auto busy = [&](WorkCategory c) { return activity.works[code_of({c})].busy.value; };
  const double rounding = 1e-9 * static_cast<double>(simulated_kernels(s.step, 0).size());
  // Operators are priced with what communication beside them costs, so that none is left over but the rest of FSDP's.
  const ComputeSplit& split = s.step.result.compute;
  CHECK(busy(WorkCategory::gemm) == Approx(split.gemm.value).margin(rounding));
  CHECK(busy(WorkCategory::attention) == Approx(split.attention.value).margin(rounding));
  CHECK(busy(WorkCategory::memory_bound) == Approx(split.memory_bound.value).margin(rounding));
  CHECK(busy(WorkCategory::other) == Approx(split.contention.value).margin(rounding));
}
