// Times of operators with the constants of the shipped profiles, against published figures.
#include "models/operator_cost.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

// FLOPs as the FlashAttention papers count them: 4 b s^2 a d forward, half if causal.
double paper_tflops(const Attention& a, AttentionKernel kernel, const DeviceProfile& d, bool causal) {
  const double s = static_cast<double>(a.length);
  const double flop = (a.backward ? 2.5 : 1.0) * 4.0 * static_cast<double>(a.sequences * a.heads * a.d_qk) * s * s *
                      (causal ? 0.5 : 1.0);
  return flop / attention_time(a, kernel, d).value / 1e12;
}

}  // namespace

TEST_CASE("FlashAttention-3 forward on H100 is within 10 % of the paper's figures") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  // b s = 16k, 16 heads, d = 128, causal: 292 TFLOP/s at s = 512, 616 at 16k.
  CHECK(paper_tflops({1, 16384, 16, 128, 128}, AttentionKernel::flash3, h100, true) == Approx(616).epsilon(0.10));
  CHECK(paper_tflops({32, 512, 16, 128, 128}, AttentionKernel::flash3, h100, true) == Approx(292).epsilon(0.10));
  // Every key attended, s = 16k: 648 TFLOP/s.
  CHECK(paper_tflops({1, 16384, 16, 128, 128, 0, false, false}, AttentionKernel::flash3, h100, false) ==
        Approx(648).epsilon(0.10));
}

TEST_CASE("FlashAttention-2 backward on H100 is within 2 % of the paper's 322 TFLOP/s at 16k") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  CHECK(paper_tflops({1, 16384, 16, 128, 128, 0, true, false}, AttentionKernel::flash2, h100, false) ==
        Approx(322).epsilon(0.02));
}

TEST_CASE("attention time is never less than its FLOPs at the kernel's rate") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  for (std::int64_t s : {128, 1000, 4096, 131072})
    for (bool backward : {false, true}) {
      Attention a{1, s, 8, 128, 128, 0, backward};
      const auto& model = (backward ? h100.attention_backward : h100.attention_forward)[2];
      CHECK(attention_time(a, AttentionKernel::flash2, h100) >=
            flops({"attention", a}) / (model.efficiency * h100.peak_half));
    }
}

TEST_CASE("a sliding window makes attention cheaper, a window of the whole sequence changes nothing") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  const Attention full{1, 32768, 8, 128, 128};
  Attention window = full;
  window.window = 4096;
  CHECK(attention_time(window, AttentionKernel::flash3, h100) <
        0.35 * attention_time(full, AttentionKernel::flash3, h100));
  window.window = 32768;
  CHECK(attention_time(window, AttentionKernel::flash3, h100) == attention_time(full, AttentionKernel::flash3, h100));
}

TEST_CASE("a memory-bound kernel takes its launch and its bytes") {
  DeviceProfile d;
  d.kernel_launch = 3_us;
  d.memory_bandwidth = 1000_GBps;
  d.fused_efficiency = 0.8;
  // 3 µs + 800 MB / (0.8 x 1000 GB/s) = 1003 µs
  CHECK(memory_bound_time({800_MB, MemoryKind::fused, 1}, d).value == Approx(1003e-6));
}

TEST_CASE("a big fp8 GEMM of a training step runs at 1180 TFLOP/s on H100") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  const Operator up{"mlp_up", Gemm{.m = 8192, .n = 28672, .k = 8192, .type = DataType::fp8}};
  CHECK((flops(up) / operator_time(up, h100, AttentionKernel::flash3)).value == Approx(1180e12).epsilon(0.03));
}

TEST_CASE("a training step slows down the GEMMs that keep the tensor cores busy, by the square of how busy") {
  DeviceProfile device;
  device.multiprocessors = 100;
  device.peak_half = FlopsPerSecond(100e12);
  device.memory_bandwidth = BytesPerSecond(1e12);
  device.gemm.sustained = 0.8;
  device.gemm.tile_efficiency = {1, 0, 0, 0, 0, 0};
  device.gemm.memory_efficiency = 1;
  device.gemm.blend = 1000;  // the larger of arithmetic and memory
  device.training_derate = 0.75;
  const auto slowdown = [&](const Gemm& gemm) {
    return operator_time({"gemm", gemm}, device, AttentionKernel::flash2) / benchmark_gemm_time(gemm, device);
  };
  // 100 tiles of 256 x 128: one full wave, all arithmetic: 80 TFLOP/s, u = 1.
  CHECK(slowdown({.m = 2560, .n = 1280, .k = 8192}) == Approx(1 / 0.75));
  // 50 tiles on 100 multiprocessors, K too short to split: u = 1/2, 1 - 0.25 / 4.
  CHECK(slowdown({.m = 2560, .n = 640, .k = 256}) == Approx(1 / 0.9375));
  // One row: 256 times the arithmetic of its tile is not used; memory and waves set the pace.
  CHECK(slowdown({.m = 1, .n = 1280, .k = 8192}) == Approx(1.0).epsilon(1e-4));
}

