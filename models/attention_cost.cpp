#include "models/attention_cost.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

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
double usual_width_factor(double width) {
  constexpr double full_width = 128.0, at_half_width = 0.85;
  return width >= full_width ? 1.0 : std::pow(at_half_width, std::log2(full_width / width));
}

double measured_width_factor(double width, const std::vector<HeadWidth>& widths) {
  const auto above = std::lower_bound(widths.begin(), widths.end(), width,
                                      [](const HeadWidth& w, double columns) { return w.columns < columns; });
  if (above == widths.end()) return widths.back().relative;
  if (above == widths.begin() || above->columns == width) return above->relative;
  const HeadWidth& below = *(above - 1);
  const double share = std::log(width / below.columns) / std::log(above->columns / below.columns);
  return below.relative * std::pow(above->relative / below.relative, share);
}

// Without the launch.
double kernel_seconds(const Attention& a, const AttentionModel& model, const DeviceProfile& device) {
  const KeyBlocks seen = keys_seen(a);
  const double blocks = std::ceil(static_cast<double>(a.length) / attention_rows);
  const double flops_per_pair =
      a.backward ? 2.0 * static_cast<double>(3 * a.d_qk + 2 * a.d_v) : 2.0 * static_cast<double>(a.d_qk + a.d_v);
  const double unit = flops_per_pair * attention_rows;
  const double total = unit * static_cast<double>(a.sequences * a.heads) * (seen.sum + blocks * model.key_overhead);
  const double tail = model.tail * unit * (seen.longest + model.key_overhead);
  const double sms = device.multiprocessors;
  const double speedup = a.type == DataType::fp8 ? device.fp8_attention_speedup : 1.0;
  const double efficiency = head_width_factor(a, model) * model.efficiency;
  return (total / sms + tail) / (speedup * efficiency * device.peak_half.value / sms);
}

// Of one token: every element is read and written.
double cache_copy_seconds(const Attention& a, std::int64_t kv_heads, const PrefillAttention& model,
                          const DeviceProfile& device) {
  constexpr double threads_of_block = 512.0;
  const double element_bytes = a.type == DataType::fp8 ? 1.0 : 2.0;
  const double heads = static_cast<double>(kv_heads);
  const double bytes = 2.0 * element_bytes * heads * static_cast<double>(a.d_qk + a.d_v);
  const double copy = bytes / (model.cache_efficiency * device.memory_bandwidth.value);
  const double token = model.cache_token.value * std::min(1.0, heads * static_cast<double>(a.d_qk) / threads_of_block);
  return std::sqrt(copy * copy + token * token);
}

}  // namespace

double head_width_factor(const Attention& a, const AttentionModel& model) {
  const double width = static_cast<double>(a.d_qk + a.d_v) / 2.0;
  return model.head_widths.empty() ? usual_width_factor(width) : measured_width_factor(width, model.head_widths);
}

Seconds attention_time(const Attention& a, const AttentionModel& model, const DeviceProfile& device) {
  return Seconds(kernel_seconds(a, model, device)) + attention_launch;
}

Seconds attention_time(const Attention& a, AttentionKernel kernel, const DeviceProfile& device) {
  const auto& models = a.backward ? device.attention_backward : device.attention_forward;
  return attention_time(a, models[static_cast<std::size_t>(kernel)], device);
}

Seconds prefill_attention_time(const Attention& attention, std::int64_t kv_heads, const PrefillAttention& model,
                               const DeviceProfile& device) {
  Attention forward = attention;
  forward.backward = false;
  const double tokens = static_cast<double>(forward.sequences) * static_cast<double>(forward.length);
  return model.fixed + Seconds(tokens * cache_copy_seconds(forward, kv_heads, model, device)) +
         Seconds(kernel_seconds(forward, model.kernel, device));
}

}  // namespace trainyard
