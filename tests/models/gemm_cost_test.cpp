// The formula with fixed constants, whose values guard the implementation; surfaces by hand.
#include "models/gemm_cost.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <utility>
#include <vector>

#include "models/operator_cost.hpp"
#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

// Two knots per axis, the ratio of (m, n, k) = 1 + 0.1 [m up] + 0.2 [n up] + 0.4 [k up].
GemmSurface two_by_two_by_two() {
  return {.m = {64, 1024}, .n = {256, 4096}, .k = {512, 2048}, .ratio = {1.0, 1.4, 1.2, 1.6, 1.1, 1.5, 1.3, 1.7}};
}
double ratio_at(std::int64_t m, std::int64_t n, std::int64_t k) {
  return surface_ratio(two_by_two_by_two(), {.m = m, .n = n, .k = k});
}

// Constants fitted to Vidur's GEMM profiles; no surfaces.
DeviceProfile a100_of_vidur() {
  DeviceProfile d = load_device_profile("a100-sxm-80gb");
  d.gemm = {.sustained = 0.785,
            .tile_efficiency = {1.0, 0.985, 0.638, 0.641, 0.660, 0.286},
            .k_overhead = 83,
            .wave_softness = 0.35,
            .memory_efficiency = 0.756,
            .fixed = 3.4_us,
            .blend = 7.8,
            .split_k_traffic = 1.9,
            .surface = {}};
  return d;
}
DeviceProfile h100_of_vidur() {
  DeviceProfile d = load_device_profile("h100-sxm-80gb");
  d.gemm = {.sustained = 0.742,
            .tile_efficiency = {1.0, 0.993, 0.705, 0.619, 0.696, 0.318},
            .k_overhead = 0,
            .wave_softness = 0.4,
            .memory_efficiency = 0.906,
            .fixed = 5.5_us,
            .blend = 4.4,
            .split_k_traffic = 2.2,
            .surface = {}};
  return d;
}
double microseconds(const Gemm& g, const DeviceProfile& d) { return benchmark_gemm_time(g, d).value * 1e6; }

}  // namespace

TEST_CASE("A100 GEMM times are the regression values of the model") {
  const DeviceProfile a100 = a100_of_vidur();
  CHECK(microseconds({4096, 57344, 8192}, a100) == Approx(15923).epsilon(0.005));  // measured 15940
  CHECK(microseconds({4096, 8192, 28672}, a100) == Approx(8007).epsilon(0.005));
  CHECK(microseconds({4096, 1280, 8192}, a100) == Approx(365).epsilon(0.005));
  CHECK(microseconds({2048, 8192, 3584}, a100) == Approx(515).epsilon(0.005));
  CHECK(microseconds({128, 8192, 8192}, a100) == Approx(116.8).epsilon(0.005));
  CHECK(microseconds({1, 57344, 8192}, a100) == Approx(613).epsilon(0.005));
  CHECK(microseconds({8192, 2304, 6144}, a100) == Approx(988).epsilon(0.005));
}

TEST_CASE("H100 GEMM times are the regression values of the model") {
  const DeviceProfile h100 = h100_of_vidur();
  CHECK(microseconds({4096, 57344, 8192}, h100) == Approx(5274).epsilon(0.005));
  CHECK(microseconds({4096, 8192, 28672}, h100) == Approx(2659).epsilon(0.005));
  CHECK(microseconds({4096, 1280, 8192}, h100) == Approx(134.6).epsilon(0.005));
  CHECK(microseconds({2048, 8192, 3584}, h100) == Approx(171.4).epsilon(0.005));
  CHECK(microseconds({128, 8192, 8192}, h100) == Approx(53.7).epsilon(0.005));
  CHECK(microseconds({1, 57344, 8192}, h100) == Approx(315).epsilon(0.005));
  CHECK(microseconds({8192, 2304, 6144}, h100) == Approx(328).epsilon(0.005));
}

// Missed today: the MLP-down GEMM at TP 8 comes out 14 % slow and the block's sum 6.4 %; the tile model's H100
// constants take a wave of 128-row tiles that cuBLAS avoids there.
TEST_CASE("H100 GEMMs of a Llama-2-70B block are within 12 % of measurements, their sum within 5 %", "[!mayfail]") {
  const DeviceProfile h100 = h100_of_vidur();
  struct Measured {
    Gemm gemm;
    double us;
  };
  // Vidur profiles, M = 4096: QKV, out, MLP up (gate and up), MLP down.
  const std::vector<Measured> tp8 = {
      {{4096, 1280, 8192}, 148}, {{4096, 8192, 1024}, 92}, {{4096, 7168, 8192}, 631}, {{4096, 8192, 3584}, 295}};
  const std::vector<Measured> tp1 = {{{4096, 10240, 8192}, 982.5},
                                     {{4096, 8192, 8192}, 788.5},
                                     {{4096, 57344, 8192}, 5668.5},
                                     {{4096, 8192, 28672}, 2647}};
  for (const auto& block : {tp8, tp1}) {
    double sum = 0, measured = 0;
    for (const Measured& m : block) {
      CHECK(microseconds(m.gemm, h100) == Approx(m.us).epsilon(0.12));
      sum += microseconds(m.gemm, h100);
      measured += m.us;
    }
    CHECK(sum == Approx(measured).epsilon(0.05));
  }
}

