#include "analysis/trace/real_activity.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "analysis/trace/real_events.hpp"

using namespace trainyard;

namespace {

constexpr WorkCode gemm = 0, attention = 1, copies = 5;
const WorkCode gather = code_of({WorkCategory::collective, CollectiveKind::all_gather, Axis::tp});
const WorkCode scatter = code_of({WorkCategory::collective, CollectiveKind::reduce_scatter, Axis::dp});

double ns(Seconds t) { return t.value * 1e9; }

// The definition, nanosecond by nanosecond.
GpuActivity counted(const std::vector<GpuInterval>& intervals, const StepWindow& window) {
  GpuActivity a;
  a.step = Seconds(static_cast<double>(window.end - window.start) * 1e-9);
  for (std::int64_t t = window.start; t < window.end; ++t) {
    std::array<int, work_codes> running{};
    for (const GpuInterval& i : intervals)
      if (i.start <= t && t < i.end) ++running[i.code];
    bool compute = false;
    int collectives = 0;
    for (int c = 0; c < work_codes; ++c) {
      const auto code = static_cast<WorkCode>(c);
      a.works[code].busy += running[code] * Seconds(1e-9);
      compute = compute || (is_compute(code) && running[code] > 0);
      collectives += is_collective(code) && running[code] > 0 ? 1 : 0;
    }
    const Seconds one(1e-9);
    if (compute) {
      a.compute += one;
    } else if (collectives > 0) {
      a.exposed_collectives += one;
      for (int c = 0; c < work_codes; ++c)
        if (is_collective(static_cast<WorkCode>(c)) && running[static_cast<std::size_t>(c)] > 0)
          a.works[static_cast<std::size_t>(c)].exposed += one / collectives;
    } else if (running[copies] > 0) {
      a.exposed_copies += one;
    } else {
      a.idle += one;
    }
  }
  return a;
}

StepWindow window(std::int64_t start, std::int64_t end) { return {start, end}; }

}  // namespace

TEST_CASE("compute, exposed communication, exposed copies and idle share the step") {
  // 0    100   200   300   400   500   600   700   800   900  1000
  // GEMM [0, 300]       attention [400, 500]
  //          all-gather [200, 350]              all-gather and reduce-scatter [600, 700]   copy [650, 800]
  const std::vector<GpuInterval> intervals = {{0, 300, gemm},     {400, 500, attention}, {200, 350, gather},
                                              {600, 700, gather}, {600, 700, scatter},   {650, 800, copies}};
  const GpuActivity a = activity_of(intervals, {window(0, 1000)});
  CHECK(ns(a.step) == Approx(1000));
  CHECK(ns(a.compute) == Approx(300 + 100));
  CHECK(ns(a.exposed_collectives) == Approx(50 + 100));  // [300, 350] and [600, 700]
  CHECK(ns(a.exposed_copies) == Approx(100));            // [700, 800]
  CHECK(ns(a.idle) == Approx(1000 - 400 - 150 - 100));
  CHECK(ns(a.works[gather].busy) == Approx(150 + 100));
  CHECK(ns(a.works[gather].exposed) == Approx(50 + 100 / 2.0));  // the second is shared with the reduce-scatter
  CHECK(ns(a.works[scatter].exposed) == Approx(50));
  CHECK(a.works[gather].calls == 2);
}

TEST_CASE("a kernel over the end of a step counts in both, its call where it starts") {
  // Steps [0, 100] and [100, 200]; a GEMM in [80, 140]: 20 and 40 of the two, on average 30.
  const GpuActivity a = activity_of({{80, 140, gemm}}, {window(0, 100), window(100, 200)});
  CHECK(ns(a.works[gemm].busy) == Approx(30));
  CHECK(a.works[gemm].calls == Approx(0.5));
  CHECK(ns(a.idle) == Approx(70));
  const GpuActivity only_second = activity_of({{80, 140, gemm}}, {window(100, 200)});
  CHECK(ns(only_second.works[gemm].busy) == Approx(40));
  CHECK(only_second.works[gemm].calls == 0);
}

