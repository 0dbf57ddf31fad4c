#include "analysis/calibration/fit_collectives.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <array>
#include <filesystem>
#include <fstream>

#include "analysis/calibration/fit_collectives_samples.hpp"
#include "analysis/calibration/measurements_file.hpp"
#include "models/collective_cost.hpp"
#include "models/collective_curve.hpp"
#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

using Samples = std::vector<CollectiveSample>;

// NVIDIA aiconfigurator's tables, 8 x A100 SXM, NCCL 2.27.3, half: microseconds for 512 B to 512 MiB, doubling.
constexpr std::array all_reduce_8 = {22.57, 21.77, 21.53, 21.43, 21.27, 22.55, 25.96, 28.06,  27.41,  27.50, 30.08,
                                     38.85, 53.70, 77.31, 128.0, 216.5, 367.0, 595.3, 1169.1, 2182.5, 4225.9};
constexpr std::array all_gather_8 = {15.56, 14.98, 14.80, 14.65, 14.58, 15.83, 19.51, 21.15, 20.91,  20.99, 21.93,
                                     26.79, 33.45, 47.95, 73.51, 135.0, 217.6, 351.6, 660.3, 1216.8, 2288.0};

CollectiveSample sample(CollectiveKind kind, int ranks, double size, double microseconds) {
  CollectiveSample s;
  s.kind = kind;
  s.ranks = ranks;
  s.type = "half";
  s.nccl = "2.27.3";
  s.size = Bytes(size);
  s.time = Seconds(microseconds * 1e-6);
  return s;
}
template <std::size_t N>
Samples doubling(CollectiveKind kind, int ranks, const std::array<double, N>& microseconds) {
  Samples samples;
  for (std::size_t i = 0; i < N; ++i)
    samples.push_back(sample(kind, ranks, 512.0 * static_cast<double>(1ULL << i), microseconds[i]));
  return samples;
}
Samples a100_samples() {
  Samples all = doubling(CollectiveKind::all_reduce, 8, all_reduce_8);
  for (const CollectiveSample& s : doubling(CollectiveKind::all_gather, 8, all_gather_8)) all.push_back(s);
  return all;
}
Samples changed(Samples samples, double factor, const std::string& type, const std::string& nccl) {
  for (CollectiveSample& s : samples) {
    s.time = factor * s.time;
    s.type = type;
    s.nccl = nccl;
  }
  return samples;
}
Samples joined(Samples a, const Samples& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

DeviceProfile a100() {
  DeviceProfile base = load_device_profile("a100-sxm-80gb");
  base.nvlink_collectives.clear();
  return base;
}
const CollectiveFitOptions a100_links{300_GBps, {}};

// The profile that a report's constants make, read back from a file.
DeviceProfile profile_with(const FitReport& report, const std::string& base) {
  const std::string path = (std::filesystem::temp_directory_path() / fmt::format("fitted_{}.yaml", getpid())).string();
  REQUIRE(report.constants.size() == 1);
  std::ofstream(path) << fmt::format(
      "kind: device\nname: fitted\ninherits: {}\nconstants:\n  {}: {{value: {}, source: x}}\n", base,
      report.constants[0].name, report.constants[0].value);
  DeviceProfile profile = load_device_profile(path);
  std::filesystem::remove(path);
  return profile;
}
double microseconds(const DeviceProfile& device, CollectiveKind kind, int ranks, double size, double gigabytes) {
  const Tier tier{ranks, LinkClass::nvlink, BytesPerSecond(gigabytes * 1e9), {}, device.multicast_gain > 1};
  return collective_cost(kind, Bytes(size), {tier}, device, NetworkProfile{}).time.value * 1e6;
}
bool notes_name(const FitReport& report, const std::string& word) {
  for (const std::string& note : report.notes)
    if (note.find(word) != std::string::npos) return true;
  return false;
}
const Residuals* residuals(const FitReport& report, const std::string& of) {
  for (const Residuals& r : report.residuals)
    if (r.of == of) return &r;
  return nullptr;
}

}  // namespace

