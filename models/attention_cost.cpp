#include "models/attention_cost.hpp"

#include <algorithm>
#include <cmath>

namespace trainyard {
namespace {

constexpr double attention_rows = 128.0;
constexpr Seconds attention_launch{3e-6};

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

}  // namespace trainyard
