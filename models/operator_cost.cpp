#include "models/operator_cost.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace trainyard {
namespace {

struct Tile {
  double rows;
  double columns;
  std::size_t tile_class;
};
constexpr std::array tiles = {Tile{256, 128, 0}, Tile{128, 256, 0}, Tile{128, 128, 1}, Tile{256, 64, 2},
                              Tile{64, 256, 2},  Tile{128, 64, 3},  Tile{64, 128, 3},  Tile{64, 64, 4},
                              Tile{32, 64, 5},   Tile{64, 32, 5},   Tile{32, 128, 5},  Tile{16, 64, 5},
                              Tile{16, 128, 5}};
constexpr std::array split_ways = {1.0, 2.0, 3.0, 4.0, 6.0, 8.0};
constexpr double half_bytes = 2.0;
constexpr double attention_rows = 128.0;
constexpr Seconds attention_launch{3e-6};

double blended(double a, double b, double q) {
  const double high = std::max(a, b);
  const double low = std::min(a, b);
  if (high <= 0) return 0;
  const double ratio = low / high;
  if (ratio < 0.05) return high;
  return high * std::pow(1.0 + std::pow(ratio, q), 1.0 / q);
}

Seconds batched_gemm_time(const Gemm& g, const DeviceProfile& device) {
  const double m = static_cast<double>(g.m), n = static_cast<double>(g.n), k = static_cast<double>(g.k);
  const double batch = static_cast<double>(g.batch);
  const Flops work(2.0 * m * n * k * batch);
  const Bytes traffic(half_bytes * batch * (m * k + k * n + m * n));
  const Seconds math = work / (device.batched_gemm_efficiency * device.peak_half);
  const Seconds memory = traffic / (device.gemm.memory_efficiency * device.memory_bandwidth);
  return Seconds(blended(math.value, memory.value, 4.0)) + device.gemm.fixed;
}

// What the tensor cores do with operands of one type.
struct MathUnit {
  double rate;  // FLOP/s sustained
  double k_overhead;
  double operand_bytes;  // scales included
};
MathUnit math_unit(DataType type, const DeviceProfile& device) {
  constexpr double nvfp4_bytes = 0.5 + 1.0 / 16;  // an E4M3 scale per 16 elements
  if (type == DataType::fp8 && device.peak_fp8.value > 0)
    return {device.fp8.sustained * device.peak_fp8.value, device.fp8.k_overhead, 1.0};
  if (type == DataType::nvfp4 && device.peak_fp4.value > 0)
    return {device.fp4.sustained * device.peak_fp4.value, device.fp4.k_overhead, nvfp4_bytes};
  return {device.gemm.sustained * device.peak_half.value, device.gemm.k_overhead, half_bytes};
}

double training_derate(DataType type, const DeviceProfile& device) {
  if (type == DataType::fp8 && device.peak_fp8.value > 0) return device.fp8.training_derate;
  if (type == DataType::nvfp4 && device.peak_fp4.value > 0) return device.fp4.training_derate;
  return device.training_derate;
}

// Keys seen by the 128-row blocks of one head: their sum, and the longest block's.
struct KeyBlocks {
  double sum;
  double longest;
};
KeyBlocks keys_seen(const Attention& a) {
  const double keys = static_cast<double>(a.keys > 0 ? a.keys : a.length);
  const double window = a.window > 0 ? std::min(keys, static_cast<double>(a.window)) : keys;
  const double query_blocks = std::ceil(static_cast<double>(a.length) / attention_rows);
  const double blocks = a.balanced ? std::ceil(keys / attention_rows) : query_blocks;
  // Causal: block i sees min(window, 128 (i+1)) keys; the first `ramp` blocks are below the cap.
  const double ramp = a.causal ? std::min(blocks, std::floor(window / attention_rows)) : 0.0;
  const double sum = attention_rows * ramp * (ramp + 1) / 2.0 + (blocks - ramp) * window;
  // Whole keys are seen by every block of a rectangle, by the last one of a triangle.
  const double longest = a.causal ? std::min(window, blocks * attention_rows) : window;
  return {sum * (query_blocks / blocks), longest};
}

// Heads narrower than the kernels' 128 columns fill the tensor cores less: FlashAttention-3's 64-wide heads reach 0.85
// of that (backward, 272/363/422 against 316/424/501 TFLOP/s at 512/1k/2k); a power law in between.
double head_width_factor(const Attention& a) {
  constexpr double full_width = 128.0, at_half_width = 0.85;
  const double width = static_cast<double>(a.d_qk + a.d_v) / 2.0;
  return width >= full_width ? 1.0 : std::pow(at_half_width, std::log2(full_width / width));
}

}  // namespace

