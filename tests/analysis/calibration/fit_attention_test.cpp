#include "analysis/calibration/fit_attention.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "models/attention_cost.hpp"
#include "models/profile_values.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/yaml_reader.hpp"

using namespace trainyard;

namespace {

using TrueTime = std::function<Seconds(const AttentionSample&)>;

DeviceProfile h100() { return load_device_profile("h100-sxm-80gb"); }

AttentionSample sample(const std::string& kernel, std::int64_t batch, std::int64_t length, std::int64_t heads,
                       std::int64_t kv_heads, std::int64_t width) {
  AttentionSample s;
  s.kernel = kernel;
  s.attention.sequences = batch;
  s.attention.length = length;
  s.attention.heads = heads;
  s.attention.d_qk = s.attention.d_v = width;
  s.kv_heads = kv_heads;
  return s;
}

// What a microbenchmark run covers: lengths, batches, heads; all fill an H100.
std::vector<AttentionSample> measured(const std::string& kernel, const std::vector<std::int64_t>& widths, bool backward,
                                      const TrueTime& time) {
  std::vector<AttentionSample> samples;
  for (const std::int64_t width : widths)
    for (const std::int64_t heads : {8, 16, 32, 64})
      for (const std::int64_t kv_heads : {std::int64_t{1}, std::int64_t{4}, heads})
        for (const std::int64_t batch : {8, 16})
          for (const std::int64_t length : {512, 1024, 2048, 4096, 8192}) {
            samples.push_back(sample(kernel, batch, length, heads, kv_heads, width));
            samples.back().attention.backward = backward;
            samples.back().time = time(samples.back());
          }
  return samples;
}

TrueTime of_kernel(const AttentionModel& model, const DeviceProfile& device) {
  return [=](const AttentionSample& s) { return attention_time(s.attention, model, device); };
}
TrueTime of_prefill(const PrefillAttention& model, const DeviceProfile& device) {
  return [=](const AttentionSample& s) { return prefill_attention_time(s.attention, s.kv_heads, model, device); };
}

const FittedConstant* find(const FitReport& report, const std::string& name) {
  for (const FittedConstant& c : report.constants)
    if (c.name == name) return &c;
  return nullptr;
}
// What a profile makes of the fitted text.
AttentionModel kernel_of(const FitReport& report, const std::string& name) {
  const FittedConstant* constant = find(report, name);
  REQUIRE(constant != nullptr);
  AttentionModel model;
  read(read_yaml_text(constant->value, name), model);
  return model;
}
PrefillAttention prefill_of(const FitReport& report) {
  const FittedConstant* constant = find(report, "attention.prefill.forward");
  REQUIRE(constant != nullptr);
  std::optional<PrefillAttention> model;
  read(read_yaml_text(constant->value, constant->name), model);
  return *model;
}

bool has_note(const FitReport& report, const std::string& words) {
  for (const std::string& note : report.notes)
    if (note.find(words) != std::string::npos) return true;
  return false;
}

const AttentionModel true_kernel{0.62, 170, 1.2, {}};
const PrefillAttention true_prefill{
    {0.66, 240, 0.7, {{64, 0.7}, {128, 1}, {256, 1.15}}}, 0.55, Seconds(4e-9), Seconds(14e-6)};

}  // namespace

TEST_CASE("the constants of a backward kernel are found again, within what is printed") {
  const DeviceProfile device = h100();
  const FitReport report = fit_attention(measured("sdpa_flash", {128}, true, of_kernel(true_kernel, device)), device);
  REQUIRE(report.constants.size() == 1);
  CHECK(report.constants[0].name == "attention.flash2.backward");
  CHECK(report.constants[0].value == "[0.620, 170, 1.20]");
  CHECK(report.notes.empty());
  REQUIRE_FALSE(report.residuals.empty());
  CHECK(report.residuals[0].median < 1e-6);
  REQUIRE(report.curves.size() == 1);
  CHECK(report.curves[0].measured.size() == 5);  // lengths
}

