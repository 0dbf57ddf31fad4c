#include <catch2/catch.hpp>

#include <algorithm>

#include "analysis/calibration/fit_memory.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

// 1000 GB/s of memory; launches of 4 us.
DeviceProfile base() {
  DeviceProfile d;
  d.name = "base";
  d.memory_bandwidth = BytesPerSecond(1e12);
  d.fused_efficiency = 0.8;
  d.layout_efficiency = 0.4;
  d.kernel_launch = Seconds(3e-6);
  return d;
}

constexpr double launch = 4e-6;

// t = launch + bytes / (share x 1000 GB/s)
MemorySample sample(std::string record, std::string kernel, double bytes, double share, bool fused = true) {
  return {std::move(record), std::move(kernel), fused, Bytes(bytes), Seconds(launch + bytes / (share * 1e12)), {}};
}

Measurements measured() {
  Measurements m;
  for (const double bytes : {1e5, 5e5, 3e8, 1e9}) {
    m.memory.push_back(sample("memory", "read", bytes, 0.95));
    m.memory.push_back(sample("memory", "copy", bytes, 0.88));
    m.memory.push_back(sample("memory", "triad", bytes, 0.90));
    m.memory.push_back(sample("elementwise", "rms_norm", bytes, 0.92));
    m.memory.push_back(sample("elementwise", "softmax", bytes, 0.30, false));  // unfused: counts nowhere
    m.memory.push_back(sample("transpose", "naive", bytes, 0.20));
    m.memory.push_back(sample("transpose", "shared_padded", bytes, 0.60));
  }
  return m;
}

std::string value(const FitReport& report, const std::string& name) {
  const auto found = std::find_if(report.constants.begin(), report.constants.end(),
                                  [&](const FittedConstant& c) { return c.name == name; });
  return found == report.constants.end() ? "" : found->value;
}

std::string notes(const FitReport& report) {
  std::string all;
  for (const std::string& note : report.notes) all += note + "\n";
  return all;
}

}  // namespace

TEST_CASE("Memory constants of synthetic kernels come back") {
  const FitReport report = fit_memory(measured(), base());
  CHECK(value(report, "fused_efficiency") == "0.900");   // median of 0.88, 0.90, 0.92
  CHECK(value(report, "layout_efficiency") == "0.600");  // staged, not naive
  // 100 kB and 500 kB at 0.88 to 0.92 of the peak instead of the base's 0.8 leave the floor short by 0.01 to 0.08 us.
  CHECK(std::stod(value(report, "kernel_launch")) == Approx(4.0).epsilon(0.02));
  REQUIRE(report.residuals.size() == 2);
  CHECK(report.residuals[0].samples == 6);
  CHECK(report.residuals[0].median < 0.025);  // 0.88 and 0.92 against 0.90
  CHECK(report.curves.size() == 1);
}

TEST_CASE("Fused kernels are not faster than the best streaming kernel") {
  Measurements m;
  m.memory = {sample("memory", "read", 1e9, 0.80), sample("elementwise", "add", 1e9, 0.99)};
  CHECK(value(fit_memory(m, base()), "fused_efficiency") ==
        "0.799");  // 1000 us / (1254 us - 3 us of the base's launch)
}

TEST_CASE("Small or missing kernels leave the base's constants and say what to measure") {
  Measurements m;
  m.memory = {sample("memory", "copy", 5e6, 0.9)};
  const FitReport report = fit_memory(m, base());
  CHECK(report.constants.empty());
  CHECK_THAT(notes(report), Contains("fused_efficiency keeps") && Contains("layout_efficiency keeps") &&
                                Contains("kernel_launch keeps"));
  CHECK(fit_memory(Measurements{}, base()) == FitReport{});
}

TEST_CASE("Faster than the memory's peak is no efficiency") {
  Measurements m;
  m.memory = {sample("memory", "copy", 1e9, 1.5)};
  const FitReport report = fit_memory(m, base());
  CHECK(value(report, "fused_efficiency").empty());
  CHECK_THAT(notes(report), Contains("base profile"));
}

TEST_CASE("Empty launches stand in for small kernels") {
  Measurements m;
  m.launches = {{"empty", Seconds(2.2e-6), {}}, {"empty", Seconds(2.4e-6), {}}, {"graph_node", Seconds(1e-6), {}}};
  CHECK(value(fit_memory(m, base()), "kernel_launch") == "2.30us");
}

TEST_CASE("A launch of milliseconds is none") {
  Measurements m;
  m.launches = {{"empty", Seconds(2.2e-3), {}}};
  const FitReport report = fit_memory(m, base());
  CHECK(report.constants.empty());
  CHECK_THAT(notes(report), Contains("kernel_launch would be"));
}

TEST_CASE("Copies, peaks, overlap and Adam become notes") {
  Measurements m;
  m.copies = {{"host_to_device", true, Bytes(1e9), Seconds(0.02), {}},  // 50 GB/s of PCIe 5's 63: 0.79
              {"host_to_device", false, Bytes(1e9), Seconds(0.1), {}}};
  m.overlaps = {{"all_reduce", Seconds(0.9), Seconds(1.0), {}}};  // 0.1 s lost per second
  m.memory = {sample("optimizer", "adam_fused", 1e9, 0.85)};
  m.machines.resize(1);
  m.machines[0].peak_bandwidth = BytesPerSecond(1.2e12);
  CHECK_THAT(notes(fit_memory(m, base())), Contains("50.0 GB/s") && Contains("0.79 of PCIe 5") &&
                                               Contains("contention: 0.100 s") && Contains("adam_fused: 0.85") &&
                                               Contains("1200 GB/s"));
}
