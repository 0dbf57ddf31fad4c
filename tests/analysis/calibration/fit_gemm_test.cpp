// Tables made with known constants, and everything a fit must not stumble over.
#include "analysis/calibration/fit_gemm.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "analysis/calibration/fit_gemm_formula.hpp"
#include "analysis/calibration/fit_gemm_surface.hpp"
#include "models/gemm_cost.hpp"
#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

// An H100 without measured surfaces, whatever the shipped profile holds.
DeviceProfile plain_h100() {
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
  d.fp8 = {.sustained = 0.77, .k_overhead = 460, .training_derate = 1, .surface = {}};
  return d;
}
// Another GPU of that kind, off in every constant that large tables determine.
DeviceProfile other_h100() {
  DeviceProfile d = plain_h100();
  d.gemm.sustained = 0.83;
  d.gemm.k_overhead = 160;
  d.gemm.memory_efficiency = 0.8;
  d.gemm.fixed = 2.5_us;
  d.fp8.sustained = 0.7;
  d.fp8.k_overhead = 300;
  return d;
}

std::vector<GemmSample> grid(DataType type, const std::vector<std::int64_t>& rows,
                             const std::vector<std::int64_t>& extents) {
  std::vector<GemmSample> samples;
  for (const std::int64_t m : rows)
    for (const std::int64_t n : extents)
      for (const std::int64_t k : extents) samples.emplace_back().gemm = {.m = m, .n = n, .k = k, .type = type};
  return samples;
}
std::vector<GemmSample> wide_grid(DataType type) {
  return grid(type, {16, 64, 256, 512, 1024, 2048, 3072, 4096, 8192, 16384},
              {64, 128, 512, 1024, 1536, 2048, 4096, 6144, 8192, 16384});
}

// Times of `device` with 2 % of scatter, and every 20th sample four times as long.
void measure(std::vector<GemmSample>& samples, const DeviceProfile& device, bool outliers) {
  std::mt19937_64 random(7);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double scatter = 0.02 * (2.0 * static_cast<double>(random() % 1001) / 1000.0 - 1.0);
    samples[i].time = (1 + scatter) * benchmark_gemm_time(samples[i].gemm, device);
    if (outliers && i % 20 == 7) samples[i].time = 4 * samples[i].time;
  }
}

const FittedConstant* constant(const FitReport& report, const std::string& name) {
  const auto found = std::find_if(report.constants.begin(), report.constants.end(),
                                  [&](const FittedConstant& c) { return c.name == name; });
  return found == report.constants.end() ? nullptr : &*found;
}
double number(const FitReport& report, const std::string& name) {
  const FittedConstant* c = constant(report, name);
  REQUIRE(c != nullptr);
  return std::stod(c->value);
}
bool has_note(const FitReport& report, const std::string& words) {
  return std::any_of(report.notes.begin(), report.notes.end(),
                     [&](const std::string& note) { return note.find(words) != std::string::npos; });
}
const Residuals& residuals(const FitReport& report, const std::string& of) {
  const auto found =
      std::find_if(report.residuals.begin(), report.residuals.end(), [&](const Residuals& r) { return r.of == of; });
  REQUIRE(found != report.residuals.end());
  return *found;
}
GemmSamples pointers(const std::vector<GemmSample>& samples) {
  GemmSamples all;
  for (const GemmSample& s : samples) all.push_back(&s);
  return all;
}

}  // namespace

TEST_CASE("the constants of a table made with known ones are recovered, one in twenty samples being four times off") {
  std::vector<GemmSample> table = wide_grid(DataType::bf16);
  measure(table, other_h100(), true);
  const FitReport report = fit_gemms(table, plain_h100());
  CHECK(number(report, "gemm.sustained") == Approx(0.83).epsilon(0.03));
  CHECK(number(report, "gemm.memory_efficiency") == Approx(0.8).epsilon(0.05));
  CHECK(number(report, "gemm.fixed") == Approx(2.5).epsilon(0.2));  // us
  // K0 trades with the rate: 60 of 160 elements are 3 % of the time at k = 2048.
  CHECK(number(report, "gemm.k_overhead") == Approx(160).margin(60));
  // The scatter is uniform within 2 %: its median is 1 %, and the fit adds about as much.
  const Residuals& r = residuals(report, "bf16 GEMM, (n, k) left out");
  CHECK(r.held_out);
  CHECK(r.samples > 50);
  CHECK(r.median < 0.02);
  REQUIRE(constant(report, "gemm.surface") != nullptr);
  CHECK(constant(report, "gemm.surface")->value.substr(0, 5) == "{m: [");
  CHECK(report.curves.size() == 2);
  CHECK(report.curves.front().measured.size() == report.curves.front().fitted.size());
}