TEST_CASE("more of anything is never faster by the formula") {
  const DeviceProfile a100 = a100_of_vidur();
  for (std::int64_t m : {256, 1024, 4096})
    for (std::int64_t n : {256, 2048})
      for (std::int64_t k : {512, 4096}) {
        const Seconds t = benchmark_gemm_time({m, n, k}, a100);
        CHECK(benchmark_gemm_time({2 * m, n, k}, a100) >= t);
        CHECK(benchmark_gemm_time({m, 2 * n, k}, a100) >= t);
        CHECK(benchmark_gemm_time({m, n, 2 * k}, a100) >= t);
      }
}

// Below one wave of tiles the libraries themselves take some larger GEMMs faster, and so do the measured surfaces.
TEST_CASE("twice the work of a GEMM that fills the device is never faster with the shipped surfaces") {
  for (const char* name : {"a100-sxm-80gb", "h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb"}) {
    const DeviceProfile d = load_device_profile(name);
    for (const DataType type : {DataType::bf16, DataType::fp8, DataType::nvfp4})
      for (std::int64_t m : {2048, 8192, 32768})
        for (std::int64_t n : {2048, 4096, 16384})
          for (std::int64_t k : {1024, 4096, 16384}) {
            const auto time = [&](std::int64_t a, std::int64_t b, std::int64_t c) {
              return benchmark_gemm_time({.m = a, .n = b, .k = c, .type = type}, d);
            };
            INFO(name << " " << m << " " << n << " " << k);
            CHECK(time(2 * m, n, k) >= time(m, n, k));
            CHECK(time(m, 2 * n, k) >= time(m, n, k));
            CHECK(time(m, n, 2 * k) >= time(m, n, k));
          }
  }
}

TEST_CASE("H800 fp8 GEMMs follow DeepGEMM's 1500 K / (K + 510) TFLOP/s within 4 %") {
  DeviceProfile h100 = h100_of_vidur();
  h100.fp8 = {.sustained = 0.77, .k_overhead = 460, .training_derate = 1, .surface = {}};
  // DeepGEMM's dense shapes of M = 4096; measured 751, 1125, 1168 and 1426.
  for (const auto& [n, k] : {std::pair{32768, 512}, {24576, 1536}, {7168, 2048}, {7168, 16384}}) {
    const Gemm g{.m = 4096, .n = n, .k = k, .type = DataType::fp8};
    const double tflops = (flops({"gemm", g}) / benchmark_gemm_time(g, h100)).value / 1e12;
    CHECK(tflops == Approx(1500.0 * k / (k + 510.0)).epsilon(0.04));
  }
}

TEST_CASE("a type without tensor cores of its own runs as 16 bit") {
  const DeviceProfile a100 = load_device_profile("a100-sxm-80gb");
  Gemm g{.m = 4096, .n = 8192, .k = 8192};
  const Seconds half = benchmark_gemm_time(g, a100);
  CHECK(gemm_peak(DataType::fp8, a100).value == 0);
  g.type = DataType::fp8;
  CHECK(benchmark_gemm_time(g, a100) == half);
}

TEST_CASE("NVFP4 is faster than fp8 on Blackwell, fp8 than bf16 on Hopper") {
  const DeviceProfile b200 = load_device_profile("b200-sxm-180gb");
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  const auto time = [](DataType type, const DeviceProfile& d) {
    return benchmark_gemm_time({.m = 8192, .n = 8192, .k = 8192, .type = type}, d);
  };
  CHECK(time(DataType::nvfp4, b200) < time(DataType::fp8, b200));
  CHECK(time(DataType::fp8, h100) < time(DataType::bf16, h100));
}

TEST_CASE("the ratio at a knot is the knot's") {
  CHECK(ratio_at(64, 256, 512) == Approx(1.0));
  CHECK(ratio_at(64, 256, 2048) == Approx(1.4));
  CHECK(ratio_at(64, 4096, 512) == Approx(1.2));
  CHECK(ratio_at(1024, 256, 512) == Approx(1.1));
  CHECK(ratio_at(1024, 4096, 2048) == Approx(1.7));
}

TEST_CASE("between two knots the ratio is linear in the logarithm") {
  // 64 to 1024 are four octaves: 256 is half way, 128 a quarter. 512 to 2048: 1024 is half way.
  CHECK(ratio_at(256, 256, 512) == Approx(1.05));
  CHECK(ratio_at(128, 256, 512) == Approx(1.025));
  CHECK(ratio_at(64, 1024, 512) == Approx(1.1));
  // Half way on each axis: 1 + 0.05 + 0.1 + 0.2.
  CHECK(ratio_at(256, 1024, 1024) == Approx(1.35));
}