TEST_CASE("time between steps counts in none") {
  const GpuActivity a = activity_of({{0, 1000, gemm}}, {window(100, 200), window(500, 700)});
  CHECK(ns(a.step) == Approx(150));
  CHECK(ns(a.compute) == Approx(150));
  CHECK(ns(a.idle) == Approx(0).margin(1e-9));
}

TEST_CASE("the sweep agrees with counting every nanosecond") {
  std::mt19937 random(7);
  const std::array<WorkCode, 6> codes = {gemm, attention, copies, gather, scatter, 4};
  for (int round = 0; round < 200; ++round) {
    std::vector<GpuInterval> intervals;
    for (int i = 0; i < 12; ++i) {
      const auto start = static_cast<std::int64_t>(random() % 120);
      intervals.push_back({start, start + static_cast<std::int64_t>(random() % 30), codes[random() % codes.size()]});
    }
    const StepWindow w = window(10, 110);
    const GpuActivity fast = activity_of(intervals, {w}), slow = counted(intervals, w);
    CHECK(ns(fast.compute) == Approx(ns(slow.compute)).margin(1e-6));
    CHECK(ns(fast.exposed_collectives) == Approx(ns(slow.exposed_collectives)).margin(1e-6));
    CHECK(ns(fast.exposed_copies) == Approx(ns(slow.exposed_copies)).margin(1e-6));
    CHECK(ns(fast.idle) == Approx(ns(slow.idle)).margin(1e-6));
    for (const WorkCode code : codes) {
      CHECK(ns(fast.works[code].busy) == Approx(ns(slow.works[code].busy)).margin(1e-6));
      CHECK(ns(fast.works[code].exposed) == Approx(ns(slow.works[code].exposed)).margin(1e-6));
    }
  }
}

TEST_CASE("no kernels and no steps are nothing") {
  CHECK(ns(activity_of({}, {window(0, 10)}).idle) == Approx(10));
  CHECK(activity_of({{0, 10, gemm}}, {}).step.value == 0);
  CHECK(mean_of(std::vector<GpuActivity>{}).step.value == 0);
}

TEST_CASE("a first step that is a warm-up is left out, one that is not stays") {
  RealTrace trace;
  for (const std::int64_t start : {10, 400, 510, 620}) trace.intervals.push_back({start, start + 5, gemm});
  // Lengths 390 (until the next begins), 110, 110, 100: the first is over 1.5 times the others' median.
  AnnotatedSteps steps;
  steps.on_gpu = {window(10, 300), window(400, 500), window(510, 600), window(620, 720)};
  choose_steps(steps, trace);
  CHECK(trace.first_step_dropped);
  CHECK(trace.steps == std::vector<StepWindow>{window(400, 510), window(510, 620), window(620, 720)});
  steps.on_gpu[0] = window(260, 300);  // 140 until the next: 1.27 times as long
  trace.intervals[0] = {270, 280, gemm};
  choose_steps(steps, trace);
  CHECK_FALSE(trace.first_step_dropped);
  CHECK(trace.steps.size() == 4);
  steps.on_gpu.resize(2);  // too few to tell
  steps.on_gpu[0] = window(10, 300);
  choose_steps(steps, trace);
  CHECK_FALSE(trace.first_step_dropped);
}

TEST_CASE("annotated steps without a kernel are none, and without any the whole span is one step") {
  RealTrace trace;
  trace.intervals = {{100, 150, gemm}, {400, 420, attention}};
  AnnotatedSteps steps;
  steps.on_host = {window(90, 200), window(200, 300), window(300, 500), window(500, 501)};
  choose_steps(steps, trace);
  CHECK(trace.steps == std::vector<StepWindow>{window(90, 200), window(300, 500)});
  CHECK(trace.annotated_steps == 4);
  choose_steps({}, trace);
  CHECK(trace.whole_span);
  CHECK(trace.steps == std::vector<StepWindow>{window(100, 420)});
}
