#include "analysis/link_load.hpp"

#include <catch2/catch.hpp>

#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

using Overrides = std::vector<std::pair<std::string, std::string>>;

struct Simulated {
  Job job;
  SimulatedStep step;
  std::vector<LoadedLink> loads;
};
Simulated simulated(const std::string& scenario, const Overrides& overrides,
                    Granularity granularity = Granularity::block) {
  Job job = load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + scenario + ".yaml", overrides);
  REQUIRE(check_plan(job.plan, job.model, job.workload, job.cluster).empty());
  SimulatedStep step = simulate_step(job, Routes(job.cluster), granularity);
  std::vector<LoadedLink> loads = link_loads(job, step);
  return {std::move(job), std::move(step), std::move(loads)};
}

const LoadedLink* find(const std::vector<LoadedLink>& loads, const std::string& link) {
  for (const LoadedLink& l : loads)
    if (l.link == link) return &l;
  return nullptr;
}
std::size_t line_of(const StepResult& result, Axis axis, const std::string& purpose) {
  for (std::size_t i = 0; i < result.communication.size(); ++i)
    if (result.communication[i].axis == axis && result.communication[i].purpose == purpose) return i;
  FAIL("no line for " << purpose);
  return 0;
}

// Bytes of every link of a kind.
double total(const std::vector<LoadedLink>& loads, SharedLinkKind kind) {
  double sum = 0;
  for (const LoadedLink& l : loads)
    if (l.kind == kind) sum += l.bytes.value;
  return sum;
}

const Overrides two_stages = {{"nodes", "2"},    {"plan.tp", "8"},          {"plan.pp", "2"},
                              {"plan.vpp", "1"}, {"plan.schedule", "1f1b"}, {"workload.global_batch_size", "16"}};

TEST_CASE("pipeline messages cross one NIC each way") {
  const Simulated s = simulated("llama3-70b-64xh100", two_stages);
  // Each of the 8 tensor-parallel ranks sends its eighth of 8192 tokens x 8192 hidden x 2 bytes = 128 MiB per
  // micro-batch, over its own NIC: 16 x 16 MiB. Activations go from node 0 to node 1, their gradients back.
  const double expected = 16 * (16_MiB).value;
  const std::size_t line = line_of(s.step.result, Axis::pp, "activations");
  for (const std::string nic : {"node 0 NIC0 out", "node 1 NIC0 in", "node 1 NIC7 out", "node 0 NIC7 in"}) {
    INFO(nic);
    const LoadedLink* link = find(s.loads, nic);
    REQUIRE(link != nullptr);
    CHECK(link->of.at(line).value == Approx(expected));
    CHECK(link->least.value == Approx(link->bytes.value / 50e9));  // 400 Gb/s
    CHECK(link->busy == Approx(link->least / s.step.result.step_time));
  }
}

TEST_CASE("a ring between two nodes sends half of what it reduces over each rank's NIC") {
  Overrides plan = two_stages;
  plan[2].second = "1";  // pp: 80 layers over 8 GPUs do not fit, which does not matter here
  const Simulated s = simulated("llama3-70b-64xh100", plan);
  const std::size_t line = line_of(s.step.result, Axis::dp, "gradients");
  double reduced = 0;  // NCCL message size of all reduce-scatters of one rank
  for (const Instruction& i : s.step.program.kinds[0].instructions)
    if (const auto* c = std::get_if<Collective>(&s.step.program.works[static_cast<std::size_t>(i.work)]);
        c != nullptr && c->kind == CollectiveKind::reduce_scatter && c->axis == Axis::dp)
      reduced += c->bytes.value;
  REQUIRE(reduced > 0);
  const LoadedLink* nic = find(s.loads, "node 0 NIC3 out");
  REQUIRE(nic != nullptr);
  CHECK(nic->of.at(line).value == Approx(reduced / 2));  // (n - 1) / n, n = 2
  CHECK(find(s.loads, "node 1 NIC3 out")->of.at(line).value == Approx(reduced / 2));
}

