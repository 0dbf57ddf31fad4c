// Start times and makespans of pipelines worked by hand: forward 1, backward 2 per stage and micro-batch.
#include <catch2/catch.hpp>

#include "tests/support/unit_pipeline.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

UnitPipeline one_f_one_b(int stages, int micro_batches, double hop = 0) {
  return {.stages = stages, .micro_batches = micro_batches, .hop = hop};
}
UnitPipeline interleaved(int stages, int micro_batches, int chunks, double hop = 0) {
  return {.stages = stages, .micro_batches = micro_batches, .chunks = chunks, .schedule = "interleaved", .hop = hop};
}
UnitPipeline gpipe(int stages, int micro_batches, double hop = 0) {
  return {.stages = stages, .micro_batches = micro_batches, .schedule = "gpipe", .hop = hop};
}

}  // namespace

TEST_CASE("1F1B and GPipe of four stages and eight micro-batches take 33") {
  // m (F+B) + (p-1)(F+B) = 24 + 9
  CHECK(makespan(gpipe(4, 8)) == 33);
  CHECK(makespan(one_f_one_b(4, 8)) == 33);
}

TEST_CASE("virtual stages divide the bubble") {
  // 24 + 9/v
  CHECK(makespan(interleaved(4, 8, 2)) == 28.5);
  CHECK(makespan(interleaved(4, 8, 4)) == 26.25);
}

TEST_CASE("makespans scale as m(F+B) + (p-1)(F+B)/v") {
  CHECK(makespan(one_f_one_b(8, 64)) == 213);       // 192 + 21
  CHECK(makespan(interleaved(8, 64, 2)) == 202.5);  // 192 + 10.5
  CHECK(makespan(interleaved(8, 64, 4)) == 197.25);
  CHECK(makespan(one_f_one_b(2, 4)) == 15);
  CHECK(makespan(interleaved(2, 4, 2)) == 13.5);
  CHECK(makespan(interleaved(2, 4, 4)) == 12.75);
  CHECK(makespan(gpipe(8, 16)) == 69);
  CHECK(makespan(interleaved(8, 16, 2)) == 58.5);
  CHECK(makespan(interleaved(8, 16, 4)) == 53.25);
}

TEST_CASE("1F1B start times are those of the worked table") {
  const UnitPipeline u = one_f_one_b(4, 8);
  CHECK(start_times(u, 0) ==
        "F0@0 F1@1 F2@2 F3@3 B0@10 F4@12 B1@13 F5@15 B2@16 F6@18 B3@19 F7@21 B4@22 B5@25 B6@28 B7@31");
  CHECK(start_times(u, 1) ==
        "F0@1 F1@2 F2@3 B0@8 F3@10 B1@11 F4@13 B2@14 F5@16 B3@17 F6@19 B4@20 F7@22 B5@23 B6@26 B7@29");
  CHECK(start_times(u, 2) ==
        "F0@2 F1@3 B0@6 F2@8 B1@9 F3@11 B2@12 F4@14 B3@15 F5@17 B4@18 F6@20 B5@21 F7@23 B6@24 B7@27");
  CHECK(start_times(u, 3) ==
        "F0@3 B0@4 F1@6 B1@7 F2@9 B2@10 F3@12 B3@13 F4@15 B4@16 F5@18 B5@19 F6@21 B6@22 F7@24 B7@25");
}

TEST_CASE("activations in flight are those of the schedules") {
  const std::vector<double> plain = {4, 3, 2, 1};
  const std::vector<double> two = {5.5, 4.5, 3.5, 2.5};
  const std::vector<double> four = {4.75, 4.25, 3.75, 3.25};
  for (std::size_t r = 0; r < 4; ++r) {
    CHECK(in_flight(one_f_one_b(4, 8), r) == plain[r]);
    CHECK(in_flight(interleaved(4, 8, 2), r) == two[r]);
    CHECK(in_flight(interleaved(4, 8, 4), r) == four[r]);
    CHECK(in_flight(gpipe(4, 8), r) == 8);
  }
}

TEST_CASE("asynchronous hops delay 1F1B by the round trips on its critical path") {
  // + [2(p-2) + 2m(p-1)/p] x = 16 x for p = 4, m = 8
  CHECK(makespan(one_f_one_b(4, 8, 0.1)) == Approx(34.6));
  CHECK(makespan(one_f_one_b(4, 8, 0.25)) == Approx(37.0));
  CHECK(makespan(one_f_one_b(4, 8, 0.5)) == Approx(41.0));
  const auto hops = [](int p, int m) {
    return (makespan(one_f_one_b(p, m, 0.01)) - makespan(one_f_one_b(p, m))) / 0.01;
  };
  CHECK(hops(8, 64) == Approx(124).epsilon(1e-6));
  CHECK(hops(16, 16) == Approx(58).epsilon(1e-6));
  CHECK(hops(2, 4) == Approx(4).epsilon(1e-6));
}

TEST_CASE("asynchronous hops delay GPipe by 2(p-1) and interleaving by 2(pv-1), whatever the number of micro-batches") {
  CHECK(makespan(gpipe(4, 8, 0.1)) - 33 == Approx(6 * 0.1));
  CHECK(makespan(interleaved(4, 8, 2, 0.1)) == Approx(29.9));  // 28.5 + 14 x
  CHECK(makespan(interleaved(4, 8, 2, 0.25)) == Approx(32.0));
  CHECK(makespan(interleaved(4, 8, 4, 0.01)) - 26.25 == Approx(0.30));  // 30 x
  CHECK(makespan(interleaved(8, 32, 4, 0.001)) - makespan(interleaved(8, 32, 4)) == Approx(62 * 0.001));
}

TEST_CASE("blocking sends are never cheaper than asynchronous ones and stall a stage at most twice per micro-batch") {
  for (int m : {8, 32}) {
    UnitPipeline u = one_f_one_b(4, m, 0.1);
    const double asynchronous = makespan(u);
    u.blocking = true;
    CHECK(makespan(u) > asynchronous);
    CHECK(makespan(u) <= asynchronous + 2 * m * 0.1);
  }
}