TEST_CASE("a surface of known ratios is recovered at its knots") {
  const DeviceProfile h100 = plain_h100();
  GemmSurface truth{
      .m = {512, 4096}, .n = {512, 4096}, .k = {512, 4096}, .ratio = {0.8, 1.0, 1.2, 1.0, 1.1, 0.9, 1.0, 1.3}};
  const std::vector<std::int64_t> extents = {512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096};
  std::vector<GemmSample> table = grid(DataType::bf16, extents, extents);
  DeviceProfile real = h100;
  real.gemm.surface = truth;
  measure(table, real, true);
  const GemmSurface lattice{truth.m, truth.n, truth.k, {}};
  const GemmSurface fitted = fit_surface(pointers(table), {h100, DataType::bf16, {}, {}, {}, true}, lattice);
  // 2197 samples on 8 knots, most of them between: the prior pulls a corner by 1 %, the outliers by Huber's knee of 5 %
  // times their share of 5 %, and a value is written in whole percent.
  for (std::size_t i = 0; i < truth.ratio.size(); ++i) CHECK(fitted.ratio[i] == Approx(truth.ratio[i]).margin(0.02));
}

TEST_CASE("knots without samples continue their neighbours and fade to 1") {
  const DeviceProfile h100 = plain_h100();
  std::vector<GemmSample> table = grid(DataType::bf16, {1024}, {1024});
  table.resize(200, table.front());
  for (GemmSample& s : table) s.time = 1.5 * benchmark_gemm_time(s.gemm, h100);
  const GemmSurface lattice{{1024, 4096, 65536}, {1024}, {1024}, {}};
  const GemmSurface fitted = fit_surface(pointers(table), {h100, DataType::bf16, {}, {}, {}, true}, lattice);
  CHECK(fitted.ratio[0] == Approx(1.5).margin(0.02));
  CHECK(fitted.ratio[1] < fitted.ratio[0]);
  CHECK(fitted.ratio[2] < fitted.ratio[1]);
  CHECK(fitted.ratio[2] >= 1.0);
}

TEST_CASE("the lattice has knots only where samples are, and at most a quarter as many") {
  const std::vector<GemmSample> narrow = grid(DataType::bf16, {4096, 8192, 16384}, {4096, 8192});
  const GemmSurface few = surface_lattice(pointers(narrow));  // 12 samples: 3 knots
  CHECK(few.m.size() * few.n.size() * few.k.size() <= 3);
  const std::vector<GemmSample> wide = wide_grid(DataType::bf16);  // 1000 samples
  const GemmSurface many = surface_lattice(pointers(wide));
  CHECK(many.m.size() * many.n.size() * many.k.size() <= 250);
  CHECK(many.m.size() * many.n.size() * many.k.size() >= 100);
  CHECK(many.m.front() >= 16);
  CHECK(surface_lattice({}).m.empty());
}

TEST_CASE("too few samples change nothing, some more the level, and a note says what to measure") {
  std::vector<GemmSample> table = grid(DataType::bf16, {4096}, {4096, 8192});
  measure(table, other_h100(), false);
  const FitReport four = fit_gemms(table, plain_h100());
  CHECK(four.constants.empty());
  CHECK(has_note(four, "4 samples determine nothing, measure at least 60"));

  table = grid(DataType::bf16, {2048, 4096, 8192}, {4096, 8192, 16384});
  DeviceProfile faster = plain_h100();
  faster.gemm.sustained = 0.80;
  measure(table, faster, false);
  const FitReport level = fit_gemms(table, plain_h100());
  REQUIRE(level.constants.size() == 1);
  CHECK(number(level, "gemm.sustained") == Approx(0.80).epsilon(0.01));
  CHECK(has_note(level, "27 samples give the level only"));
}

TEST_CASE("a surface is fitted also where the constants are right as they are") {
  std::vector<GemmSample> table = grid(DataType::bf16, {512, 1024, 2048, 4096}, {512, 1024, 2048, 4096, 8192});
  for (GemmSample& s : table) s.time = benchmark_gemm_time(s.gemm, plain_h100());
  const FitReport report = fit_gemms(table, plain_h100());
  REQUIRE(report.constants.size() == 1);
  CHECK(report.constants.front().name == "gemm.surface");
  CHECK(has_note(report, "gemm.sustained, "));
  CHECK(has_note(report, "no other value explains these samples better; to be surer, measure "));
}

TEST_CASE("a measured surface is kept where there are fewer samples than it has numbers") {
  DeviceProfile base = plain_h100();
  base.gemm.surface = {.m = {1024, 2048, 4096, 8192, 16384},
                       .n = {512, 1024, 2048, 4096, 8192},
                       .k = {512, 1024, 2048, 4096, 8192},
                       .ratio = std::vector<double>(125, 1.2)};
  std::vector<GemmSample> table = grid(DataType::bf16, {2048, 4096, 8192, 16384}, {2048, 4096, 6144, 8192, 16384});
  DeviceProfile faster = base;
  faster.gemm.sustained = 0.80;
  measure(table, faster, false);  // 100 samples
  const FitReport report = fit_gemms(table, base);
  REQUIRE(report.constants.size() == 1);
  CHECK(number(report, "gemm.sustained") == Approx(0.80).epsilon(0.01));
}

