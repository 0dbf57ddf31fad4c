// Seconds of a segment whose steps have round times.
#include "sim/engine/segment_price.hpp"

#include <catch2/catch.hpp>

#include "models/collective_cost.hpp"
#include "models/operator_cost.hpp"
#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

// A gather and the GEMM that multiplies what it brings.
struct GatherAndGemm {
  Profile profile = load_profile("h100-sxm-80gb", "infiniband", "megatron-core");
  StepProgram program;
  Gemm gemm{8192, 7168, 8192};
  LayerCollective gather;

  GatherAndGemm() {
    program.paths = {{{8, LinkClass::nvlink, 450_GBps, Seconds(0), false}}};
    gather.kind = CollectiveKind::all_gather;
    gather.bytes = 128_MiB;
  }
  Seconds gemm_time() const { return operator_time({"gemm", gemm}, profile.device, profile.stack.attention); }
  Seconds gather_time() const {
    return collective_cost(gather.kind, gather.bytes, program.paths[0], profile.device, profile.network).time;
  }
  WorkPrice price() const {
    Segment segment{"layer forward", {}, Phase::forward, 0, 0, false};
    segment.steps = {{gather, -1, false}, {Operator{"gemm", gemm}, -1, false}};
    const PricingContext context{&profile, 8, 8, false};
    return price_segment(segment, program, context, 1.0).price;
  }
};

}  // namespace

TEST_CASE("a gather that is not cut up is exposed by its share") {
  GatherAndGemm g;
  CHECK(g.price().tp.exposed.value == Approx(g.gather_time().value));
  g.gather.exposed = 0.33;
  CHECK(g.price().tp.exposed.value == Approx(0.33 * g.gather_time().value));
}

TEST_CASE("pipelined pieces leave the first one exposed, and what the GEMM is too short for") {
  GatherAndGemm g;
  REQUIRE(g.gemm_time() > g.gather_time());
  g.gather.pieces = 4;
  CHECK(g.price().tp.exposed.value == Approx(g.gather_time().value / 4));
  g.gather.bytes *= 16.0;  // now the GEMM is the shorter
  REQUIRE(g.gemm_time() < g.gather_time());
  const double c = g.gather_time().value, m = g.gemm_time().value;
  CHECK(g.price().tp.exposed.value == Approx(c / 4 + 3 * (c / 4 - m / 4)));
}

TEST_CASE("a ring exchange multiplies its own piece first") {
  GatherAndGemm g;
  g.gather.pieces = 8;
  g.gather.local_first = true;
  CHECK(g.price().tp.exposed.value == Approx(0).margin(1e-12));  // seven pieces hide under seven eighths of the GEMM
  g.gather.bytes *= 16.0;
  const double c = g.gather_time().value, m = g.gemm_time().value;
  CHECK(g.price().tp.exposed.value == Approx(7 * (c / 7 - m / 8)));
}
