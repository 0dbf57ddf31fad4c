#include "models/memory_cost.hpp"

#include <catch2/catch.hpp>

#include "models/model_config.hpp"
#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

double mib(Bytes b) { return b.value / 1048576.0; }

StackProfile korthikanti_stack() {
  StackProfile s;
  s.attention = AttentionKernel::materialised;
  s.dropout = true;
  return s;
}
StackProfile flash_stack() {
  StackProfile s;
  s.attention = AttentionKernel::flash2;
  return s;
}

struct PublishedLayer {
  const char* model;
  std::int64_t micro_batch;
  double none, sequence_parallel, selective, both, full;  // MiB per layer at tp 8
};
// sbh(10 + 24/t + 5as/(ht)), sbh/t (34 + 5as/h), sbh(10 + 24/t), 34 sbh/t, 2sbh (Korthikanti 2022, table 2), t = 8.
const std::vector<PublishedLayer> published = {{"megatron-22b", 4, 1264, 844, 624, 204, 96},
                                               {"gpt3-175b", 1, 552, 342, 312, 102, 48}};

double layer_mib(const ModelShape& model, std::int64_t micro_batch, bool sp, Recompute recompute) {
  return mib(layer_activations(model, false, {micro_batch, 2048, 8, sp, DataType::fp16}, korthikanti_stack(),
                               {.kind = recompute}));
}

}  // namespace

TEST_CASE("activations per layer are Korthikanti's closed forms to the last digit") {
  for (const PublishedLayer& p : published) {
    const ModelShape model = load_model(p.model).shape;
    CHECK(layer_mib(model, p.micro_batch, false, Recompute::none) == p.none);
    CHECK(layer_mib(model, p.micro_batch, true, Recompute::none) == p.sequence_parallel);
    CHECK(layer_mib(model, p.micro_batch, false, Recompute::selective) == p.selective);
    CHECK(layer_mib(model, p.micro_batch, true, Recompute::selective) == p.both);
    CHECK(layer_mib(model, p.micro_batch, false, Recompute::full) == p.full);
  }
}

TEST_CASE("stage-0 activations of the published plans") {
  // L/p layers of p (1 + (p-1)/(pv)) micro-batches = L (1 + (p-1)/(pv)) layers' worth; v = 1 holds L.
  struct Row {
    const char* model;
    double layers, p, v, none, sp, selective, both, full;  // GiB
  };
  const std::vector<Row> rows = {{"gpt3-175b", 96, 8, 3, 66.84, 41.41, 37.78, 12.35, 5.81},
                                 {"megatron-530b", 105, 35, 3, 114.02, 66.51, 70.59, 23.08, 10.86},
                                 {"megatron-1t", 128, 64, 1, 131.25, 76.56, 81.25, 26.56, 12.50}};
  for (const Row& r : rows) {
    const ModelShape model = load_model(r.model).shape;
    const double held = r.v > 1 ? r.layers * (1 + (r.p - 1) / (r.p * r.v)) : r.layers;
    const auto gib = [&](bool sp, Recompute recompute) { return held * layer_mib(model, 1, sp, recompute) / 1024.0; };
    CHECK(gib(false, Recompute::none) == Approx(r.none).margin(0.005));
    CHECK(gib(true, Recompute::none) == Approx(r.sp).margin(0.005));
    CHECK(gib(false, Recompute::selective) == Approx(r.selective).margin(0.005));
    CHECK(gib(true, Recompute::selective) == Approx(r.both).margin(0.005));
    CHECK(gib(false, Recompute::full) == Approx(r.full).margin(0.005));
  }
}

TEST_CASE("weights and optimizer of the published plans: 18 bytes of 12 h^2 L / (t p) parameters") {
  const auto gib = [](double h, double layers, double p) {
    const double parameters = 12 * h * h * layers / (8 * p);
    return in_gib(model_states(parameters, parameters, DataType::bf16, DataType::fp32).total());
  };
  CHECK(gib(6144, 48, 1) == 45.5625);
  CHECK(gib(12288, 96, 8) == 45.5625);
  CHECK(gib(20480, 105, 35) == 31.640625);
  CHECK(gib(25600, 128, 64) == Approx(32.958984375).epsilon(1e-12));
}

TEST_CASE("mixed precision keeps 18 bytes per parameter, 6 + 12/D with a distributed optimizer") {
  const auto bytes = [](double d) { return model_states(1.0, 1.0 / d, DataType::bf16, DataType::fp32).total().value; };
  CHECK(bytes(1) == 18);
  CHECK(bytes(8) == 7.5);
  CHECK(bytes(64) == 6.1875);
  CHECK(model_states(1, 1, DataType::bf16, DataType::bf16).total().value == 16);
  CHECK(model_states(1, 1, DataType::fp16, DataType::bf16).total().value == 20);
  CHECK(model_states(1, 1, DataType::fp32, DataType::fp32).total().value == 16);
}

TEST_CASE("Llama-3-8B saves 139 264 bytes per token and layer, and 128 for the log-sum-exp") {
  const ModelShape model = load_model("llama3-8b").shape;
  const Bytes layer = layer_activations(model, false, {1, 8192}, flash_stack(), {});
  CHECK(layer.value / 8192 == 139264 + 128);
  CHECK(in_gib(32.0 * (layer - Bytes(128.0 * 8192))) == 34.0);
}

TEST_CASE("Llama-2-7B saves 514 MiB per layer at 4096 tokens, and half a MiB for the log-sum-exp") {
  const ModelShape model = load_model("llama2-7b").shape;
  CHECK(mib(layer_activations(model, false, {1, 4096}, flash_stack(), {})) == 514.5);
}

TEST_CASE("fp32 logits of Llama-3-8B take 3.914 GiB at 8192 tokens") {
  const ModelShape model = load_model("llama3-8b").shape;
  StackProfile only_fp32 = flash_stack();
  only_fp32.loss_memory_per_logit = 4;
  const Bytes head = head_activations(model, {1, 8192}, only_fp32);
  const Bytes norm(8192.0 * 2 * 2 * 4096);  // input and output of the final norm
  CHECK(in_gib(head - norm) == Approx(3.914).margin(0.0005));
}

TEST_CASE("more tensor parallelism never holds more") {
  for (const char* name : {"llama3-70b", "gpt3-175b"}) {
    const ModelShape model = load_model(name).shape;
    for (Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full})
      for (bool sp : {false, true}) {
        Bytes before(1e18);
        for (int tp : {1, 2, 4, 8}) {
          const Bytes now = layer_activations(model, false, {1, 4096, tp, sp}, flash_stack(), {.kind = recompute});
          CHECK(now <= before);
          before = now;
        }
      }
  }
}