TEST_CASE("samples that are no measurements are left out and counted") {
  std::vector<GemmSample> table = grid(DataType::bf16, {4096}, {4096, 8192});
  measure(table, plain_h100(), false);
  table[0].time = Seconds(0);
  table[1].time = Seconds(-1);
  table[2].time = Seconds(std::numeric_limits<double>::quiet_NaN());
  table[3].gemm.k = 0;
  const FitReport report = fit_gemms(table, plain_h100());
  CHECK(report.constants.empty());
  CHECK(has_note(report, "4 GEMM samples without a positive shape and time are left out"));
  CHECK(fit_gemms({}, plain_h100()).constants.empty());
}

TEST_CASE("wild times neither hang nor give constants beyond their bounds") {
  std::vector<GemmSample> table = wide_grid(DataType::bf16);
  std::mt19937_64 random(3);
  for (GemmSample& s : table) s.time = Seconds(std::pow(10.0, static_cast<double>(random() % 600) / 10.0 - 30.0));
  const FitReport report = fit_gemms(table, plain_h100());
  for (const FittedConstant& c : report.constants) {
    CHECK(c.value.find("nan") == std::string::npos);
    CHECK(c.value.find("inf") == std::string::npos);
  }
  if (constant(report, "gemm.sustained") != nullptr) CHECK(number(report, "gemm.sustained") <= 1.0);
}

TEST_CASE("types without tensor cores, batches and groups are left out with a note") {
  const DeviceProfile a100 = load_device_profile("a100-sxm-80gb");
  std::vector<GemmSample> table = grid(DataType::fp8, {4096}, {4096, 8192});
  for (GemmSample& s : table) s.time = 1_ms;
  table[0].gemm.type = DataType::bf16;
  table[0].gemm.batch = 8;
  table[1].gemm.type = DataType::bf16;
  table[1].gemm.groups = 8;
  const FitReport report = fit_gemms(table, a100);
  CHECK(report.constants.empty());
  CHECK(has_note(report, "4 GEMM samples are left out"));
}

TEST_CASE("the cast of A is taken out of fp8 times that hold it, and only of those") {
  std::vector<GemmSample> table = wide_grid(DataType::fp8);
  measure(table, other_h100(), false);
  const FitReport without = fit_gemms(table, plain_h100());
  CHECK_FALSE(has_note(without, "cast of A"));
  CHECK(number(without, "fp8.sustained") == Approx(0.7).epsilon(0.03));
  // 4 us, 7 ns a row and 2.2 ps an element: m = 16384, k = 16384 takes 4 + 16384 x hypot(0.007, 0.036) = 605 us.
  for (GemmSample& s : table) {
    const double m = static_cast<double>(s.gemm.m), k = static_cast<double>(s.gemm.k);
    s.time += 4_us + Seconds(m * std::hypot(7e-9, 2.2e-12 * k));
  }
  const FitReport with = fit_gemms(table, plain_h100());
  CHECK(has_note(with, "cast of A"));
  CHECK(number(with, "fp8.sustained") == Approx(0.7).epsilon(0.05));
}

TEST_CASE("fp8 shapes that are no multiple of 16 are left out") {
  std::vector<GemmSample> table = grid(DataType::fp8, {4097}, {4096, 8192});
  measure(table, plain_h100(), false);
  const FitReport report = fit_gemms(table, plain_h100());
  CHECK(has_note(report, "4 GEMM samples of 8 and 4 bits are left out: m, n or k is no multiple of 16"));
}

TEST_CASE("the slowdown of weight gradients is their median over what their shape takes") {
  std::vector<GemmSample> table = grid(DataType::bf16, {2048, 4096, 8192}, {2048, 4096, 8192});
  measure(table, plain_h100(), false);
  for (GemmSample& s : table) {
    s.gemm.accumulate = s.gemm.weight_gradient = true;
    s.pass = GemmPass::wgrad;
    s.time = 1.08 * benchmark_gemm_time(s.gemm, plain_h100());
  }
  const FitReport report = fit_gemms(table, plain_h100());
  REQUIRE(report.constants.size() == 1);
  CHECK(number(report, "wgrad_slowdown") == Approx(1.08));
  table.resize(5);
  CHECK(has_note(fit_gemms(table, plain_h100()), "5 weight-gradient GEMMs are too few"));
}

TEST_CASE("block-scaled fp8 is reported and fits nothing") {
  std::vector<GemmSample> table = grid(DataType::fp8, {2048, 4096, 8192}, {2048, 4096, 8192});
  measure(table, plain_h100(), false);
  for (GemmSample& s : table) {
    s.block_scaled = true;
    s.time = 1.1 * benchmark_gemm_time(s.gemm, plain_h100());
  }
  const FitReport report = fit_gemms(table, plain_h100());
  CHECK(report.constants.empty());
  CHECK(has_note(report, "takes 1.10 of the time with a scale per tensor (median of 27)"));
  CHECK(report.residuals.front().bias == Approx(1 / 1.1 - 1));
}

TEST_CASE("the same samples give the same report") {
  std::vector<GemmSample> table = grid(DataType::bf16, {512, 1024, 2048, 4096}, {512, 1024, 2048, 4096, 8192});
  measure(table, other_h100(), true);
  CHECK(fit_gemms(table, plain_h100()) == fit_gemms(table, plain_h100()));
}
