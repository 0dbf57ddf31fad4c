#include "models/model_flops.hpp"

#include <catch2/catch.hpp>

#include <cmath>

#include "models/model_config.hpp"
#include "models/parameter_count.hpp"

namespace trainyard {
namespace {

ModelShape preset(std::string_view name) { return load_model(name).shape; }

// The vocabulary that the Megatron papers count with.
ModelShape padded(std::string_view name) {
  ModelShape m = preset(name);
  m.vocabulary = 51200;
  return m;
}

double flops(const ModelShape& m, FlopsConvention c, std::int64_t sequences, std::int64_t length = 2048) {
  return model_flops(m, c, sequences, length).value;
}

Approx to_digits(double expected, int digits) { return Approx(expected).epsilon(0.5 * std::pow(10.0, -(digits - 1))); }

double percent_of_peak(double flops_per_step, double seconds, int gpus, double peak) {
  return 100 * flops_per_step / seconds / gpus / peak;
}

TEST_CASE("Korthikanti's closed form 72 B L s h^2 (1 + s/6h + V/12hL) is the sum over matrices") {
  const double b = 64, l = 96, s = 2048, h = 12288, v = 51200;
  const double closed = 72 * b * l * s * h * h * (1 + s / (6 * h) + v / (12 * h * l));
  CHECK(flops(padded("gpt3-175b"), FlopsConvention::korthikanti_2022, 64) == Approx(closed).epsilon(1e-12));
}

TEST_CASE("Korthikanti model FLOPs of the four table rows") {
  const auto count = [](std::string_view name, std::int64_t sequences) {
    return flops(padded(name), FlopsConvention::korthikanti_2022, sequences);
  };
  CHECK(count("megatron-22b", 4) == to_digits(1.143561e15, 7));
  CHECK(count("gpt3-175b", 64) == to_digits(1.410915e17, 7));
  CHECK(count("megatron-530b", 280) == to_digits(1.852230e18, 7));
  CHECK(count("megatron-1t", 512) == to_digits(6.425876e18, 7));
}

TEST_CASE("published step times give the published model FLOPs utilization") {
  // arXiv 2205.05198 Table 5, sequence parallelism and selective recompute, A100 at 312 TFLOPS
  const auto mfu = [](std::string_view name, std::int64_t sequences, double seconds, int gpus) {
    return percent_of_peak(flops(padded(name), FlopsConvention::korthikanti_2022, sequences), seconds, gpus, 312e12);
  };
  CHECK(mfu("megatron-22b", 4, 1.10, 8) == Approx(41.5).margin(0.2));
  CHECK(mfu("gpt3-175b", 64, 13.75, 64) == Approx(51.4).margin(0.2));
  CHECK(mfu("megatron-530b", 280, 37.83, 280) == Approx(56.0).margin(0.2));
  CHECK(mfu("megatron-1t", 512, 71.49, 512) == Approx(56.3).margin(0.2));
}

TEST_CASE("published step times give the published hardware FLOPs utilization") {
  const auto hfu = [](std::string_view name, std::int64_t sequences, double seconds, int gpus) {
    const auto convention = FlopsConvention::korthikanti_2022_hardware;
    return percent_of_peak(flops(padded(name), convention, sequences), seconds, gpus, 312e12);
  };
  CHECK(hfu("megatron-22b", 4, 1.10, 8) == Approx(43.7).margin(0.2));
  CHECK(hfu("gpt3-175b", 64, 13.75, 64) == Approx(52.8).margin(0.2));
  CHECK(hfu("megatron-530b", 280, 37.83, 280) == Approx(57.0).margin(0.2));
  CHECK(hfu("megatron-1t", 512, 71.49, 512) == Approx(57.0).margin(0.2));
}

TEST_CASE(
    "Narayanan's closed form 96 B s L h^2 (1 + s/6h + V/16Lh) is four passes of the layers and three of the head") {
  const double b = 3072, l = 128, s = 2048, h = 25600, v = 51200;
  const double closed = 96 * b * s * l * h * h * (1 + s / (6 * h) + v / (16 * l * h));
  CHECK(flops(preset("megatron-1t"), FlopsConvention::narayanan_2021, 3072) == Approx(closed).epsilon(1e-12));
}

TEST_CASE("Narayanan's training times are 8 T P / (n X)") {
  const auto days = [](std::string_view name, double tokens, int gpus, double flops_per_gpu) {
    const double passes = 8.0 / 6.0;  // with the recompute forward
    const double n = static_cast<double>(count_parameters(preset(name)).total);
    return passes * 6 * n * tokens / (gpus * flops_per_gpu) / 86400;
  };
  CHECK(days("megatron-1t", 450e9, 3072, 163e12) == Approx(84).epsilon(0.015));
  CHECK(days("gpt3-175b", 300e9, 1024, 140e12) == Approx(34).epsilon(0.01));
}

TEST_CASE("MegaScale's published utilization follows from its step time") {
  // arXiv 2402.15627: 12 288 A100, 6144 sequences of 2048 tokens in 6.34 s (MegaScale) and 8.57 s (Megatron-LM)
  const double step = flops(preset("megascale-175b"), FlopsConvention::korthikanti_2022, 6144);
  CHECK(percent_of_peak(step, 6.34, 12288, 312e12) == Approx(55.2).margin(0.6));
  CHECK(percent_of_peak(step, 8.57, 12288, 312e12) == Approx(41.2).margin(0.6));
}

TEST_CASE("a causal forward token of Llama-3-8B is 17.2 GFLOP at 8192 tokens") {
  // 2*32*218 103 808 matrices + 32*4*4096*4096 attention + 2*4096*128256 head
  const ModelShape m = preset("llama3-8b");
  CHECK(forward_flops_per_token(m, 8192).value == 13'958'643'712.0 + 2'147'483'648.0 + 1'050'673'152.0);
  CHECK(flops(m, FlopsConvention::megatron_lm, 1, 8192) / 8192 == to_digits(5.147e10, 4));
}

TEST_CASE("causal forward FLOPs per token of larger models") {
  CHECK(forward_flops_per_token(preset("llama2-7b"), 4096).value == to_digits(1.4288e10, 5));
  CHECK(forward_flops_per_token(preset("llama3-70b"), 8192).value == to_digits(1.4974e11, 5));
  CHECK(forward_flops_per_token(preset("llama3.1-405b"), 8192).value == to_digits(8.413e11, 4));
}

TEST_CASE("DeepSeek-V3 counts latent attention, the router and its nine active experts") {
  const ModelShape m = preset("deepseek-v3");
  CHECK(forward_flops_per_token(m, 4096).value == to_digits(8.348e10, 4));
  CHECK(flops(m, FlopsConvention::megatron_lm, 1, 4096) / 4096 == to_digits(2.505e11, 4));
}

TEST_CASE("a multi-token prediction module adds a layer, a projection and a second head") {
  ModelShape m = preset("deepseek-v3");
  const double main = forward_flops_per_token(m, 4096).value;
  m.multi_token_prediction_layers = 1;
  const double core = 2.0 * 2048 * 128 * (192 + 128);
  const double layer = 2.0 * static_cast<double>(matrix_parameters_per_token(m, true)) + core;
  const double added = layer + 2.0 * 2 * 7168 * 7168 + 2.0 * 7168 * 129280;
  CHECK(forward_flops_per_token(m, 4096).value - main == Approx(added).epsilon(1e-12));
}

TEST_CASE("six N is six times the active parameters per token") {
  // Llama-3.1-405B, 15.6e12 tokens: the paper's 3.8e25 FLOPs
  const double per_token = flops(preset("llama3.1-405b"), FlopsConvention::six_n, 1, 1);
  CHECK(per_token * 15.6e12 == Approx(3.8e25).epsilon(0.005));
  CHECK(flops(preset("mixtral-8x7b"), FlopsConvention::six_n, 1, 1) == 6.0 * 12'879'925'248);
}

TEST_CASE("PaLM's convention adds 12 L a d s per token") {
  const ModelShape m = preset("mpt-7b");
  const double n = static_cast<double>(count_parameters(m).total);
  CHECK(flops(m, FlopsConvention::palm_2022, 1, 2048) == Approx(2048 * (6 * n + 12.0 * 32 * 4096 * 2048)));
}

TEST_CASE("DeepSeek-V3's published GPU hours are 386 TFLOPS per GPU") {
  // 14.8e12 tokens in 2.664e6 H800 hours = 1543 tokens/s per GPU
  const double tokens_per_second = 14.8e12 / (2.664e6 * 3600);
  CHECK(tokens_per_second == Approx(1543).epsilon(0.001));
  const double per_token = flops(preset("deepseek-v3"), FlopsConvention::megatron_lm, 1, 4096) / 4096;
  CHECK(per_token * tokens_per_second == Approx(386e12).epsilon(0.015));
}

TEST_CASE("Llama-3.1-405B at 400 TFLOPS on 16 384 GPUs takes 6.46 s for 2048 sequences of 8192 tokens") {
  const Flops step = model_flops(preset("llama3.1-405b"), FlopsConvention::megatron_lm, 2048, 8192);
  CHECK((step / FlopsPerSecond(16384 * 400e12)).value == Approx(6.46).margin(0.005));
}

TEST_CASE("a sliding window never costs more than full causal attention") {
  ModelShape m = preset("llama3-8b");
  const Flops full = forward_flops_per_token(m, 8192);
  Flops before;
  for (const std::int64_t window : {1, 128, 4096, 8191, 8192, 10000}) {
    m.sliding_window = window;
    const Flops now = forward_flops_per_token(m, 8192);
    CHECK(now >= before);
    CHECK(now <= full);
    before = now;
  }
  CHECK(before == full);
}

TEST_CASE("every convention is found by its name") {
  for (const FlopsConvention c : flops_conventions) CHECK(flops_convention_from(name(c)) == c);
  CHECK_FALSE(flops_convention_from("megatron"));
  CHECK(description(FlopsConvention::megatron_lm) == "megatron-lm (causal attention, no recompute)");
}

}  // namespace
}  // namespace trainyard