TEST_CASE("a kernel's name and pass tell which constant it serves") {
  const DeviceProfile device = h100();
  struct Named {
    std::string kernel;
    bool backward;
    std::string constant;
  };
  for (const Named& n :
       {Named{"sdpa_flash", false, "attention.flash2.forward"}, Named{"sdpa_cudnn", false, "attention.flash3.forward"},
        Named{"sdpa_cudnn", true, "attention.flash3.backward"},
        Named{"sdpa_efficient", true, "attention.flash1.backward"},
        Named{"flash_attn_fa3", false, "attention.flash3.forward"}}) {
    INFO(n.kernel);
    const FitReport report =
        fit_attention(measured(n.kernel, {128}, n.backward, of_kernel(true_kernel, device)), device);
    CHECK(kernel_of(report, n.constant) == true_kernel);
    CHECK(report.constants.size() == 1);
  }
  for (const std::string kernel : {"naive", "blockwise", "sdpa_math", "vllm_flashinfer_trtllmdecode"}) {
    INFO(kernel);
    const FitReport report = fit_attention(measured(kernel, {128}, false, of_kernel(true_kernel, device)), device);
    CHECK(report.constants.empty());
    CHECK(has_note(report, "120 attention samples of " + kernel));
  }
}

TEST_CASE("a tenth of the samples five times too slow moves no constant by more than 3 %") {
  const DeviceProfile device = h100();
  std::vector<AttentionSample> samples = measured("sdpa_cudnn", {128}, false, of_kernel(true_kernel, device));
  for (std::size_t i = 3; i < samples.size(); i += 10) samples[i].time *= 5;
  const AttentionModel fitted = kernel_of(fit_attention(samples, device), "attention.flash3.forward");
  CHECK(fitted.efficiency == Approx(true_kernel.efficiency).epsilon(0.03));
  CHECK(fitted.key_overhead == Approx(true_kernel.key_overhead).epsilon(0.03));
  CHECK(fitted.tail == Approx(true_kernel.tail).epsilon(0.03));
}

TEST_CASE("the constants of a prefill are found again: an efficiency per width, the cache, the launches") {
  const DeviceProfile device = h100();
  const FitReport report =
      fit_attention(measured("vllm_flash_attn_fa3", {64, 128, 256}, false, of_prefill(true_prefill, device)), device);
  const PrefillAttention fitted = prefill_of(report);
  CHECK(fitted.kernel == true_prefill.kernel);
  CHECK(fitted.cache_efficiency == Approx(true_prefill.cache_efficiency).epsilon(1e-3));
  CHECK(fitted.cache_token.value == Approx(true_prefill.cache_token.value).epsilon(1e-3));
  CHECK(fitted.fixed.value == Approx(true_prefill.fixed.value).epsilon(1e-3));
  CHECK(report.notes.empty());
  // 36 (heads, KV heads, width): a tenth of them is held out, and told per width.
  CHECK(report.residuals[0].held_out);
  CHECK(report.residuals[0].samples < 120);
}

TEST_CASE("several head widths of a training kernel are told apart, one alone keeps the base's rule") {
  const DeviceProfile device = h100();
  AttentionModel wide = true_kernel;
  wide.head_widths = {{64, 0.75}, {128, 1}};
  CHECK(kernel_of(fit_attention(measured("sdpa_cudnn", {64, 128}, false, of_kernel(wide, device)), device),
                  "attention.flash3.forward") == wide);
  // 64 columns by the usual rule: the efficiency printed is that of 128 columns.
  CHECK(kernel_of(fit_attention(measured("sdpa_cudnn", {64}, false, of_kernel(true_kernel, device)), device),
                  "attention.flash3.forward") == true_kernel);
}

TEST_CASE("fewer samples than constants keep the base and say what to measure") {
  const DeviceProfile device = h100();
  std::vector<AttentionSample> samples = measured("sdpa_flash", {128}, false, of_kernel(true_kernel, device));
  samples.resize(2);
  const FitReport report = fit_attention(samples, device);
  CHECK(report.constants.empty());
  CHECK(has_note(report, "2 samples fill the GPU, fewer than its 3 constants"));
  CHECK(has_note(report, "at least 132"));
}

TEST_CASE("shapes that do not fill the GPU are no ground for a fit") {
  const DeviceProfile device = h100();
  std::vector<AttentionSample> samples;
  for (const std::int64_t length : {64, 128, 256, 512, 1024, 2048})  // one head: at most 16 blocks for 132 SMs
    samples.push_back(sample("sdpa_flash", 1, length, 1, 1, 128));
  for (AttentionSample& s : samples) s.time = attention_time(s.attention, true_kernel, device);
  const FitReport report = fit_attention(samples, device);
  CHECK(report.constants.empty());
  CHECK(has_note(report, "0 samples fill the GPU"));
}

