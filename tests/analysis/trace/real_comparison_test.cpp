// Predicted beside measured. The strongest test of writer and reader: files that the simulator wrote, compared with the
// step they were written from.
#include "analysis/trace/real_comparison.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "analysis/trace/kineto_kernels.hpp"
#include "sim/base/errors.hpp"
#include "tests/analysis/trace/kineto_files.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

const Overrides small = {{"plan.gbs", "16"}, {"plan.vpp", "1"}, {"plan.schedule", "1f1b"}};

class Folder : public TemporaryFolder {
 public:
  Folder() : TemporaryFolder("trainyard-real-comparison") {}
  std::string rank(int rank) const { return file("rank-" + std::to_string(rank) + ".json.gz"); }
};

void write(const Folder& folder, const Simulated& s, const std::string& ranks, int steps = 1) {
  write_kineto_traces(folder.path(), s.job, s.step, shown_ranks(ranks, s.step, "test"), steps);
}

// Nothing differs by more than the nanosecond's rounding of a double.
void check_equal(const RealComparison& c) {
  constexpr double rounding = 1e-12;
  REQUIRE(c.terms.size() > 4);
  for (const MeasuredTerm& term : c.terms) {
    INFO(term.key << " " << term.predicted.value << " " << term.measured.value);
    CHECK(std::abs(term.difference().value) < rounding);
  }
  for (const MeasuredCollective& line : c.collectives) {
    INFO(line.key);
    CHECK(std::abs((line.measured.busy - line.predicted.busy).value) < rounding);
    CHECK(line.measured.calls == line.predicted.calls);
    CHECK(line.predicted.calls > 0);
  }
  CHECK(c.largest == "no part of the step differs by more than a nanosecond");
}

RealComparison round_trip(const Simulated& s, int rank, int steps = 1) {
  const Folder folder;
  write(folder, s, std::to_string(rank), steps);
  return real_comparison(s.job, s.step, {measured_gpu(folder.rank(rank))});
}

const MeasuredTerm& term(const RealComparison& c, const std::string& key) {
  const MeasuredTerm* const found = c.term(key);
  INFO(key);
  REQUIRE(found != nullptr);
  return *found;
}

// A GPU that does what was predicted, but for what `change` does to it.
template <class Change>
MeasuredGpu measured_like(const Simulated& s, int rank, Change&& change) {
  MeasuredGpu gpu;
  gpu.trace.file = "own.json";
  gpu.trace.rank = rank;
  gpu.trace.steps = {{0, 1}};
  gpu.activity = simulated_activity(s.step, shown(s, rank).list);
  change(gpu.activity);
  return gpu;
}

}  // namespace

TEST_CASE("files that the simulator wrote compare equal with the step they are of") {
  check_equal(round_trip(simulated("llama3-70b-64xh100", small), 17));
  check_equal(round_trip(simulated("llama3-8b-64xh100-fsdp2"), 63));
  check_equal(round_trip(simulated("mixtral-8x7b-64xh100", {{"plan.gbs", "64"}}), 40));
  check_equal(round_trip(simulated("gpt3-175b-64xa100", {{"plan.gbs", "32"}}), 8));
}

TEST_CASE("they do so where experts are paired, and at block granularity") {
  check_equal(round_trip(simulated("deepseek-v3-2048xh200", {{"plan.gbs", "4096"}}), 2047));
  check_equal(round_trip(simulated("llama3-70b-64xh100", small, Granularity::block), 33));
  check_equal(round_trip(simulated("llama3-70b-64xh100", small, Granularity::layer), 0));
}

TEST_CASE("they do so where steps overlap, and where every rank is simulated") {
  check_equal(round_trip(
      simulated("llama3-70b-64xh100", {{"plan.gbs", "16"}, {"plan.vpp", "1"}, {"plan.schedule", "zb-h1"}}), 16));
  EngineChoice every_rank;
  every_rank.every_rank = true;
  check_equal(
      round_trip(simulated("mixtral-8x7b-64xh100", {{"plan.gbs", "64"}}, Granularity::operator_, every_rank), 9));
}

TEST_CASE("repeated steps are averaged to the one they repeat") {
  const RealComparison c = round_trip(simulated("llama3-70b-64xh100", small), 0, 4);
  CHECK(c.traces[0].steps.size() == 4);
  CHECK(c.traces[0].annotated_steps == 5);
  check_equal(c);
}

TEST_CASE("several ranks are compared as their mean") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const Folder folder;
  write(folder, s, "0,63");
  const RealComparison both =
      real_comparison(s.job, s.step, {measured_gpu(folder.rank(0)), measured_gpu(folder.rank(63))});
  check_equal(both);
  const double mean = (simulated_activity(s.step, shown(s, 0).list).compute.value +
                       simulated_activity(s.step, shown(s, 63).list).compute.value) /
                      2;
  CHECK(term(both, "compute").measured.value == Approx(mean));
}

TEST_CASE("a file of another rank does differ") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const Folder folder;
  write(folder, s, "0");
  MeasuredGpu first = measured_gpu(folder.rank(0));
  first.trace.rank = 63;  // the last stage, which computes the loss as well
  const RealComparison c = real_comparison(s.job, s.step, {first});
  CHECK(std::abs(term(c, "gemm").difference().value) > 1e-3);
}

