// The prefill model against measured serving kernels: NVIDIA aiconfigurator's tables (Apache-2.0), vLLM's kernels,
// causal, bf16. A few rows of H100 stand here; the whole tables are read where they lie beside the source tree.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "analysis/calibration/fit_attention.hpp"
#include "analysis/calibration/measurements_file.hpp"
#include "models/attention_cost.hpp"
#include "models/profile_values.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/yaml_reader.hpp"

using namespace trainyard;

namespace {

struct Row {
  std::int64_t batch, length, heads, kv_heads, width;
  double microseconds;
};
// vllm_flash_attn_fa3 on H100 SXM.
const std::vector<Row> h100_rows = {
    {1, 4096, 32, 8, 128, 264.315},   {1, 8192, 32, 8, 128, 912.219},   {4, 2048, 32, 8, 128, 315.099},
    {4, 4096, 32, 8, 128, 1011.019},  {16, 1024, 32, 8, 128, 428.784},  {1, 4096, 32, 32, 128, 304.981},
    {4, 2048, 32, 32, 128, 399.643},  {4, 4096, 32, 32, 128, 1183.243}, {16, 1024, 32, 32, 128, 601.941},
    {1, 2048, 64, 8, 128, 162.400},   {4, 4096, 64, 8, 128, 1902.192},  {1, 2048, 64, 64, 128, 207.547},
    {4, 4096, 64, 64, 128, 2352.187}, {64, 512, 16, 4, 128, 415.877},   {64, 512, 16, 16, 128, 524.443},
    {1, 4096, 64, 8, 64, 327.328},    {4, 2048, 64, 64, 64, 540.624},   {4, 4096, 32, 8, 64, 709.376},
    {16, 1024, 32, 32, 64, 451.872},  {4, 4096, 16, 2, 256, 871.456},   {1, 4096, 32, 2, 256, 410.555},
    {16, 1024, 16, 4, 256, 370.320},  {4, 2048, 32, 2, 192, 398.565},   {1, 8192, 32, 2, 192, 1140.517},
    {16, 1024, 64, 4, 192, 939.275},  {4, 8192, 8, 1, 128, 930.459},    {16, 2048, 8, 1, 128, 300.053},
    {64, 1024, 4, 1, 128, 283.339},   {64, 1024, 4, 4, 128, 555.381},   {64, 1024, 64, 64, 128, 4511.680},
};

AttentionSample sample_of(const Row& row) {
  AttentionSample s;
  s.kernel = "vllm_flash_attn_fa3";
  s.attention.sequences = row.batch;
  s.attention.length = row.length;
  s.attention.heads = row.heads;
  s.attention.d_qk = s.attention.d_v = row.width;
  s.kv_heads = row.kv_heads;
  s.time = Seconds(row.microseconds * 1e-6);
  return s;
}

// The fit to the whole H100 table, as the last test finds it.
PrefillAttention h100_prefill() {
  return {{0.706, 295, 0.08, {{64, 0.749}, {128, 1}, {192, 1.138}, {256, 1.189}}},
          0.601,
          Seconds(5.20e-9),
          Seconds(12.1e-6)};
}

double median_error(const DeviceProfile& device, const PrefillAttention& model) {
  std::vector<double> errors;
  for (const Row& row : h100_rows) {
    const AttentionSample s = sample_of(row);
    errors.push_back(std::abs(prefill_attention_time(s.attention, s.kv_heads, model, device) / s.time - 1));
  }
  std::sort(errors.begin(), errors.end());
  return errors[errors.size() / 2];
}

struct Table {
  std::string file, device;
  double median;  // the most that a tenth of the heads, held out, may be off
  double p90;
};

void check_table(const Table& table, const std::string& path) {
  INFO(table.file);
  const Measurements measured = read_measurements_file(path, {});
  const FitReport report = fit_attention(measured.attentions, load_device_profile(table.device));
  REQUIRE(report.constants.size() == 1);
  CHECK(report.constants[0].name == "attention.prefill.forward");
  std::optional<PrefillAttention> model;
  read(read_yaml_text(report.constants[0].value, "value"), model);
  CHECK(model->cache_efficiency < 1);  // a copy does not outrun the memory
  REQUIRE(report.residuals.size() > 2);
  CHECK(report.residuals[0].held_out);
  CHECK(report.residuals[0].samples > 200);
  CHECK(report.residuals[0].median < table.median);
  CHECK(report.residuals[0].p90 < table.p90);
  const auto points = std::find_if(report.residuals.begin(), report.residuals.end(), [](const Residuals& r) {
    return r.of.find("every tenth point") != std::string::npos;
  });
  REQUIRE(points != report.residuals.end());
  CHECK(points->median < table.median);
}

}  // namespace

TEST_CASE("the fitted prefill model meets measured H100 kernels of all head widths within 6 %") {
  CHECK(median_error(load_device_profile("h100-sxm-80gb"), h100_prefill()) < 0.06);
}

TEST_CASE("without the copy into the cache the same kernels are missed by more than twice as much") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  PrefillAttention no_cache = h100_prefill();
  no_cache.cache_efficiency = 1e3;
  no_cache.cache_token = Seconds(0);
  CHECK(median_error(h100, no_cache) > 2 * median_error(h100, h100_prefill()));
}

TEST_CASE("what multi-head attention takes beyond grouped-query attention is the copy of K and V") {
  const DeviceProfile h100 = load_device_profile("h100-sxm-80gb");
  // 4 sequences of 4096, 64 heads: measured with 64 KV heads minus with 8, 2352.2 - 1902.2 = 450 µs.
  const AttentionSample many = sample_of({4, 4096, 64, 64, 128, 0});
  const double difference = (prefill_attention_time(many.attention, 64, h100_prefill(), h100) -
                             prefill_attention_time(many.attention, 8, h100_prefill(), h100))
                                .value *
                            1e6;
  CHECK(difference == Approx(450).epsilon(0.15));
}

TEST_CASE("fits of whole tables reach their accuracy on heads that they have not seen") {
  // At most 6 % median; A100's and B200's tighter, and all p90s 2 % above what is reached (8.1, 12.1, 11.9 and 10.7 %),
  // so that a fit that got worse is seen.
  const std::vector<Table> tables = {{"attention_prefill_a100_sxm.csv.gz", "a100-sxm-80gb", 0.03, 0.10},
                                     {"attention_prefill_h100_sxm.csv.gz", "h100-sxm-80gb", 0.06, 0.14},
                                     {"attention_prefill_h200_sxm.csv.gz", "h200-sxm-141gb", 0.06, 0.14},
                                     {"attention_prefill_b200_sxm.csv.gz", "b200-sxm-180gb", 0.05, 0.13}};
  const std::filesystem::path folder = std::filesystem::path(TRAINYARD_SOURCE_DIR) / "../shared/data/kernels";
  for (const Table& table : tables) {
    const std::filesystem::path path = folder / table.file;
    if (std::filesystem::exists(path))
      check_table(table, path.string());
    else
      WARN("skipped: there is no " << table.file << " beside the source tree");
  }
}
