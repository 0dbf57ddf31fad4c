#include <catch2/catch.hpp>

#include "models/model_config.hpp"
#include "models/operators.hpp"
#include "models/parameter_count.hpp"

using namespace trainyard;

namespace {

constexpr std::int64_t tokens = 4096;

RankSlice rank(int ep = 1) {
  RankSlice s;
  s.sequence_length = tokens;
  s.ep = ep;
  return s;
}

double gemm_flops(const LayerSteps& steps) {
  double sum = 0;
  for (const LayerStep& step : steps)
    if (const auto* op = std::get_if<Operator>(&step.work); op && std::holds_alternative<Gemm>(op->work))
      sum += flops(*op).value;
  return sum;
}

const LayerStep& step_of(const LayerSteps& steps, std::string_view name) {
  for (const LayerStep& step : steps)
    if (const auto* op = std::get_if<Operator>(&step.work); op && op->name == name) return step;
  FAIL("no step " << name);
  return steps.front();
}
Gemm gemm_of(const LayerSteps& steps, std::string_view name) {
  return std::get<Gemm>(std::get<Operator>(step_of(steps, name).work).work);
}
int index_of(const LayerSteps& steps, std::string_view name) {
  return static_cast<int>(&step_of(steps, name) - steps.data());
}

std::vector<LayerCollective> collectives(const LayerSteps& steps, LayerGroup group) {
  std::vector<LayerCollective> all;
  for (const LayerStep& step : steps)
    if (const auto* c = std::get_if<LayerCollective>(&step.work); c && c->group == group) all.push_back(*c);
  return all;
}

LayerSteps forward(std::string_view model, const RankSlice& slice) {
  return layer_forward(load_model(model).shape, true, slice, {});
}
LayerSteps backward(std::string_view model, const RankSlice& slice, const LayerRecompute& recompute = {}) {
  return layer_backward(load_model(model).shape, true, slice, {}, recompute);
}

}  // namespace

TEST_CASE("the matrix products of a mixture layer are two FLOP per active parameter and token") {
  for (const char* name : {"deepseek-v3", "mixtral-8x7b"}) {
    const double active = static_cast<double>(matrix_parameters_per_token(load_model(name).shape, true));
    CHECK(gemm_flops(forward(name, rank())) == 2 * active * tokens);
    CHECK(gemm_flops(backward(name, rank())) == 4 * active * tokens);
    // Balanced experts only change place.
    CHECK(gemm_flops(forward(name, rank(8))) == 2 * active * tokens);
  }
}

TEST_CASE("experts are one grouped GEMM over the experts of a rank") {
  // 4096 x 8 pairs over 64 ranks of 4 experts: 8192 rows each; gate and up are 2 x 2048 wide.
  const LayerSteps steps = forward("deepseek-v3", rank(64));
  CHECK(gemm_of(steps, "expert_up") == Gemm{.m = 8192, .n = 4096, .k = 7168, .groups = 4});
  CHECK(gemm_of(steps, "expert_down") == Gemm{.m = 8192, .n = 7168, .k = 2048, .groups = 4});
  const LayerSteps back = backward("deepseek-v3", rank(64));
  CHECK(gemm_of(back, "expert_up_wgrad").groups == 4);
  for (const char* name : {"expert_up_wgrad", "expert_down_wgrad", "router_wgrad", "shared_up_wgrad"})
    CHECK(step_of(back, name).weight);
}

