// Every term of the attention model on a made-up device, by hand.
#include "models/attention_cost.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "models/profile_values.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/yaml_reader.hpp"

using namespace trainyard;

namespace {

// 10 SMs, 100 TFLOP/s, 1 TB/s.
DeviceProfile ten_sms() {
  DeviceProfile d;
  d.multiprocessors = 10;
  d.peak_half = FlopsPerSecond(1e14);
  d.memory_bandwidth = BytesPerSecond(1e12);
  return d;
}

// 5 heads of 128 columns, 256 causal queries.
Attention two_blocks() {
  Attention a;
  a.sequences = 1;
  a.length = 256;
  a.heads = 5;
  a.d_qk = a.d_v = 128;
  return a;
}

const AttentionModel half{0.5, 64, 0.5, {}};

double microseconds(const Attention& a, const AttentionModel& model) {
  return attention_time(a, model, ten_sms()).value * 1e6;
}

Attention of_width(std::int64_t d_qk, std::int64_t d_v) {
  Attention a = two_blocks();
  a.d_qk = d_qk;
  a.d_v = d_v;
  return a;
}

AttentionModel read_model(const std::string& text) {
  AttentionModel model;
  read(read_yaml_text(text, "model.yaml"), model);
  return model;
}
std::optional<PrefillAttention> read_prefill(const std::string& text) {
  std::optional<PrefillAttention> model;
  read(read_yaml_text(text, "model.yaml"), model);
  return model;
}

}  // namespace

TEST_CASE("attention time is blocks over SMs, the longest block and a launch") {
  // F 128 = 4 x 128 x 128 = 65 536 FLOP per key of a block. Blocks of a head see 128 and 256 keys, with 64 each 512:
  // 65 536 x 5 x 512 / 10 SMs = 16 777 216; tail 0.5 x 65 536 x (256 + 64) = 10 485 760.
  // 27 262 976 / (0.5 x 10 TFLOP/s) = 5.4526 µs, and 3 µs.
  CHECK(microseconds(two_blocks(), half) == Approx(8.4525952).epsilon(1e-9));
  Attention backward = two_blocks();
  backward.backward = true;  // 2 (3 x 128 + 2 x 128) = 1280 instead of 512 FLOP per pair: 5.4526 x 2.5
  CHECK(microseconds(backward, half) == Approx(3 + 2.5 * 5.4525952).epsilon(1e-9));
}

TEST_CASE("the kernel of a device is that of its generation and pass") {
  DeviceProfile d = ten_sms();
  d.attention_forward[2] = half;
  d.attention_backward[3] = half;
  Attention a = two_blocks();
  CHECK(attention_time(a, AttentionKernel::flash2, d) == attention_time(a, half, d));
  a.backward = true;
  CHECK(attention_time(a, AttentionKernel::flash3, d) == attention_time(a, half, d));
}

TEST_CASE("without measured widths narrow heads reach 0.85 per halving and wide ones what 128 columns do") {
  CHECK(head_width_factor(of_width(128, 128), half) == 1.0);
  CHECK(head_width_factor(of_width(256, 256), half) == 1.0);
  CHECK(head_width_factor(of_width(64, 64), half) == Approx(0.85));
  CHECK(head_width_factor(of_width(32, 32), half) == Approx(0.85 * 0.85));
}

TEST_CASE("measured widths replace the rule, with a power law between them and none beyond") {
  AttentionModel model = half;
  model.head_widths = {{64, 0.5}, {256, 2.0}};
  CHECK(head_width_factor(of_width(64, 64), model) == 0.5);
  CHECK(head_width_factor(of_width(256, 256), model) == 2.0);
  CHECK(head_width_factor(of_width(128, 128), model) == Approx(1.0));  // half way between in logarithms
  CHECK(head_width_factor(of_width(192, 64), model) == Approx(1.0));   // the mean of Q and V
  CHECK(head_width_factor(of_width(16, 16), model) == 0.5);
  CHECK(head_width_factor(of_width(512, 512), model) == 2.0);
  // Twice the FLOPs of 128 columns at twice the rate.
  CHECK(microseconds(of_width(256, 256), model) == Approx(microseconds(two_blocks(), half)).epsilon(1e-9));
}

TEST_CASE("a prefill adds its launches and the copy of K and V into the cache, and drops the 3 us") {
  const PrefillAttention prefill{half, 0.5, Seconds(3e-9), Seconds(10e-6)};
  // One KV head: 2 x 2 B x (128 + 128) = 1024 B per token at 0.5 TB/s, 2.048 ns; its block has 128 of 512 threads:
  // 3 ns x 128/512 = 0.75 ns. 256 tokens x √(2.048² + 0.75²) = 0.55834 µs.
  CHECK(prefill_attention_time(two_blocks(), 1, prefill, ten_sms()).value * 1e6 ==
        Approx(10 + 0.5583432 + 5.4525952).epsilon(1e-6));
  // Five KV heads: 10.24 ns and, from 512 columns on, 3 ns: 256 x 10.6704 ns = 2.73163 µs.
  CHECK(prefill_attention_time(two_blocks(), 5, prefill, ten_sms()).value * 1e6 ==
        Approx(10 + 2.7316310 + 5.4525952).epsilon(1e-6));
  Attention twice = two_blocks();
  twice.sequences = 2;  // tokens and blocks double, the longest block and the launches do not
  CHECK(prefill_attention_time(twice, 1, prefill, ten_sms()).value * 1e6 ==
        Approx(10 + 2 * 0.5583432 + 5.4525952 + 3.3554432).epsilon(1e-6));
  Attention backward = two_blocks();
  backward.backward = true;
  CHECK(prefill_attention_time(backward, 1, prefill, ten_sms()) ==
        prefill_attention_time(two_blocks(), 1, prefill, ten_sms()));
}

