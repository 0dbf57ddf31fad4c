#include "analysis/calibration/fit_attention.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "analysis/calibration/fit_attention_kernel.hpp"
#include "analysis/calibration/fit_attention_report.hpp"

namespace trainyard {
namespace {

constexpr std::size_t fewest_held_out = 10;
constexpr std::size_t samples_per_constant = 4;  // that a split must leave
constexpr std::string_view prefill_constant = "attention.prefill.forward";

// A part of a kernel's name, and the constant that it serves; the first that is found decides. No constant: never
// fitted.
struct KernelWord {
  std::string_view word;
  std::string_view generation;
};
constexpr std::array kernel_words = {
    KernelWord{"decode", ""},        KernelWord{"vllm", "prefill"},        KernelWord{"sglang", "prefill"},
    KernelWord{"trtllm", "prefill"}, KernelWord{"flashinfer", "prefill"},  KernelWord{"cudnn", "flash3"},
    KernelWord{"fa3", "flash3"},     KernelWord{"flash_attn_3", "flash3"}, KernelWord{"flash3", "flash3"},
    KernelWord{"fa4", ""},           KernelWord{"flash_attn_4", ""},       KernelWord{"sdpa_efficient", "flash1"},
    KernelWord{"flash1", "flash1"},  KernelWord{"flash_attn_1", "flash1"}, KernelWord{"sdpa_flash", "flash2"},
    KernelWord{"fa2", "flash2"},     KernelWord{"flash_attn", "flash2"},   KernelWord{"flash2", "flash2"}};

std::string_view generation_of(std::string_view kernel) {
  for (const KernelWord& w : kernel_words)
    if (kernel.find(w.word) != std::string_view::npos) return w.generation;
  return {};
}

// "attention.flash2.backward"; empty for what no constant describes.
std::string constant_of(const AttentionSample& s) {
  const std::string_view generation = generation_of(s.kernel);
  if (generation.empty() || (generation == "prefill" && s.attention.backward)) return {};
  return fmt::format("attention.{}.{}", generation, s.attention.backward ? "backward" : "forward");
}

bool is_measurement(const AttentionSample& s) {
  constexpr std::int64_t largest = 1'000'000;  // products of any three fit into 63 bits
  const Attention& a = s.attention;
  const auto sane = [](std::int64_t extent) { return extent >= 1 && extent <= largest; };
  return sane(a.sequences) && sane(a.length) && sane(a.heads) && sane(a.d_qk) && sane(a.d_v) && sane(s.kv_heads) &&
         std::isfinite(s.time.value) && s.time.value > 0;
}

bool is_half(DataType type) { return type == DataType::bf16 || type == DataType::fp16; }

FittedAttention base_of(std::string_view constant, const DeviceProfile& base) {
  if (constant == prefill_constant) {
    const PrefillAttention prefill = base.prefill_attention.value_or(PrefillAttention{});
    return {prefill.kernel, prefill, {}, 0};
  }
  const auto& models = constant.ends_with("backward") ? base.attention_backward : base.attention_forward;
  const AttentionKernel kernel = constant.find("flash1") != std::string_view::npos   ? AttentionKernel::flash1
                                 : constant.find("flash2") != std::string_view::npos ? AttentionKernel::flash2
                                                                                     : AttentionKernel::flash3;
  return {models[static_cast<std::size_t>(kernel)], {}, {}, 0};
}

std::string group_key(const AttentionSample& s) {
  return fmt::format("{}:{}:{:g}", s.attention.heads, s.kv_heads, head_width(s));
}
std::string point_key(const AttentionSample& s) {
  return fmt::format("{}:{}:{}", group_key(s), s.attention.sequences, s.attention.length);
}

struct Split {
  AttentionSamples kept;
  AttentionSamples left_out;
};
using Key = std::string (*)(const AttentionSample&);
// Nothing if too little would stay on either side.
std::optional<Split> split(const AttentionSamples& samples, Key key, std::size_t constants) {
  Split s;
  for (const AttentionSample* sample : samples) (held_out(key(*sample)) ? s.left_out : s.kept).push_back(sample);
  if (s.left_out.size() < fewest_held_out || s.kept.size() < samples_per_constant * constants) return std::nullopt;
  return s;
}

// Fits and describes one constant.
class KernelReport {
 public:
  KernelReport(std::string constant, const DeviceProfile& device, FitReport& report)
      : constant_(std::move(constant)), device_(device), report_(report) {}

  void add(const AttentionSamples& samples) {
    AttentionSamples filling, small;
    for (const AttentionSample* s : samples) (fills_device(*s, device_) ? filling : small).push_back(s);
    const bool prefill = constant_ == prefill_constant;
    const int wanted = searched_constants(filling.empty() ? samples : filling, prefill);
    if (filling.size() < static_cast<std::size_t>(wanted)) return keep_base(filling.size(), wanted);
    const std::optional<Split> groups = split(filling, group_key, static_cast<std::size_t>(wanted));
    const FittedAttention model = fit_kernel(groups ? groups->kept : filling, base_of(constant_, device_), device_);
    describe(filling, groups ? groups->left_out : filling, groups.has_value(), model);
    if (groups) add_left_out_points(filling, static_cast<std::size_t>(wanted));
    describe_small(small, model);
    note_undetermined(model);
  }

