#include "models/gemm_cost.hpp"

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

double blended(double a, double b, double q) {
  const double high = std::max(a, b);
  const double low = std::min(a, b);
  if (high <= 0) return 0;
  const double ratio = low / high;
  if (ratio < 0.05) return high;
  return high * std::pow(1.0 + std::pow(ratio, q), 1.0 / q);
}

// The kernels that a library could take. Blending two times is the dear part, and most kernels need none: one whose
// longer time exceeds the blended time of another is slower.
class Kernels {
 public:
  void add(double math, double memory) {
    const Times times{std::max(math, memory), std::min(math, memory)};
    all_[count_] = times;
    if (count_ == 0 || times.longer < all_[first_].longer ||
        (times.longer == all_[first_].longer && times.shorter < all_[first_].shorter))
      first_ = count_;
    ++count_;
  }
  double fastest(double blend) const {
    if (count_ == 0) return std::numeric_limits<double>::infinity();
    const Times& first = all_[first_];
    double best = blended(first.longer, first.shorter, blend);
    for (std::size_t i = 0; i < count_; ++i)
      if (all_[i].longer < best && all_[i].shorter < first.shorter)
        best = std::min(best, blended(all_[i].longer, all_[i].shorter, blend));
    return best;
  }

 private:
  struct Times {
    double longer;
    double shorter;
  };
  std::array<Times, tiles.size() * split_ways.size()> all_;  // the first `count_`
  std::size_t count_ = 0;
  std::size_t first_ = 0;  // of the least longer time
};

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
  const GemmSurface& surface;
};
MathUnit math_unit(DataType type, const DeviceProfile& device) {
  constexpr double nvfp4_bytes = 0.5 + 1.0 / 16;  // an E4M3 scale per 16 elements
  if (type == DataType::fp8 && device.peak_fp8.value > 0)
    return {device.fp8.sustained * device.peak_fp8.value, device.fp8.k_overhead, 1.0, device.fp8.surface};
  if (type == DataType::nvfp4 && device.peak_fp4.value > 0)
    return {device.fp4.sustained * device.peak_fp4.value, device.fp4.k_overhead, nvfp4_bytes, device.fp4.surface};
  return {device.gemm.sustained * device.peak_half.value, device.gemm.k_overhead, half_bytes, device.gemm.surface};
}

// Where a dimension lies between two knots of its axis; at the ends, and beyond them, both are the last one.
struct AxisPosition {
  std::size_t lower;
  std::size_t upper;
  double weight;  // of the upper knot
};
AxisPosition axis_position(const std::vector<double>& knots, double x) {
  if (x <= knots.front()) return {0, 0, 0.0};
  if (x >= knots.back()) return {knots.size() - 1, knots.size() - 1, 0.0};
  const auto above = std::upper_bound(knots.begin(), knots.end(), x);
  const double lower = *(above - 1);
  const auto upper = static_cast<std::size_t>(above - knots.begin());
  return {upper - 1, upper, std::log2(x / lower) / std::log2(*above / lower)};
}

}  // namespace

FlopsPerSecond gemm_peak(DataType type, const DeviceProfile& device) {
  if (type == DataType::fp8) return device.peak_fp8;
  if (type == DataType::nvfp4) return device.peak_fp4;
  return device.peak_half;
}

SurfaceWeights surface_weights(const GemmSurface& surface, const Gemm& g) {
  const AxisPosition m = axis_position(surface.m, static_cast<double>(g.m));
  const AxisPosition n = axis_position(surface.n, static_cast<double>(g.n));
  const AxisPosition k = axis_position(surface.k, static_cast<double>(g.k));
  SurfaceWeights out;
  for (std::size_t corner = 0; corner < out.knot.size(); ++corner) {
    const bool m_up = (corner & 4) != 0, n_up = (corner & 2) != 0, k_up = (corner & 1) != 0;
    const std::size_t row = (m_up ? m.upper : m.lower) * surface.n.size() + (n_up ? n.upper : n.lower);
    out.knot[corner] = row * surface.k.size() + (k_up ? k.upper : k.lower);
    out.weight[corner] =
        (m_up ? m.weight : 1 - m.weight) * (n_up ? n.weight : 1 - n.weight) * (k_up ? k.weight : 1 - k.weight);
  }
  return out;
}

double surface_ratio(const GemmSurface& surface, const Gemm& g) {
  if (surface.ratio.empty()) return 1.0;
  const SurfaceWeights at = surface_weights(surface, g);
  double ratio = 0;
  for (std::size_t i = 0; i < at.knot.size(); ++i) ratio += at.weight[i] * surface.ratio[at.knot[i]];
  return ratio;
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
  Kernels kernels;
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
      kernels.add(math, (traffic + partials) / bandwidth);
    }
  }
  const double best = kernels.fastest(model.blend);
  return surface_ratio(unit.surface, g) * (Seconds(best) + model.fixed);
}

}  // namespace trainyard
