#include "analysis/trace/model_layers.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <tuple>

#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

struct Simulated {
  Job job;
  SimulatedStep step;
};
Simulated simulated(const std::string& scenario, Granularity granularity,
                    const std::vector<std::pair<std::string, std::string>>& set = {}) {
  Job job = load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + scenario + ".yaml", set);
  SimulatedStep step = simulate_step(job, Routes(job.cluster), granularity);
  return {std::move(job), std::move(step)};
}

// Layers in the order in which a (phase, micro-batch, chunk) of a stage begins them.
using Pass = std::tuple<Phase, int, int>;
std::map<Pass, std::vector<int>> begun(const SimulatedStep& step, std::size_t kind) {
  std::map<Pass, std::vector<int>> passes;
  const std::vector<LayerRange> layers = model_layers(step, kind);
  const RankKind& list = step.program.kinds[kind];
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Instruction& instruction = list.instructions[i];
    std::vector<int>& pass = passes[{instruction.phase, instruction.micro_batch, instruction.chunk}];
    const bool forward = instruction.phase == Phase::forward;
    for (int n = 0; n < layers[i].count; ++n) {
      const int layer = forward ? layers[i].first + n : layers[i].last() - n;
      if (pass.empty() || pass.back() != layer) pass.push_back(layer);
    }
  }
  return passes;
}

std::vector<int> from_to(int first, int last) {
  std::vector<int> all{first};
  while (all.back() != last) all.push_back(all.back() + (last > first ? 1 : -1));
  return all;
}

TEST_CASE("layers are numbered through the model, forwards up and backwards down, at every granularity") {
  for (const Granularity granularity : {Granularity::block, Granularity::layer, Granularity::operator_}) {
    // 80 layers on 4 stages of 5 chunks: chunk c of stage s is the (4 c + s)th group of four.
    const SimulatedStep step = simulated("llama3-70b-64xh100", granularity).step;
    for (std::size_t stage = 0; stage < 4; ++stage) {
      const auto passes = begun(step, stage);
      for (const int micro_batch : {0, 63})
        for (int chunk = 0; chunk < 5; ++chunk) {
          const int first = (4 * chunk + static_cast<int>(stage)) * 4;
          INFO(stage << " " << micro_batch << " " << chunk);
          CHECK(passes.at({Phase::forward, micro_batch, chunk}) == from_to(first, first + 3));
          CHECK(passes.at({Phase::backward, micro_batch, chunk}) == from_to(first + 3, first));
        }
    }
  }
}

TEST_CASE("layers of a V, with weight gradients of their own") {
  // 80 layers on 4 stages of 2 chunks of 10: stage 1 holds the second and the last but one.
  const SimulatedStep step = simulated("llama3-70b-64xh100", Granularity::layer,
                                       {{"plan.schedule", "zb-v"},
                                        {"plan.vpp", "2"},
                                        {"plan.overlap_p2p_comm", "false"},
                                        {"plan.recompute_granularity", "full"}})
                                 .step;
  const auto passes = begun(step, 1);
  CHECK(passes.at({Phase::forward, 0, 0}) == from_to(10, 19));
  CHECK(passes.at({Phase::forward, 0, 1}) == from_to(60, 69));
  CHECK(passes.at({Phase::backward, 0, 1}) == from_to(69, 60));
  CHECK(passes.at({Phase::weight, 0, 1}) == from_to(69, 60));
}

TEST_CASE("passes that run as one with another: every layer of a micro-batch once in each direction") {
  const Simulated s = simulated("deepseek-v3-2048xh200", Granularity::block);  // DualPipe
  std::map<int, int> backward;                                                 // layer: how often
  for (std::size_t stage = 0; stage < s.step.program.kinds.size(); ++stage)
    for (const auto& [pass, layers] : begun(s.step, stage))
      if (std::get<Phase>(pass) == Phase::backward && std::get<1>(pass) == 0)
        for (const int layer : layers) ++backward[layer];
  REQUIRE(backward.size() == 61);
  for (const auto& [layer, times] : backward) {
    INFO(layer);
    CHECK(times == 1);
  }
  CHECK(backward.rbegin()->first == 60);
}

TEST_CASE("what is no layer has none") {
  const SimulatedStep step = simulated("llama3-70b-64xh100", Granularity::operator_).step;
  for (std::size_t kind = 0; kind < step.program.kinds.size(); ++kind) {
    const std::vector<LayerRange> layers = model_layers(step, kind);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Instruction& instruction = step.program.kinds[kind].instructions[i];
      const Work& work = step.program.works[static_cast<std::size_t>(instruction.work)];
      const bool message = std::holds_alternative<Send>(work) || std::holds_alternative<Receive>(work);
      if (message || instruction.micro_batch < 0) CHECK(layers[i].count == 0);
    }
  }
}

}  // namespace
}  // namespace trainyard