TEST_CASE("rings inside layers load NVLink with 7/8 of their message per member") {
  // A100: no reduction in the switch, so that every collective is a ring over the 8 GPUs of the node.
  const Simulated s =
      simulated("gpt3-175b-64xa100", {{"nodes", "1"}, {"plan.pp", "1"}, {"plan.vpp", "1"}, {"plan.schedule", "1f1b"}});
  double sent = 0;  // messages, an all-reduce's twice
  for (const Instruction& i : s.step.program.kinds[0].instructions) {
    const auto* block = std::get_if<Block>(&s.step.program.works[static_cast<std::size_t>(i.work)]);
    if (block == nullptr) continue;
    for (const SegmentUse& use : block->uses)
      for (const LayerStep& layer : s.step.program.segments[static_cast<std::size_t>(use.segment)].steps)
        if (const auto* c = std::get_if<LayerCollective>(&layer.work)) {
          sent += use.repeat * c->bytes.value * (c->kind == CollectiveKind::all_reduce ? 2.0 : 1.0);
        }
  }
  REQUIRE(sent > 0);
  const LoadedLink* out = find(s.loads, "node 0 GPU5 NVLink out");
  REQUIRE(out != nullptr);
  const std::size_t line = line_of(s.step.result, Axis::tp, "activations");
  CHECK(out->of.at(line).value == Approx(7.0 / 8 * sent));
}

TEST_CASE("what leaves ports arrives at ports") {
  for (const char* scenario : {"gpt3-175b-64xa100", "llama3-8b-64xh100-fsdp2", "mixtral-8x7b-64xh100"}) {
    INFO(scenario);
    const Simulated s = simulated(scenario, {});
    CHECK(total(s.loads, SharedLinkKind::nic_out) == Approx(total(s.loads, SharedLinkKind::nic_in)));
    CHECK(total(s.loads, SharedLinkKind::leaf_up) == Approx(total(s.loads, SharedLinkKind::leaf_down)).margin(1));
  }
  const Simulated rings = simulated("gpt3-175b-64xa100", {});  // no multicast in the switch
  CHECK(total(rings.loads, SharedLinkKind::nvlink_out) == Approx(total(rings.loads, SharedLinkKind::nvlink_in)));
  CHECK(total(rings.loads, SharedLinkKind::nic_out) > 0);
}

TEST_CASE("no link carries more than it can in the step, and its parts are all of it") {
  for (const char* scenario : {"gpt3-175b-64xa100", "llama3-70b-64xh100", "llama3-8b-64xh100-fsdp2",
                               "mixtral-8x7b-64xh100", "deepseek-v3-2048xh200"}) {
    INFO(scenario);
    const Simulated s = simulated(scenario, {});
    REQUIRE_FALSE(s.loads.empty());
    for (const LoadedLink& link : s.loads) {
      double parts = 0;
      for (const Bytes part : link.of) parts += part.value;
      if (!(link.busy > 0 && link.busy <= 1)) FAIL(link.link << " is busy " << link.busy);
      if (parts != Approx(link.bytes.value))
        FAIL(link.link << " carries " << link.bytes.value << ", in parts " << parts);
    }
  }
}

TEST_CASE("blocks and operators load the links alike") {
  const Overrides plan = {{"plan.vpp", "1"}, {"plan.schedule", "1f1b"}, {"workload.global_batch_size", "16"}};
  const Simulated blocks = simulated("llama3-70b-64xh100", plan, Granularity::block);
  const Simulated operators = simulated("llama3-70b-64xh100", plan, Granularity::operator_);
  REQUIRE(blocks.loads.size() == operators.loads.size());
  for (std::size_t l = 0; l < blocks.loads.size(); ++l) {
    REQUIRE(blocks.loads[l].index == operators.loads[l].index);
    if (blocks.loads[l].bytes.value != Approx(operators.loads[l].bytes.value))
      FAIL(blocks.loads[l].link << ": " << blocks.loads[l].bytes.value << " and " << operators.loads[l].bytes.value);
  }
}

TEST_CASE("a step that sits on no machine loads no link") {
  CHECK(link_loads(testing::hand_built_job(), testing::hand_built_step()).empty());
}

}  // namespace
}  // namespace trainyard