 private:
  void keep_base(std::size_t filling, int wanted) {
    report_.notes.push_back(fmt::format(
        "{}: {} samples fill the GPU, fewer than its {} constants: it keeps the base's value (measure more lengths "
        "from 512 on, with batch x heads x length / 128 of at least {})",
        constant_, filling, wanted, device_.multiprocessors));
  }

  void describe(const AttentionSamples& filling, const AttentionSamples& judged, bool held_out,
                const FittedAttention& model) {
    const Residuals all =
        attention_residuals(judged, model, device_, fmt::format("{}, length >= 512", constant_), held_out);
    report_.constants.push_back(
        {constant_, attention_value(model), attention_source(filling), attention_residual_text(all)});
    report_.residuals.push_back(all);
    std::map<double, AttentionSamples> by_width;
    for (const AttentionSample* s : judged) by_width[head_width(*s)].push_back(s);
    if (by_width.size() > 1)
      for (const auto& [width, part] : by_width)
        report_.residuals.push_back(
            attention_residuals(part, model, device_, fmt::format("{}, {:g} columns", constant_, width), held_out));
    for (FitCurve& curve : attention_curves(filling, model, device_, constant_))
      report_.curves.push_back(std::move(curve));
  }

  // Shapes that the fit does not look at: partly filled blocks, and keys split over the SMs that would idle.
  void describe_small(const AttentionSamples& small, const FittedAttention& model) {
    AttentionSamples few_blocks, few_queries;
    for (const AttentionSample* s : small) (is_short(*s) ? few_queries : few_blocks).push_back(s);
    if (!few_blocks.empty())
      report_.residuals.push_back(attention_residuals(
          few_blocks, model, device_, fmt::format("{}, length >= 512, fewer blocks than SMs", constant_), true));
    if (!few_queries.empty())
      report_.residuals.push_back(
          attention_residuals(few_queries, model, device_, fmt::format("{}, length < 512", constant_), true));
  }

  // Interpolation: heads that the fit has seen, at other batches and lengths.
  void add_left_out_points(const AttentionSamples& filling, std::size_t wanted) {
    const std::optional<Split> points = split(filling, point_key, wanted);
    if (!points) return;
    const FittedAttention model = fit_kernel(points->kept, base_of(constant_, device_), device_);
    report_.residuals.push_back(attention_residuals(points->left_out, model, device_,
                                                    fmt::format("{}, every tenth point left out", constant_), true));
  }

  void note_undetermined(const FittedAttention& model) {
    if (model.undetermined.empty()) return;
    report_.notes.push_back(
        fmt::format("{}: the samples do not tell {}, which stays as in the base (measure shorter sequences, from 512 "
                    "on, and few heads as well as many)",
                    constant_, fmt::join(model.undetermined, ", ")));
  }

  std::string constant_;
  const DeviceProfile& device_;
  FitReport& report_;
};

// Samples by kernel name; the most numerous, the first of equals.
using ByKernel = std::map<std::string, AttentionSamples>;
ByKernel::const_iterator main_kernel(const ByKernel& kernels) {
  return std::max_element(kernels.begin(), kernels.end(),
                          [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
}

void note_counts(const std::map<std::string, int>& counts, std::string_view why, FitReport& report) {
  for (const auto& [kernel, count] : counts)
    report.notes.push_back(fmt::format("{} attention samples of {} are not fitted: {}", count, kernel, why));
}

}  // namespace

FitReport fit_attention(const std::vector<AttentionSample>& samples, const DeviceProfile& base) {
  FitReport report;
  std::map<std::string, ByKernel> by_constant;
  std::map<std::string, int> strange, quantised, unused;
  for (const AttentionSample& s : samples) {
    const std::string constant = constant_of(s);
    if (!is_measurement(s))
      ++strange[s.kernel];
    else if (constant.empty())
      ++unused[s.kernel];
    else if (!is_half(s.attention.type))
      ++quantised[s.kernel];
    else
      by_constant[constant][s.kernel].push_back(&s);
  }
  note_counts(strange, "not a positive finite time of a positive shape", report);
  note_counts(unused, "no constant of training steps describes this kernel", report);
  note_counts(quantised, "operands of other than 16 bits", report);
  for (const auto& [constant, kernels] : by_constant) {
    const auto chosen = main_kernel(kernels);
    KernelReport(constant, base, report).add(chosen->second);
    std::map<std::string, int> others;
    for (const auto& [kernel, part] : kernels)
      if (kernel != chosen->first) others[kernel] = static_cast<int>(part.size());
    note_counts(others, fmt::format("{} is that of {}, which has more", constant, chosen->first), report);
  }
  return report;
}

}  // namespace trainyard