TEST_CASE("a cache in 8 bits moves half the bytes") {
  // A copy of no latency and a kernel far faster than the cache: what remains is the bytes.
  const PrefillAttention prefill{half, 0.5, Seconds(0), Seconds(0)};
  DeviceProfile d = ten_sms();
  d.peak_half = FlopsPerSecond(1e30);
  Attention fp8 = two_blocks();
  fp8.type = DataType::fp8;
  CHECK(prefill_attention_time(two_blocks(), 5, prefill, d).value ==
        Approx(2 * prefill_attention_time(fp8, 5, prefill, d).value).epsilon(1e-9));
}

TEST_CASE("an attention model is three numbers, or a mapping with head widths") {
  CHECK(read_model("[0.5, 64, 0.5]") == half);
  CHECK(read_model("{efficiency: 0.5, key_overhead: 64, tail: 0.5}") == half);
  AttentionModel wide = half;
  wide.head_widths = {{64, 0.75}, {128, 1}, {256, 1.2}};
  CHECK(read_model("{efficiency: 0.5, key_overhead: 64, tail: 0.5, head_widths: [[64, 0.75], [128, 1], [256, 1.2]]}") ==
        wide);
}

TEST_CASE("mistakes in an attention model are told with their place") {
  using Catch::Matchers::Contains;
  const auto mapping = [](const std::string& widths) {
    return "{efficiency: 0.5, key_overhead: 64, tail: 0.5, head_widths: " + widths + "}";
  };
  CHECK_THROWS_AS(read_model("[0.5, 64]"), InputError);
  CHECK_THROWS_AS(read_model("0.5"), InputError);
  CHECK_THROWS_AS(read_model("[0, 64, 0.5]"), InputError);
  CHECK_THROWS_AS(read_model("[.nan, 64, 0.5]"), InputError);
  CHECK_THROWS_WITH(read_model("{efficiency: 0.5, key_overhead: 64}"), Contains("tail"));
  CHECK_THROWS_WITH(read_model("{efficiency: 0.5, key_overhead: 64, tail: 0.5, widths: []}"), Contains("widths"));
  CHECK_THROWS_WITH(read_model(mapping("[]")), Contains("at least one"));
  CHECK_THROWS_WITH(read_model(mapping("[[128, 1], [64, 0.8]]")), Contains("ascend"));
  CHECK_THROWS_WITH(read_model(mapping("[[128, 1], [128, 0.8]]")), Contains("ascend"));
  CHECK_THROWS_WITH(read_model(mapping("[[128]]")), Contains("[columns, relative efficiency]"));
  CHECK_THROWS_AS(read_model(mapping("[[0, 1]]")), InputError);
  CHECK_THROWS_AS(read_model(mapping("[[64, 0]]")), InputError);
  CHECK_THROWS_AS(read_model(mapping("[[64, -1]]")), InputError);
}

TEST_CASE("a prefill model is read whole or not at all") {
  const std::string kernel = "efficiency: 0.5, key_overhead: 64, tail: 0.5";
  const auto model = read_prefill("{" + kernel + ", cache_efficiency: 0.5, cache_token: 3ns, fixed: 10us}");
  REQUIRE(model.has_value());
  CHECK(model->kernel == half);
  CHECK(model->cache_efficiency == 0.5);
  CHECK(model->cache_token.value == Approx(3e-9));
  CHECK(model->fixed.value == Approx(10e-6));
  CHECK_THROWS_AS(read_prefill("[0.5, 64, 0.5]"), InputError);
  CHECK_THROWS_AS(read_prefill("{" + kernel + "}"), InputError);
  CHECK_THROWS_AS(read_prefill("{" + kernel + ", cache_efficiency: 0, cache_token: 3ns, fixed: 10us}"), InputError);
  CHECK_THROWS_AS(read_prefill("{" + kernel + ", cache_efficiency: 0.5, cache_token: 3, fixed: 10us}"), InputError);
}

TEST_CASE("a device profile may have a prefill model, and keeps its training kernels with or without") {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("trainyard-prefill-{}.yaml", getpid());
  std::ofstream(path) << "kind: device\nname: measured\ninherits: h100-sxm-80gb\nconstants:\n"
                         "  attention.prefill.forward: {value: {efficiency: 0.7, key_overhead: 300, tail: 0.1, "
                         "cache_efficiency: 0.6, cache_token: 5ns, fixed: 12us}, source: \"a table\", sources: 1}\n";
  const DeviceProfile measured = load_device_profile(path.string());
  std::filesystem::remove(path);
  REQUIRE(measured.prefill_attention.has_value());
  CHECK(measured.prefill_attention->kernel == AttentionModel{0.7, 300, 0.1, {}});
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  CHECK(measured.attention_forward == h100.attention_forward);
  CHECK(measured.attention_backward == h100.attention_backward);
}