TEST_CASE("one shape, however often it was measured, tells the efficiency only") {
  const DeviceProfile device = h100();
  AttentionSample one = sample("sdpa_flash", 4, 4096, 32, 32, 128);
  const AttentionModel& base = device.attention_forward[2];
  const AttentionModel slower{base.efficiency / 2, base.key_overhead, base.tail, {}};
  one.time = attention_time(one.attention, slower, device);
  const FitReport report = fit_attention(std::vector<AttentionSample>(20, one), device);
  const AttentionModel fitted = kernel_of(report, "attention.flash2.forward");
  CHECK(fitted.efficiency == Approx(slower.efficiency).margin(0.0005));  // printed with three digits
  CHECK(fitted.key_overhead == base.key_overhead);
  CHECK(fitted.tail == base.tail);
  CHECK(has_note(report, "do not tell key overhead, tail"));
}

TEST_CASE("long sequences of one KV head tell the efficiency of a prefill and not its cache") {
  const DeviceProfile device = h100();
  std::vector<AttentionSample> samples;
  for (const std::int64_t length : {4096, 8192, 16384})  // long: the copy is a per mille of the time
    for (const std::int64_t heads : {32, 64})
      for (const std::int64_t batch : {4, 8}) {
        samples.push_back(sample("vllm_flash_attn", batch, length, heads, 1, 128));
        samples.back().time = prefill_attention_time(samples.back().attention, 1, true_prefill, device);
      }
  const FitReport report = fit_attention(samples, device);
  CHECK(prefill_of(report).kernel.efficiency == Approx(true_prefill.kernel.efficiency).epsilon(0.02));
  CHECK(has_note(report, "cache efficiency"));
  CHECK(has_note(report, "cache token"));
  CHECK(prefill_of(report).cache_efficiency == device.prefill_attention->cache_efficiency);  // kept
}

TEST_CASE("what is no measurement is left out, counted and harmless") {
  const DeviceProfile device = h100();
  std::vector<AttentionSample> samples = measured("sdpa_flash", {128}, false, of_kernel(true_kernel, device));
  const std::vector<AttentionSample> good = samples;
  for (const double time : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    samples.push_back(good[0]);
    samples.back().time = Seconds(time);
  }
  samples.push_back(good[0]);
  samples.back().attention.heads = 0;
  samples.push_back(good[0]);
  samples.back().attention.length = std::numeric_limits<std::int64_t>::max();
  samples.push_back(good[0]);
  samples.back().kv_heads = -1;
  const FitReport report = fit_attention(samples, device);
  CHECK(kernel_of(report, "attention.flash2.forward") == true_kernel);
  CHECK(has_note(report, "7 attention samples of sdpa_flash are not fitted"));
  CHECK(fit_attention({}, device) == FitReport{});
}

TEST_CASE("quantised operands and the less measured of two kernels do not mix in") {
  const DeviceProfile device = h100();
  std::vector<AttentionSample> samples = measured("sdpa_cudnn", {128}, false, of_kernel(true_kernel, device));
  std::vector<AttentionSample> fp8(samples.begin(), samples.begin() + 30);
  for (AttentionSample& s : fp8) {
    s.attention.type = DataType::fp8;
    s.time *= 0.5;
  }
  std::vector<AttentionSample> other(samples.begin(), samples.begin() + 30);
  for (AttentionSample& s : other) {
    s.kernel = "flash_attn_3";
    s.time *= 0.7;
  }
  samples.insert(samples.end(), fp8.begin(), fp8.end());
  samples.insert(samples.end(), other.begin(), other.end());
  const FitReport report = fit_attention(samples, device);
  CHECK(kernel_of(report, "attention.flash3.forward") == true_kernel);
  CHECK(has_note(report, "30 attention samples of sdpa_cudnn are not fitted: operands of other than 16 bits"));
  CHECK(has_note(report, "30 attention samples of flash_attn_3 are not fitted"));
}

TEST_CASE("times of nanoseconds and hours end in constants that a profile can read") {
  const DeviceProfile device = h100();
  for (const double factor : {1e-6, 1e6}) {
    const TrueTime far = [&](const AttentionSample& s) {
      return attention_time(s.attention, true_kernel, device) * factor;
    };
    const FitReport report = fit_attention(measured("sdpa_flash", {64, 128}, false, far), device);
    const AttentionModel model = kernel_of(report, "attention.flash2.forward");  // throws if it is out of bounds
    CHECK(model.efficiency <= 1.5);
  }
}