FlopsPerSecond gemm_peak(DataType type, const DeviceProfile& device) {
  if (type == DataType::fp8) return device.peak_fp8;
  if (type == DataType::nvfp4) return device.peak_fp4;
  return device.peak_half;
}

Seconds benchmark_gemm_time(const Gemm& g, const DeviceProfile& device) {
  if (g.batch > 1) return batched_gemm_time(g, device);
  const GemmModel& model = device.gemm;
  const MathUnit unit = math_unit(g.type, device);
  const double m = static_cast<double>(g.m), n = static_cast<double>(g.n), k = static_cast<double>(g.k);
  const double groups = static_cast<double>(g.groups);
  const double sms = device.multiprocessors;
  const double per_sm = unit.rate / sms * (g.groups > 1 ? device.grouped_gemm_efficiency : 1.0);
  const double bandwidth = model.memory_efficiency * device.memory_bandwidth.value;
  const double traffic = groups * (unit.operand_bytes * (m * k + k * n) + (g.accumulate ? 8.0 : half_bytes) * m * n);
  double best = std::numeric_limits<double>::infinity();
  for (const Tile& tile : tiles) {
    const double grid = groups * std::ceil(m / tile.rows) * std::ceil(n / tile.columns);
    const double rate = per_sm * model.tile_efficiency[tile.tile_class];
    if (rate <= 0) continue;
    for (double ways : split_ways) {
      if (ways > 1 && (g.groups > 1 || grid > 1.2 * sms || k / ways < 256)) break;
      const double ctas = grid * ways;
      const double waves =
          (1.0 - model.wave_softness) * std::max(1.0, ctas / sms) + model.wave_softness * std::ceil(ctas / sms);
      const double math = waves * 2.0 * tile.rows * tile.columns * (k / ways + unit.k_overhead) / rate;
      const double partials = ways > 1 ? model.split_k_traffic * 8.0 * m * n * ways : 0.0;
      const double memory = (traffic + partials) / bandwidth;
      if (std::max(math, memory) >= best) continue;
      best = std::min(best, blended(math, memory, model.blend));
    }
  }
  return Seconds(best) + model.fixed;
}

Seconds attention_time(const Attention& a, AttentionKernel kernel, const DeviceProfile& device) {
  const AttentionModel& model =
      (a.backward ? device.attention_backward : device.attention_forward)[static_cast<std::size_t>(kernel)];
  const KeyBlocks seen = keys_seen(a);
  const double blocks = std::ceil(static_cast<double>(a.length) / attention_rows);
  const double flops_per_pair =
      a.backward ? 2.0 * static_cast<double>(3 * a.d_qk + 2 * a.d_v) : 2.0 * static_cast<double>(a.d_qk + a.d_v);
  const double unit = flops_per_pair * attention_rows;
  const double total = unit * static_cast<double>(a.sequences * a.heads) * (seen.sum + blocks * model.key_overhead);
  const double tail = model.tail * unit * (seen.longest + model.key_overhead);
  const double sms = device.multiprocessors;
  const double speedup = a.type == DataType::fp8 ? device.fp8_attention_speedup : 1.0;
  const double efficiency = head_width_factor(a) * model.efficiency;
  return Seconds((total / sms + tail) / (speedup * efficiency * device.peak_half.value / sms)) + attention_launch;
}

Seconds memory_bound_time(const MemoryBound& work, const DeviceProfile& device) {
  double efficiency = device.fused_efficiency;
  if (work.kind == MemoryKind::layout) efficiency = device.layout_efficiency;
  if (work.kind == MemoryKind::embedding) efficiency = device.embedding_efficiency;
  if (work.kind == MemoryKind::permute) efficiency = device.permute_efficiency;
  const Bytes bytes = device.fp8_transposes ? work.bytes + work.transposes : work.bytes;
  return work.launches * device.kernel_launch + bytes / (efficiency * device.memory_bandwidth);
}

Seconds operator_time(const Operator& op, const DeviceProfile& device, AttentionKernel kernel) {
  if (const auto* gemm = std::get_if<Gemm>(&op.work)) {
    const Seconds benchmark = benchmark_gemm_time(*gemm, device);
    if (gemm->batch > 1) return benchmark;
    return benchmark / training_derate(gemm->type, device) * (gemm->weight_gradient ? device.wgrad_slowdown : 1.0);
  }
  if (const auto* attention = std::get_if<Attention>(&op.work)) return attention_time(*attention, kernel, device);
  return memory_bound_time(std::get<MemoryBound>(op.work), device);
}

}  // namespace trainyard