TEST_CASE("the largest difference is named, with its size") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const WorkCode gather = code_of({WorkCategory::collective, CollectiveKind::all_gather, Axis::tp});
  const RealComparison c = real_comparison(s.job, s.step, {measured_like(s, 0, [&](GpuActivity& a) {
                                             a.works[gather].exposed += Seconds(0.030);
                                             a.exposed_collectives += Seconds(0.030);
                                             a.works[code_of({WorkCategory::gemm})].busy += Seconds(0.020);
                                             a.step += Seconds(0.050);
                                           })});
  CHECK(c.largest.find("exposed tp all-gather: 30") != std::string::npos);
  CHECK(c.largest.find("more than predicted (+") != std::string::npos);
  const RealComparison less =
      real_comparison(s.job, s.step, {measured_like(s, 0, [](GpuActivity& a) { a.idle -= Seconds(0.005); })});
  CHECK(less.largest.find("idle: 5") != std::string::npos);
  CHECK(less.largest.find("less than predicted (−") != std::string::npos);
}

TEST_CASE("parts of the step sum to it on both sides") {
  const Simulated s = simulated("mixtral-8x7b-64xh100", {{"plan.gbs", "64"}});
  const RealComparison c = round_trip(s, 3);
  double parts = 0, exposed = 0;
  for (const MeasuredTerm& t : c.terms) {
    if (t.level == 1) parts += t.predicted.value;
    if (t.level == 2 && t.key.starts_with("exposed_")) exposed += t.predicted.value;
  }
  CHECK(parts == Approx(term(c, "step_time").predicted.value));
  CHECK(exposed == Approx(term(c, "exposed_communication").predicted.value));
  CHECK(term(c, "step_time").predicted.value == Approx(s.step.result.step_time.value));
}

TEST_CASE("collectives whose group the trace leaves open are compared by kind") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const WorkCode by_tp = code_of({WorkCategory::collective, CollectiveKind::all_gather, Axis::tp}),
                 by_dp = code_of({WorkCategory::collective, CollectiveKind::all_gather, Axis::dp}),
                 open = code_of({WorkCategory::collective, CollectiveKind::all_gather});
  const RealComparison c = real_comparison(s.job, s.step, {measured_like(s, 0, [&](GpuActivity& a) {
                                             for (const WorkCode code : {by_tp, by_dp}) {
                                               a.works[open].busy += a.works[code].busy;
                                               a.works[open].exposed += a.works[code].exposed;
                                               a.works[open].calls += a.works[code].calls;
                                               a.works[code] = {};
                                             }
                                           })});
  CHECK(c.term("exposed_tp_all_gather") == nullptr);
  CHECK(std::abs(term(c, "exposed_all_gather").difference().value) < 1e-12);
  CHECK(c.term("exposed_tp_reduce_scatter") != nullptr);
  CHECK(std::any_of(c.notes.begin(), c.notes.end(),
                    [](const std::string& note) { return note.find("by kind of collective") != std::string::npos; }));
}

TEST_CASE("a rank that the job does not have, or that two traces have, is refused by name") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const auto nothing = [](GpuActivity&) {};
  MeasuredGpu far = measured_like(s, 0, nothing);
  far.trace.rank = 64;
  CHECK_THROWS_WITH(real_comparison(s.job, s.step, {far}), Catch::Contains("own.json") && Catch::Contains("rank 64"));
  MeasuredGpu first = measured_like(s, 5, nothing), again = first;
  again.trace.file = "again.json";
  CHECK_THROWS_WITH(real_comparison(s.job, s.step, {first, again}),
                    Catch::Contains("again.json") && Catch::Contains("own.json"));
}

TEST_CASE("notes say what was assumed") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  MeasuredGpu gpu = measured_like(s, 0, [](GpuActivity&) {});
  gpu.trace.rank.reset();
  gpu.trace.world_size = 8;
  gpu.trace.devices = 2;
  gpu.trace.device = 1;
  gpu.trace.skipped_events = 3;
  gpu.trace.first_step_dropped = true;
  std::string notes;
  for (const std::string& note : real_comparison(s.job, s.step, {gpu}).notes) notes += note + "\n";
  for (const char* words : {"rank 0", "of 8 ranks, the scenario of 64", "2 GPUs", "3 GPU events", "warm-up"})
    CHECK_THAT(notes, Catch::Contains(words));
}

TEST_CASE("the text sets both sides in columns and lists kernels of unknown names") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  MeasuredGpu gpu = measured_like(s, 0, [](GpuActivity& a) { a.idle += Seconds(0.1); });
  gpu.trace.kernel_time = Seconds(1);
  gpu.trace.other_kernels = {{"a_kernel\x1b[31m_of_our_own", Seconds(0.25), 12}, {"rare", Seconds(1e-6), 1}};
  const RealComparison c = real_comparison(s.job, s.step, {gpu});
  const std::string text = real_comparison_text(c, {.colour = false, .width = 100, .unicode = true});
  for (const char* words : {"predicted", "measured", "step time", "GEMM", "tp all-gather", "25.0 %", "+100.0 ms",
                            "the largest difference is in idle", "spins while it waits"})
    CHECK_THAT(text, Catch::Contains(words));
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("rare") == std::string::npos);
}

TEST_CASE("the JSON has every term with its difference") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const RealComparison c =
      real_comparison(s.job, s.step, {measured_like(s, 0, [](GpuActivity& a) { a.idle += Seconds(0.1); })});
  const Json object = Json::parse(real_comparison_json(c));
  CHECK(object["scenario"] == s.job.name);
  REQUIRE(object["terms"].size() == c.terms.size());
  for (const Json& entry : object["terms"])
    CHECK(entry["difference_s"].get<double>() ==
          Approx(entry["measured_s"].get<double>() - entry["predicted_s"].get<double>()).margin(1e-15));
  CHECK(object["collectives"].size() == c.collectives.size());
  CHECK(object["largest"].get<std::string>().find("idle") != std::string::npos);
}