TEST_CASE("dispatch and combine send every pair, load included") {
  RankSlice s = rank(8);
  const double pairs = 2.0 * 4096 * 8 * 7168;  // 470 MB
  for (const LayerCollective& c : collectives(forward("deepseek-v3", s), LayerGroup::ep)) {
    CHECK(c.kind == CollectiveKind::all_to_all);
    CHECK(c.bytes.value == pairs);
    CHECK(c.outside.value < 0);
  }
  CHECK(collectives(backward("deepseek-v3", s), LayerGroup::ep).size() == 2);
  s.expert_imbalance = 1.25;
  CHECK(collectives(forward("deepseek-v3", s), LayerGroup::ep).front().bytes.value == 1.25 * pairs);
  CHECK(gemm_of(forward("deepseek-v3", s), "expert_up").m == 1280);  // 1.25 x 4096 x 8 / 32
  s.capacity_factor = 1.5;                                           // decides instead of the imbalance
  CHECK(gemm_of(forward("deepseek-v3", s), "expert_up").m == 1536);
}

TEST_CASE("experts of one rank are not exchanged") {
  CHECK(collectives(forward("mixtral-8x7b", rank()), LayerGroup::ep).empty());
}

TEST_CASE("tensor-parallel ranks route a part of the tokens each or share the experts' matrices") {
  // Mixtral: 4096 x 2 pairs, 8 experts of 14336, ep 2 and tp 4.
  RankSlice s = rank(2);
  s.tp = 4;
  s.sequence_parallel = true;
  const LayerSteps whole = forward("mixtral-8x7b", s);
  CHECK(gemm_of(whole, "expert_up") == Gemm{.m = 512, .n = 28672, .k = 4096, .groups = 4});
  CHECK(gemm_of(whole, "router").m == 1024);
  s.etp = 4;
  const LayerSteps cut = forward("mixtral-8x7b", s);
  CHECK(gemm_of(cut, "expert_up") == Gemm{.m = 2048, .n = 7168, .k = 4096, .groups = 4});
  const std::vector<LayerCollective> etp = collectives(cut, LayerGroup::etp);
  REQUIRE(etp.size() == 2);
  CHECK(etp[0].kind == CollectiveKind::all_gather);
  CHECK(etp[1].kind == CollectiveKind::reduce_scatter);
  CHECK(etp[0].bytes.value == 2.0 * 2048 * 4 * 4096);  // the gathered rows of this rank's four experts
}

TEST_CASE("the all-gather dispatcher gathers tokens and scatters their sums") {
  RankSlice s = rank(8);
  s.dispatcher = ExpertDispatcher::all_gather;
  const std::vector<LayerCollective> ep = collectives(forward("mixtral-8x7b", s), LayerGroup::ep);
  REQUIRE(ep.size() == 2);
  CHECK(ep[0].kind == CollectiveKind::all_gather);
  CHECK(ep[1].kind == CollectiveKind::reduce_scatter);
  CHECK(ep[0].bytes.value == 2.0 * 8 * 4096 * 4096);
}

TEST_CASE("a token's eight of 256 experts sit on 5.295 of 8 nodes") {
  MixtureOfExperts moe;
  moe.experts = 256;
  moe.top_k = 8;
  // 8 (1 - C(224, 8) / C(256, 8))
  CHECK(expected_destinations(moe, 8) == Approx(5.295).margin(5e-4));
  CHECK(expected_destinations(moe, 1) == 1);
  CHECK(expected_destinations(moe, 256) == Approx(8));
  // Four of eight groups, a group to a node: 4 (1 - C(96, 8) / C(128, 8)), C ratio = 0.0928.
  moe.routing_groups = 8;
  moe.routing_top_groups = 4;
  CHECK(expected_destinations(moe, 8) == Approx(3.629).margin(5e-4));
  CHECK(expected_destinations(moe, 8) <= 4);
}

