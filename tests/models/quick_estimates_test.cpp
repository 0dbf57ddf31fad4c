#include "models/quick_estimates.hpp"

#include <catch2/catch.hpp>

#include "models/model_config.hpp"

namespace trainyard {
namespace {

ModelShape preset(std::string_view name) { return load_model(name).shape; }
double kib_per_token(std::string_view name) { return kv_cache_per_token(preset(name), DataType::bf16, 1).value / 1024; }
double zero_paper_bytes(int stage, int ranks) {
  return state_per_parameter(stage, ranks, DataType::bf16).total().value;
}

TEST_CASE("a ring all-reduce of 1 GiB on 8 ranks sends 1.75 GiB per rank, an all-gather half of it") {
  CHECK(in_gib(ring_all_reduce_bytes_sent(1_GiB, 8)) == 1.75);
  CHECK(in_gib(ring_all_gather_bytes_sent(1_GiB, 8)) == 0.875);
}

TEST_CASE("one rank sends nothing") { CHECK(ring_all_reduce_time(1_GiB, 1, 450_GBps, 5_us) == Seconds(0)); }

TEST_CASE("a ring all-reduce pays 2(n-1) steps") {
  // 1.75 * 2^30 B / 450 GB/s + 14 * 5 us = 4175.6 us + 70 us
  CHECK(ring_all_reduce_time(1_GiB, 8, 450_GBps, 5_us).value == Approx(4.2456e-3).epsilon(1e-4));
}

TEST_CASE("bus bandwidth of measured all-reduces") {
  CHECK(all_reduce_bus_bandwidth(64_MiB, 322_us, 8).value == Approx(364.7e9).epsilon(2e-4));
  CHECK(all_reduce_bus_bandwidth(1_GiB, 8193_us, 8).value == Approx(229.3e9).epsilon(3e-4));
}

TEST_CASE("a hierarchical all-reduce adds the terms of both levels") {
  // 2 * 7/8 GB / 360 GB/s + 2 * 3/4 * (1/8 GB) / 45 GB/s = 4.861 + 4.167 ms
  CHECK(hierarchical_all_reduce_time(1_GB, 8, 4, 360_GBps, 45_GBps).value == Approx(9.03e-3).epsilon(1e-3));
}

TEST_CASE("sequence parallelism cuts what a pipeline stage sends") {
  const ModelShape m = preset("llama3.1-405b");
  CHECK(pipeline_message(m, 8192, DataType::bf16, 8) == Bytes(33'554'432));  // 8192 * 16384 * 2 / 8
  CHECK(pipeline_message(m, 8192, DataType::bf16, 1) == Bytes(268'435'456));
}

TEST_CASE("a distributed optimizer sends fp32 gradients once and bf16 weights once") {
  const double n = static_cast<double>(count_parameters(preset("llama3-8b")).total);
  CHECK(ring_all_gather_bytes_sent(Bytes(4 * n), 8).value == Approx(28.11e9).epsilon(5e-4));
  CHECK(ring_all_gather_bytes_sent(Bytes(2 * n), 8).value == Approx(14.05e9).epsilon(5e-4));
}

TEST_CASE("ZeRO's table: 7.5 billion parameters on 64 ranks") {
  CHECK(7.5 * zero_paper_bytes(0, 64) == 120);
  CHECK(7.5 * zero_paper_bytes(1, 64) == Approx(31.40625));   // 4 + 12/64
  CHECK(7.5 * zero_paper_bytes(2, 64) == Approx(16.640625));  // 2 + 14/64
  CHECK(7.5 * zero_paper_bytes(3, 64) == 1.875);              // 16/64
}

TEST_CASE("ZeRO stage 3 holds a trillion parameters in 15.6 GB on 1024 ranks") {
  CHECK(1000 * zero_paper_bytes(3, 1024) == 15.625);
}

TEST_CASE("Megatron's distributed optimizer keeps 6 + 12/D bytes per parameter") {
  const auto bytes = [](int ranks) { return state_per_parameter(1, ranks, DataType::fp32).total().value; };
  CHECK(bytes(1) == 18);
  CHECK(bytes(8) == 7.5);
  CHECK(bytes(64) == 6.1875);
}

TEST_CASE("the training state of Llama-3-8B on 8 data-parallel ranks") {
  const TrainingState s = training_state(preset("llama3-8b"), {.data_parallel = 8});
  CHECK(s.parameters.dense() == 8'030'261'248);
  CHECK(s.total == Bytes(8'030'261'248.0 * 7.5));
}

TEST_CASE("the fullest pipeline stage is the one with the embedding when layers divide evenly") {
  const TrainingState s = training_state(preset("gpt3-175b"), {.tensor_parallel = 8, .pipeline_parallel = 8});
  CHECK(s.stage == 0);
  CHECK(s.stage_layers == 12);
  const std::int64_t h = 12288;
  CHECK(s.parameters.sharded == 12 * (12 * h * h + 7 * h) / 8 + 6400 * h);
  CHECK(s.parameters.replicated == 12 * 6 * h + 2048 * h);
}

TEST_CASE("routed experts are replicated over data parallelism divided by expert parallelism") {
  const TrainingState s =
      training_state(preset("mixtral-8x7b"), {.data_parallel = 16, .expert_parallel = 8, .zero_stage = 1});
  CHECK(s.parameters.routed_experts == 32 * std::int64_t{3} * 4096 * 14336);
  CHECK(s.dense.optimizer == Bytes(12.0 / 16));
  CHECK(s.experts.optimizer == Bytes(12.0 / 2));
}

TEST_CASE("key-value cache per token of published models") {
  CHECK(kib_per_token("llama2-7b") == 512);  // 2 * 32 layers * 32 heads * 128 * 2 B
  CHECK(kib_per_token("llama2-13b") == 800);
  CHECK(kib_per_token("llama2-70b") == 320);
  CHECK(kib_per_token("llama3-8b") == 128);
  CHECK(kib_per_token("llama3.1-405b") == 504);
  CHECK(kib_per_token("gpt3-175b") == 4608);
}

TEST_CASE("latent attention caches only the latent and the rotary key") {
  // 61 * (512 + 64) * 2 B, whatever the tensor parallelism
  CHECK(kv_cache_per_token(preset("deepseek-v3"), DataType::bf16, 1) == Bytes(70'272));
  CHECK(kv_cache_per_token(preset("deepseek-v3"), DataType::bf16, 8) == Bytes(70'272));
}

TEST_CASE("8192 tokens of Llama-3-70B fill 2.5 GiB") {
  CHECK(in_gib(kv_cache(preset("llama3-70b"), 8192, DataType::bf16, 1)) == 2.5);
}

TEST_CASE("tensor parallelism beyond the key-value heads does not shrink the cache further") {
  const ModelShape m = preset("llama3-70b");
  CHECK(kv_cache_per_token(m, DataType::bf16, 8) == kv_cache_per_token(m, DataType::bf16, 16));
}

TEST_CASE("a sliding window bounds the cache") {
  const ModelShape m = preset("mistral-7b");
  CHECK(kv_cache(m, 32768, DataType::bf16, 1) == kv_cache(m, 4096, DataType::bf16, 1));
}

}  // namespace
}  // namespace trainyard