TEST_CASE("a fitted profile gives back the times that were measured, from 1 MB on within 6 %") {
  const FitReport report = fit_collectives(a100_samples(), a100(), a100_links);
  const DeviceProfile fitted = profile_with(report, "a100-sxm-80gb");
  for (const CollectiveSample& s : a100_samples()) {
    CAPTURE(curve_operation(s.kind), s.size.value);
    const double predicted = microseconds(fitted, s.kind, 8, s.size.value, 300);
    CHECK(predicted == Approx(s.time.value * 1e6).epsilon(s.size.value < 1e6 ? 0.12 : 0.06));
  }
  REQUIRE(residuals(report, "all_reduce in one NVLink domain, >= 1 MB"));
  CHECK(residuals(report, "all_reduce in one NVLink domain, >= 1 MB")->median < 0.06);
  CHECK(residuals(report, "all_reduce in one NVLink domain, >= 1 MB")->held_out);
  CHECK(residuals(report, "all_gather in one NVLink domain, >= 1 MB")->median < 0.06);
  CHECK(report.curves.size() == 2);
  CHECK(notes_name(report, "alltoall_perf"));  // what is still to be measured
}

TEST_CASE("curves that were not measured anew stay") {
  DeviceProfile base = a100();
  const CollectiveCurve old{"all_to_all", 4, 300_GBps, {{0_B, 10_us, 200_GBps}}};
  base.nvlink_collectives = {old, {"all_gather", 8, 300_GBps, {{0_B, 99_us, 1_GBps}}}};
  const FitReport report = fit_collectives(a100_samples(), base);  // the base says at which bandwidth
  const DeviceProfile fitted = profile_with(report, "a100-sxm-80gb");
  REQUIRE(fitted.nvlink_collectives.size() == 3);
  CHECK(fitted.nvlink_collectives[2] == old);
  CHECK_FALSE(notes_name(report, "all_to_all inside a node keeps its formula"));
  CHECK(fitted.nvlink_collectives[0].measured_at == 300_GBps);
  CHECK(microseconds(fitted, CollectiveKind::all_gather, 8, 536870912, 300) == Approx(2288).epsilon(0.06));
}

TEST_CASE("three sizes make no curve: the base is kept and a note says what to measure") {
  Samples few = a100_samples();
  few.resize(3);
  const FitReport report = fit_collectives(few, a100(), a100_links);
  CHECK(report.constants.empty());
  CHECK(notes_name(report, "fewer than four sizes"));
  CHECK(fit_collectives({}, a100(), a100_links).constants.empty());
}

TEST_CASE("a curve that ends early and a machine of unknown links are said") {
  Samples small = doubling(CollectiveKind::all_gather, 8, all_gather_8);
  small.resize(12);  // to 1 MiB
  const FitReport report = fit_collectives(small, a100());
  CHECK(notes_name(report, "measured up to 1.000 MiB only"));
  CHECK(notes_name(report, "NVLink bandwidth where the collectives were measured is not known"));
}

TEST_CASE("another type counts where it is as fast, and is left out where it is not") {
  const Samples half = doubling(CollectiveKind::all_gather, 8, all_gather_8);
  const auto points = [&](const Samples& samples) {
    std::vector<std::string> notes;
    return samples_per_curve(samples, {}, notes).at(0).samples.size();
  };
  CHECK(points(joined(half, changed(half, 1.02, "int8", "2.27.3"))) == 42);
  CHECK(points(joined(half, changed(half, 1.05, "int8", "2.27.3"))) == 21);
  const FitReport report = fit_collectives(joined(half, changed(half, 1.05, "int8", "2.27.3")), a100(), a100_links);
  CHECK(notes_name(report, "int8 left out of 1 curves: from 1 MB on it takes +5.0 %"));
}

TEST_CASE("of several NCCL versions the newest is taken that is asked for") {
  const Samples older = doubling(CollectiveKind::all_gather, 8, all_gather_8);
  const Samples both = joined(older, changed(older, 2.0, "half", "2.29.2"));
  const auto at_half_gigabyte = [&](const std::string& newest) {
    const FitReport report = fit_collectives(both, a100(), {300_GBps, newest});
    return microseconds(profile_with(report, "a100-sxm-80gb"), CollectiveKind::all_gather, 8, 536870912, 300);
  };
  CHECK(at_half_gigabyte("") == Approx(2 * 2288).epsilon(0.06));
  CHECK(at_half_gigabyte("2.27") == Approx(2288).epsilon(0.06));
  CHECK(notes_name(fit_collectives(both, a100(), {300_GBps, "2.27"}),
                   "NCCL 2.29.2 left out of 1 curves: from 1 MB on it "
                   "takes +100.0 %"));
  CHECK(fit_collectives(both, a100(), {300_GBps, "2.18"}).constants.empty());
}