TEST_CASE("DeepEP sends a token once to a rank, and once to a node that is not its own") {
  RankSlice s = rank(64);
  s.ep_nodes = 8;
  s.dispatcher = ExpertDispatcher::deepep;
  ModelShape m = load_model("deepseek-v3").shape;
  m.moe->routing_groups = m.moe->routing_top_groups = 0;
  const double copy = 2.0 * 4096 * 7168;
  const std::vector<LayerCollective> ep = collectives(layer_forward(m, true, s, {}), LayerGroup::ep);
  REQUIRE(ep.size() == 2);
  CHECK(ep[0].outside.value == Approx(copy * 5.295 * 7 / 8).epsilon(1e-4));
  // 64 (1 - C(252, 8) / C(256, 8)) = 64 (1 - 248 x 247 x 246 x 245 / (256 x 255 x 254 x 253)) = 7.6757 ranks
  CHECK(ep[0].bytes.value == Approx(copy * 7.6757).epsilon(1e-4));
  CHECK(ep[1].bytes == ep[0].bytes);
  // fp8 with an fp32 scale per 128 elements on the way out, 16 bit on the way back.
  s.precision = DataType::fp8;
  const std::vector<LayerCollective> low = collectives(layer_forward(m, true, s, {}), LayerGroup::ep);
  CHECK(low[0].outside.value == Approx(ep[0].outside.value * 1.03125 / 2));
  CHECK(low[1].outside == ep[1].outside);
}

TEST_CASE("shared experts run beside dispatch and combine where the plan says so") {
  RankSlice s = rank(8);
  s.shared_expert_overlap = true;
  const LayerSteps steps = forward("deepseek-v3", s);
  const int permute = index_of(steps, "permute");
  CHECK(steps[static_cast<std::size_t>(permute) + 1].after == permute);  // dispatch
  CHECK(index_of(steps, "shared_up") == permute + 2);
  CHECK(step_of(steps, "shared_up").after == permute);
  CHECK(step_of(steps, "expert_sort").after == -1);  // needs what was dispatched
  CHECK(step_of(steps, "shared_down").after == index_of(steps, "expert_unsort"));
  CHECK(step_of(steps, "unpermute").after == -1);
  CHECK(gemm_flops(steps) == gemm_flops(forward("deepseek-v3", rank(8))));
  CHECK(gemm_flops(backward("deepseek-v3", s)) == gemm_flops(backward("deepseek-v3", rank(8))));
}

TEST_CASE("recomputing the mixture repeats its products and exchanges") {
  const LayerRecompute recompute{Recompute::selective, recompute_moe};
  const LayerSteps again = backward("mixtral-8x7b", rank(8), recompute);
  CHECK(collectives(again, LayerGroup::ep).size() == 4);
  const double attention = 2.0 * 4096 * (2.0 * 4096 * 4096 + 2.0 * 1024 * 4096);
  CHECK(gemm_flops(again) == Approx(gemm_flops(backward("mixtral-8x7b", rank(8))) +
                                    gemm_flops(forward("mixtral-8x7b", rank(8))) - attention));
}

TEST_CASE("the halves of a mixture's backward hold every step once") {
  for (const bool overlap : {false, true}) {
    RankSlice s = rank(8);
    s.shared_expert_overlap = overlap;
    const LayerSteps all = backward("deepseek-v3", s);
    const LayerSteps weight = weight_gradient_steps(all);
    CHECK(weight.size() == 10);  // two of the experts, two shared, router, five of latent attention
    CHECK(input_gradient_steps(all).size() + weight.size() == all.size());
    CHECK(gemm_flops(weight) == gemm_flops(all) / 2);
    for (std::size_t i = 0; i < weight.size(); ++i) CHECK(weight[i].after < static_cast<int>(i));
  }
}

TEST_CASE("fp8 experts pad their rows to what the kernels take, the router stays 16 bit") {
  RankSlice s = rank(8);
  s.precision = DataType::fp8;
  s.expert_imbalance = 1.001;  // 1025.02 pairs an expert
  CHECK(gemm_of(forward("deepseek-v3", s), "expert_up").m == 1040);
  s.fp8_recipe = Fp8Recipe::blockwise;
  CHECK(gemm_of(forward("deepseek-v3", s), "expert_up").m == 1152);
  CHECK(gemm_of(forward("deepseek-v3", s), "expert_up").type == DataType::fp8);
  CHECK(gemm_of(forward("deepseek-v3", s), "router").type == DataType::bf16);
}
