#include "models/megatron_memory_report.hpp"

#include <catch2/catch.hpp>

#include "models/model_config.hpp"

namespace trainyard {
namespace {

double mib(Bytes b) { return b.value / 1048576.0; }

// Sequence parallelism with selective recomputation: what Korthikanti's table 2 is for.
MegatronMemoryArguments arguments(std::int64_t sequence, int tp, int pp, int dp) {
  MegatronMemoryArguments a;
  a.sequence_length = sequence;
  a.tensor_parallel = tp;
  a.pipeline_parallel = pp;
  a.data_parallel = dp;
  a.world_size = tp * pp * dp;
  a.sequence_parallel = true;
  a.selective_recompute = true;
  return a;
}

TEST_CASE("Megatron's estimate of Llama-3-8B on eight replicas") {
  const ModelShape m = load_model("llama3-8b").shape;
  MegatronMemoryArguments a = arguments(8192, 1, 1, 8);
  // 8 030 261 248 parameters at 18 bytes, or at 6 + 12/8 = 7.5
  CHECK(megatron_memory_report(m, a).parameters == 8'030'261'248.0);
  CHECK(mib(megatron_memory_report(m, a).weight_and_optimizer) == Approx(137848.57).epsilon(0).margin(0.005));
  a.distributed_optimizer = true;
  const MegatronMemoryReport r = megatron_memory_report(m, a);
  CHECK(mib(r.weight_and_optimizer) == Approx(57436.90).epsilon(0).margin(0.005));
  // 8192 * 4096 * (18 + 4*3.5) = 1024 MiB per layer: a plain MLP, 1088 MiB are kept
  CHECK(mib(r.activation_per_layer) == 1024.0);
  // 32 layers + ids 8 B and a mask of 1 B per element + 4 (h + V) per token
  CHECK(mib(r.activation) == Approx(36936.06).epsilon(0).margin(0.005));
}

TEST_CASE("Megatron's estimate of Llama-3-70B on four stages") {
  MegatronMemoryArguments a = arguments(8192, 8, 4, 8);
  a.distributed_optimizer = true;
  a.micro_batches = 16;
  const MegatronMemoryReport r = megatron_memory_report(load_model("llama3-70b").shape, a);
  // 16241.73 with 128 256 rows of vocabulary; eight ranks pad them to 129 024: 768 * 8192 / 8 more at 7.5 bytes
  CHECK(mib(r.weight_and_optimizer) == Approx(16241.73 + 5.625).epsilon(0).margin(0.005));
  CHECK(mib(r.activation) == Approx(20512.03).epsilon(0).margin(0.005));
  CHECK(r.in_flight_micro_batches == 4);
}

TEST_CASE("Megatron's estimate of GPT-3 with interleaved stages") {
  MegatronMemoryArguments a = arguments(2048, 8, 8, 1);
  a.virtual_stages = 3;
  const MegatronMemoryReport r = megatron_memory_report(load_model("gpt3-175b").shape, a);
  CHECK(mib(r.weight_and_optimizer) == Approx(48016.18).epsilon(0).margin(0.005));
  CHECK(mib(r.activation_per_layer) == 102.0);  // 34 s b h / t
  CHECK(r.interleaving_penalty == Approx(1.0 + 7.0 / 24.0));
  CHECK(r.in_flight_micro_batches == 11);  // ceil(8 * 1.2917)
  CHECK(mib(r.activation) == Approx(12679.02).epsilon(0).margin(0.005));
}

TEST_CASE("Megatron's estimate of Mixtral shards experts and their optimizer on their own ranks") {
  MegatronMemoryArguments a = arguments(8192, 1, 1, 64);
  a.expert_parallel = 8;
  a.distributed_optimizer = true;
  const MegatronMemoryReport r = megatron_memory_report(load_model("mixtral-8x7b").shape, a);
  // 1 605 636 096 dense parameters at 6 + 12/64, an eighth of the experts, 5 637 144 576, at 6 + 12/8
  CHECK(mib(r.weight_and_optimizer) == Approx(49794.63).epsilon(0).margin(0.005));
  CHECK(mib(r.activation) == Approx(33928.06).epsilon(0).margin(0.005));
}

TEST_CASE("fewer micro-batches than stages shrink Megatron's activations in proportion") {
  const ModelShape m = load_model("llama3-70b").shape;
  MegatronMemoryArguments a = arguments(8192, 8, 4, 8);
  a.micro_batches = 1;
  const MegatronMemoryReport one = megatron_memory_report(m, a);
  a.micro_batches = 4;
  CHECK(one.in_flight_micro_batches == 1);
  CHECK(megatron_memory_report(m, a).activation.value == Approx(4.0 * one.activation.value));
}

TEST_CASE("without sequence parallelism or selective recomputation Megatron uses its second formula") {
  const ModelShape m = load_model("gpt3-175b").shape;
  MegatronMemoryArguments a = arguments(2048, 8, 8, 1);
  for (bool sequence_parallel : {false, true}) {
    a.sequence_parallel = sequence_parallel;
    a.selective_recompute = !sequence_parallel;
    const MegatronMemoryReport r = megatron_memory_report(m, a);
    CHECK(r.without_sequence_parallel);
    // s b h (10 + 24/8) = 312 MiB; 96 of them, 8 micro-batches of ids and a mask, and 5 %
    CHECK(mib(r.activation_per_layer) == 312.0);
    CHECK(mib(r.activation) == Approx(1.05 * (96 * 312.0 + 8 * 2048.0 * (8 + 12288) / 1048576)));
  }
  a = arguments(2048, 8, 1, 1);
  a.sequence_parallel = false;
  // one stage: 16-bit logits of a tp-th of the 51200 rows and the final norm
  CHECK(mib(megatron_memory_report(m, a).activation) ==
        Approx(1.05 * (96 * 312.0 + 2048.0 * (8 + 12288 + 2 * (6400 + 12288)) / 1048576)));
}

TEST_CASE("latent attention and prediction modules are counted as Megatron counts them") {
  ModelShape m = load_model("deepseek-v3").shape;
  const MegatronMemoryArguments a = arguments(4096, 1, 1, 1);
  const double main = megatron_memory_report(m, a).parameters;
  // The published count without the router's 58 * 256 biases
  CHECK(main == 671'026'419'200.0 - 58 * 256);
  m.multi_token_prediction_layers = 1;
  // The module's layer, without its 2h^2 projection, three norms and router biases
  CHECK(megatron_memory_report(m, a).parameters - main == 11'610'068'224.0 - 2.0 * 7168 * 7168 - 3 * 7168 - 256);
}

TEST_CASE("the report reads as Megatron's line") {
  MegatronMemoryReport r;
  r.weight_and_optimizer = Bytes(1048576.0 * 100.25);
  r.activation = Bytes(1048576.0 * 11.5);
  CHECK(to_text(r) ==
        "Theoretical memory footprints: weight and optimizer=100.25 MB, activation=11.50 MB, total=111.75 MB");
}

}  // namespace
}  // namespace trainyard
