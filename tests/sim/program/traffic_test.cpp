// Message sizes of the built program, from published arithmetic.
#include <catch2/catch.hpp>

#include "tests/support/built_step.hpp"

using namespace trainyard;
using testing::built_step;
using testing::BuiltStep;
using testing::collectives;
using testing::segment;

TEST_CASE("pipeline messages of Llama-3-405B: 33.55 MB with sequence parallelism over 8, 268.4 MB without") {
  // 2 B x 8192 tokens x 16384 / 8
  for (bool sp : {true, false}) {
    BuiltStep t = built_step("llama3-405b", 8, 1, 2);
    t.plan.sequence_parallel = sp;
    double bytes = 0;
    const StepProgram program = t.build();
    for (const Work& w : program.works)
      if (const auto* send = std::get_if<Send>(&w)) bytes = send->bytes.value;
    CHECK(bytes == 2.0 * 8192 * 16384 / (sp ? 8 : 1));
  }
}

TEST_CASE("Megatron's scatter/gather sends 1/tp of the activation and gathers it") {
  BuiltStep t = built_step("gpt3-175b", 8, 1, 2);
  t.stack.p2p_scatter_gather = true;
  const StepProgram program = t.build();
  for (const Work& w : program.works)
    if (const auto* send = std::get_if<Send>(&w)) CHECK(send->bytes.value == 2.0 * 8192 * 12288 / 8);
  int gathers = 0;
  for (const Segment& s : program.segments)
    gathers += s.label == "gather pipeline input" ? static_cast<int>(s.steps.size()) : 0;
  CHECK(gathers == 1);
}

TEST_CASE("gradient buckets hold max(40e6, 1e6 D) parameters") {
  CHECK(bucket_parameters(8) == 40e6);     // 160 MB fp32
  CHECK(bucket_parameters(64) == 64e6);    // 256 MB
  CHECK(bucket_parameters(256) == 256e6);  // 1024 MB
}

TEST_CASE("buckets cover every gradient once, whatever is overlapped") {
  for (bool overlap : {false, true}) {
    BuiltStep t = built_step("llama3-8b", 1, 8, 1);
    t.plan.data_parallel_kind = DataParallelKind::zero1;
    t.plan.overlap_grad_reduce = overlap;
    t.plan.overlap_param_gather = overlap;
    const StepProgram program = t.build();
    double gradients = 0, parameters = 0;
    for (const Collective& c : collectives(program, "gradients")) gradients += c.bytes.value;
    for (const Collective& c : collectives(program, "parameters")) parameters += c.bytes.value;
    CHECK(gradients == 4 * 8030261248.0);  // fp32
    CHECK(parameters == 2 * 8030261248.0);
    CHECK((collectives(program, "gradients").size() > 1) == overlap);
  }
}

TEST_CASE("a TP layer with sequence parallelism gathers and scatters the activation twice each way") {
  // 22B, T = 8192: 2 B x 8192 x 6144 = 100.66 MB each
  BuiltStep t = built_step("megatron-22b", 8, 1, 1);
  t.plan.sequence_parallel = true;
  const StepProgram program = t.build();
  int gathers = 0, scatters = 0;
  for (const LayerStep& step : segment(program, "layer forward").steps)
    if (const auto* c = std::get_if<LayerCollective>(&step.work)) {
      CHECK(c->bytes.value == 2.0 * 8192 * 6144);
      gathers += c->kind == CollectiveKind::all_gather ? 1 : 0;
      scatters += c->kind == CollectiveKind::reduce_scatter ? 1 : 0;
    }
  CHECK(gathers == 2);
  CHECK(scatters == 2);
}

TEST_CASE("tied embeddings of GPT-3 over 8 ranks sum 314.6 MB of fp32 gradients between the ends") {
  // 4 B x 51200 x 12288 / 8
  BuiltStep t = built_step("gpt3-175b", 8, 1, 4);
  const std::vector<Collective> tied = collectives(t.build(), "tied embedding gradients");
  REQUIRE(tied.size() == 2);  // one party on each end
  CHECK(tied.front().bytes.value == 4.0 * 51200 * 12288 / 8);
  CHECK(tied.front().bytes.value == Approx(314.6e6).epsilon(1e-4));
}

TEST_CASE("untied embeddings have nothing to sum") {
  BuiltStep t = built_step("llama3-8b", 8, 1, 4);
  CHECK(collectives(t.build(), "tied embedding gradients").empty());
}