TEST_CASE("versions compare number by number") {
  CHECK(older("2.9.6", "2.27.3"));
  CHECK_FALSE(older("2.27.3", "2.27.3"));
  CHECK(older("", "2.4"));
  CHECK(older("2.27", "2.27.3"));
  CHECK(older("2.27.3+cuda12.8", "2.27.5"));
  CHECK(admitted("2.27.5", "2.27"));
  CHECK_FALSE(admitted("2.28.1", "2.27"));
  CHECK(admitted("99999999999999999999", ""));
}

TEST_CASE("collectives of two GPUs do not make one profile") {
  Samples samples = a100_samples();
  samples.front().device = "A100";
  samples.back().device = "H100";
  CHECK_THROWS_AS(fit_collectives(samples, a100(), a100_links), InputError);
}

TEST_CASE("collectives over several nodes and degenerate ones make no curve") {
  Samples samples = a100_samples();
  for (CollectiveSample& s : samples) s.nodes = 2;
  CHECK(fit_collectives(samples, a100(), a100_links).constants.empty());
  for (CollectiveSample& s : samples) s.nodes = 1, s.ranks = 1;
  CHECK(fit_collectives(samples, a100(), a100_links).constants.empty());
  for (CollectiveSample& s : samples) s.ranks = 8, s.time = Seconds(0);
  CHECK(fit_collectives(samples, a100(), a100_links).constants.empty());
}

namespace {

struct Gpu {
  const char* rows;
  const char* profile;
  double gigabytes;
};

}  // namespace

TEST_CASE("published tables of one NVLink domain: held-out points from 1 MB on within 6 % per GPU and operation") {
  const std::filesystem::path data = std::filesystem::path(TRAINYARD_SOURCE_DIR) / "../shared/data";
  if (!std::filesystem::exists(data / "kernels/nccl_single_domain.csv.gz")) {
    WARN("skipped: no collective tables at " + data.string());
    return;
  }
  for (const Gpu& gpu :
       {Gpu{"A100", "a100-sxm-80gb", 300}, Gpu{"H100", "h100-sxm-80gb", 450}, Gpu{"H200", "h200-sxm-141gb", 450},
        Gpu{"B200", "b200-sxm-180gb", 900}, Gpu{"GB200", "gb200-186gb", 900}}) {
    CAPTURE(gpu.rows);
    MeasurementChoices choices;
    choices.device = gpu.rows;
    const Measurements table = read_measurements_file((data / "kernels/nccl_single_domain.csv.gz").string(), choices);
    // Sizes are totals for every operation. Were those of all-gather and all-to-all per rank, 8 GPUs would move 8 times
    // as much: more than NVLink carries.
    const CollectiveFitOptions options{BytesPerSecond(gpu.gigabytes * 1e9), "2.27"};
    for (const CollectiveSample& s : table.collectives)
      CHECK(bus_factor(s.kind, s.ranks) * s.size / s.time <
            (s.kind == CollectiveKind::all_reduce ? 1.2 : 1.0) * options.nvlink_bandwidth);
    const FitReport report = fit_collectives(table.collectives, load_device_profile(gpu.profile), options);
    CHECK(report.residuals.size() == 8);
    for (const Residuals& r : report.residuals) {
      CAPTURE(r.of);
      CHECK(r.held_out);
      CHECK(r.median < 0.06);
      CHECK(std::abs(r.bias) < 0.06);
    }
    CHECK(profile_with(report, gpu.profile).nvlink_collectives.size() == report.curves.size());
  }
}

TEST_CASE("four GB200 continued to a rack of 72 meet its published all-reduce within 10 % up to 1 GB") {
  const std::filesystem::path data = std::filesystem::path(TRAINYARD_SOURCE_DIR) / "../shared/data";
  if (!std::filesystem::exists(data / "kernels/nccl_single_domain.csv.gz")) {
    WARN("skipped: no collective tables at " + data.string());
    return;
  }
  MeasurementChoices choices;
  choices.device = "GB200";
  const Measurements table = read_measurements_file((data / "kernels/nccl_single_domain.csv.gz").string(), choices);
  const FitReport report = fit_collectives(table.collectives, load_device_profile("gb200-186gb"), {900_GBps, "2.27"});
  const DeviceProfile fitted = profile_with(report, "gb200-186gb");
  // CoreWeave, 72 x GB200, NCCL 2.26.2: 1807 us for 512 MiB and 3109 us for 1 GiB out of place.
  CHECK(microseconds(fitted, CollectiveKind::all_reduce, 72, 536870912, 900) == Approx(1807).epsilon(0.1));
  CHECK(microseconds(fitted, CollectiveKind::all_reduce, 72, 1073741824, 900) == Approx(3109).epsilon(0.1));
}