TEST_CASE("grouped GEMMs of experts reach the measured share of the peak") {
  const auto share_of_peak = [](const Gemm& g, const DeviceProfile& d) {
    const Operator op{"experts", g};
    return flops(op) / operator_time(op, d, AttentionKernel::flash3) / gemm_peak(g.type, d);
  };
  // SimuMax, A100: 40 experts of 616 rows 0.63 forward, 0.52 weight gradient. B200: 40 of 2460, 0.49, 0.42.
  const DeviceProfile a100 = load_device_profile("a100-sxm-80gb");
  CHECK(share_of_peak({.m = 616, .n = 4096, .k = 7168, .groups = 40}, a100) == Approx(0.63).epsilon(0.08));
  CHECK(share_of_peak({.m = 4096, .n = 7168, .k = 616, .accumulate = true, .weight_gradient = true, .groups = 40},
                      a100) == Approx(0.52).epsilon(0.08));
  const DeviceProfile b200 = load_device_profile("b200-sxm-180gb");
  CHECK(share_of_peak({.m = 2460, .n = 4096, .k = 7168, .groups = 40}, b200) == Approx(0.49).epsilon(0.08));
  // DeepGEMM, H800 fp8, contiguous layout: 1346 and 1214 TFLOP/s.
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  for (const auto& [n, k, tflops] : {std::tuple{4096, 7168, 1346.0}, {7168, 2048, 1214.0}}) {
    const Gemm g{.m = 8192, .n = n, .k = k, .groups = 4, .type = DataType::fp8};
    CHECK((flops({"experts", g}) / benchmark_gemm_time(g, h100)).value / 1e12 == Approx(tflops).epsilon(0.03));
  }
}

TEST_CASE("one launch of many experts loses no more than the efficiency of the grouped kernel") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  for (std::int64_t rows : {64, 512, 4096}) {
    const Gemm one{.m = rows, .n = 4096, .k = 7168};
    Gemm all = one;
    all.groups = 32;
    // At most the grouped kernel's 3 % slower, where launches and part-filled waves do not matter.
    CHECK(benchmark_gemm_time(all, h100) <= 32 / h100.grouped_gemm_efficiency * benchmark_gemm_time(one, h100));
  }
}

TEST_CASE("latent attention of DeepSeek-V3 takes what its published profile shows, within 7 %") {
  // H800, 4096 tokens, 128 heads, 192 and 128 wide: 1237 us forward; backward 3779 us with 475 us around it.
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  Attention a{1, 4096, 128, 192, 128};
  CHECK(attention_time(a, AttentionKernel::flash3, h100).value == Approx(1237e-6).epsilon(0.07));
  a.backward = true;
  CHECK(attention_time(a, AttentionKernel::flash3, h100).value == Approx(4254e-6).epsilon(0.07));
}

TEST_CASE("a balanced share of a causal triangle costs its share of the whole") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  const Attention whole{1, 131072, 8, 128, 128};
  Attention quarter = whole;
  quarter.length /= 4;
  quarter.keys = whole.length;
  quarter.balanced = true;
  CHECK(4 * flops({"attention", quarter}).value == Approx(flops({"attention", whole}).value).epsilon(1e-12));
  // The longest block, of all keys, ends each of the four: half a block per SM in the tail.
  CHECK(4 * attention_time(quarter, AttentionKernel::flash3, h100) >=
        attention_time(whole, AttentionKernel::flash3, h100));
  CHECK(4 * attention_time(quarter, AttentionKernel::flash3, h100).value ==
        Approx(attention_time(whole, AttentionKernel::flash3, h100).value).epsilon(0.05));
}

TEST_CASE("fp8 transposes cost traffic on Hopper only") {
  const MemoryBound cast{.bytes = 300_MB, .transposes = 100_MB};
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  CHECK(memory_bound_time(cast, h100) == memory_bound_time({.bytes = 400_MB}, h100));
  const DeviceProfile b200 = load_device_profile("b200-sxm-180gb");
  CHECK(memory_bound_time(cast, b200) == memory_bound_time({.bytes = 300_MB}, b200));
}

TEST_CASE("a device with fp8 tensor cores that reach nothing is refused") {
  const std::string path = (std::filesystem::temp_directory_path() / "trainyard_device_without_fp8_rate.yaml").string();
  std::ofstream(path) << "kind: device\nname: slow\ninherits: h100-sxm-80gb\nconstants:\n"
                         "  fp8.sustained: {value: 0, source: nowhere}\n";
  CHECK_THROWS_WITH(load_device_profile(path), Catch::Contains("'fp8.sustained' must be above 0"));
}