TEST_CASE("beyond the knots the ratio is that of the nearest") {
  CHECK(ratio_at(1, 1, 1) == Approx(1.0));
  CHECK(ratio_at(1'000'000, 1'000'000, 1'000'000) == Approx(1.7));
  CHECK(ratio_at(1, 1024, 1'000'000) == Approx(1.5));  // half way in n, k up: 1 + 0.1 + 0.4
}

TEST_CASE("an axis with one knot and an empty surface do not matter") {
  const GemmSurface one{.m = {512}, .n = {512, 2048}, .k = {512}, .ratio = {0.9, 1.1}};
  CHECK(surface_ratio(one, {.m = 7, .n = 1024, .k = 70000}) == Approx(1.0));
  CHECK(surface_ratio({}, {.m = 7, .n = 1024, .k = 70000}) == 1.0);
}

TEST_CASE("the weights of a shape's knots sum to 1") {
  const GemmSurface surface = two_by_two_by_two();
  for (const std::int64_t m : {1, 64, 65, 1000, 5000}) {
    const SurfaceWeights at = surface_weights(surface, {.m = m, .n = 300, .k = 600});
    double sum = 0;
    for (std::size_t i = 0; i < at.knot.size(); ++i) {
      CHECK(at.knot[i] < surface.ratio.size());
      CHECK(at.weight[i] >= 0);
      sum += at.weight[i];
    }
    CHECK(sum == Approx(1.0));
  }
}

TEST_CASE("a GEMM takes the ratio times what the formula says, launch included") {
  DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  h100.gemm.surface = {};
  Gemm g{.m = 256, .n = 1024, .k = 1024};
  const Seconds bare = benchmark_gemm_time(g, h100);
  h100.gemm.surface = two_by_two_by_two();
  CHECK(benchmark_gemm_time(g, h100).value == Approx(1.35 * bare.value));
}

TEST_CASE("the surface of 16-bit GEMMs leaves fp8 alone, and the other way round") {
  DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  h100.gemm.surface = h100.fp8.surface = {};
  const Gemm half{.m = 4096, .n = 4096, .k = 4096};
  const Gemm fp8{.m = 4096, .n = 4096, .k = 4096, .type = DataType::fp8};
  const Seconds half_bare = benchmark_gemm_time(half, h100);
  const Seconds fp8_bare = benchmark_gemm_time(fp8, h100);
  h100.fp8.surface = two_by_two_by_two();
  CHECK(benchmark_gemm_time(half, h100) == half_bare);
  CHECK(benchmark_gemm_time(fp8, h100).value == Approx(1.7 * fp8_bare.value));
}

TEST_CASE("a type that runs as 16 bit takes the surface of 16 bit") {
  DeviceProfile a100 = load_device_profile("a100-sxm-80gb");
  a100.gemm.surface = two_by_two_by_two();
  a100.fp8.surface = {.m = {512}, .n = {512}, .k = {512}, .ratio = {3}};
  const Gemm half{.m = 4096, .n = 4096, .k = 4096};
  const Gemm fp8{.m = 4096, .n = 4096, .k = 4096, .type = DataType::fp8};
  CHECK(benchmark_gemm_time(fp8, a100) == benchmark_gemm_time(half, a100));
}

TEST_CASE("the groups of a grouped GEMM take the ratio of one group's shape") {
  DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  h100.gemm.surface = {};
  const Gemm experts{.m = 256, .n = 1024, .k = 1024, .groups = 32};
  const Seconds bare = benchmark_gemm_time(experts, h100);
  h100.gemm.surface = two_by_two_by_two();
  CHECK(benchmark_gemm_time(experts, h100).value == Approx(1.35 * bare.value));
}

// The kernels of a device with one SM, peak 1 TFLOP/s, memory 1 GB/s and one usable tile, by hand.
TEST_CASE("the fastest kernel is the least blend of compute and memory time") {
  DeviceProfile d;
  d.multiprocessors = 1;
  d.peak_half = FlopsPerSecond(1e12);
  d.memory_bandwidth = BytesPerSecond(1e9);
  d.gemm = {.sustained = 0.5,
            .tile_efficiency = {1, 0, 0, 0, 0, 0},
            .k_overhead = 0,
            .wave_softness = 1,
            .memory_efficiency = 1,
            .fixed = 3_us,
            .blend = 2,
            .split_k_traffic = 1,
            .surface = {}};
  // 128 x 256 tiles: one tile of 2 x 128 x 256 x 256 FLOP at 0.5 TFLOP/s is 33.55 us. Bytes: 2 x (128 x 256 + 256 x 256
  // + 128 x 256) = 262144, 262.14 us at 1 GB/s. sqrt(33.55^2 + 262.14^2) + 3 us = 267.28 us.
  CHECK(benchmark_gemm_time({128, 256, 256}, d).value == Approx(267.28e-6).epsilon(1e-4));
  // With 1000 GB/s: 0.262 us, below a twentieth of the compute time, which then stands alone.
  d.memory_bandwidth = BytesPerSecond(1e12);
  CHECK(benchmark_gemm_time({128, 256, 256}, d).value == Approx(36.55e-6).epsilon(1e-3));
}
