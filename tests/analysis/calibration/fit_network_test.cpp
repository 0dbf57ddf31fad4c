#include <catch2/catch.hpp>

#include <filesystem>
#include <limits>

#include "analysis/calibration/fit_collectives.hpp"
#include "analysis/calibration/measurements_file.hpp"
#include "models/collective_cost.hpp"
#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

const BytesPerSecond nic = 50_GBps;
const CollectiveFitOptions hopper_links{450_GBps, {}};

// What collective_cost says of a network, as if measured: 1 kB to 4 GB, doubling.
std::vector<CollectiveSample> measured(CollectiveKind kind, int nodes, const NetworkProfile& network,
                                       const DeviceProfile& device, double least = 1024, double most = 4e9) {
  std::vector<CollectiveSample> samples;
  const std::vector<Tier> tiers = {{8, LinkClass::nvlink, 450_GBps, {}, true}, {nodes, LinkClass::net, nic, {}, false}};
  for (double size = least; size <= most; size *= 2) {
    CollectiveSample s;
    s.kind = kind;
    s.type = "half";
    s.ranks = 8 * nodes;
    s.nodes = nodes;
    s.size = Bytes(size);
    s.time = collective_cost(kind, s.size, tiers, device, network).time;
    samples.push_back(s);
  }
  return samples;
}

std::string value_of(const FitReport& report, const std::string& name) {
  for (const FittedConstant& c : report.constants)
    if (c.name == name) return c.value;
  return {};
}
bool notes_name(const FitReport& report, const std::string& word) {
  for (const std::string& note : report.notes)
    if (note.find(word) != std::string::npos) return true;
  return false;
}

struct Case {
  DeviceProfile device = load_device_profile("h100-sxm-80gb");
  NetworkProfile base = load_network_profile("infiniband");
  NetworkProfile truth = base;
  Case() {
    truth.collective_efficiency = 0.7;
    truth.step_latency = 60_us;
    truth.all_to_all_efficiency = 0.6;
    truth.all_to_all_peer = 5_us;
  }
};

}  // namespace

TEST_CASE("the constants of a known network are found again") {
  const Case c;
  // To 64 GB, so that every held-out split keeps messages of the protocol that is bound by the NICs.
  std::vector<CollectiveSample> samples = measured(CollectiveKind::all_gather, 4, c.truth, c.device, 1024, 64e9);
  for (const CollectiveSample& s : measured(CollectiveKind::all_to_all, 4, c.truth, c.device)) samples.push_back(s);
  const FitReport report = fit_network(samples, c.device, c.base, nic, hopper_links);
  CHECK(value_of(report, "collective_efficiency") == "0.7");
  CHECK(value_of(report, "step_latency") == "60us");
  CHECK(value_of(report, "all_to_all_efficiency") == "0.6");
  CHECK(value_of(report, "all_to_all_peer") == "5us");
  REQUIRE(!report.residuals.empty());
  for (const Residuals& r : report.residuals) CHECK(r.p90 < 0.01);
}

TEST_CASE("two measurements gone wrong do not move a network's constants") {
  const Case c;
  std::vector<CollectiveSample> samples = measured(CollectiveKind::reduce_scatter, 4, c.truth, c.device);
  samples[2].time = 8.0 * samples[2].time;
  samples[samples.size() - 3].time = 4.0 * samples[samples.size() - 3].time;
  const FitReport report = fit_network(samples, c.device, c.base, nic, hopper_links);
  CHECK(std::stod(value_of(report, "collective_efficiency")) == Approx(0.7).epsilon(0.01));
  CHECK(std::stod(value_of(report, "step_latency")) == Approx(60).epsilon(0.01));
}

TEST_CASE("large messages alone tell no latency, small ones no efficiency") {
  const Case c;
  const auto large = measured(CollectiveKind::all_gather, 4, c.truth, c.device, 1e9, 16e9);
  FitReport report = fit_network(large, c.device, c.base, nic, hopper_links);
  CHECK(value_of(report, "step_latency").empty());
  CHECK(notes_name(report, "step_latency keeps the base's value"));
  CHECK(std::stod(value_of(report, "collective_efficiency")) == Approx(0.7).epsilon(0.02));

  const auto small = measured(CollectiveKind::all_gather, 4, c.truth, c.device, 512, 64e3);
  report = fit_network(small, c.device, c.base, nic, hopper_links);
  CHECK(value_of(report, "collective_efficiency").empty());
  CHECK(notes_name(report, "collective_efficiency keeps the base's value"));
  CHECK(std::stod(value_of(report, "step_latency")) == Approx(60).epsilon(0.02));
}

TEST_CASE("a network faster than NVLink's share is not told by all-gathers") {
  // 8 rails of 0.95 x 50 GB/s carry 380 GB/s, a ring over NVLink 0.8 x 450 = 360: the NICs are never waited for.
  const Case c;
  const auto samples = measured(CollectiveKind::all_gather, 2, c.base, c.device, 64e6, 16e9);
  CHECK(
      notes_name(fit_network(samples, c.device, c.base, nic, hopper_links), "no three samples are bound by the NICs"));
}

TEST_CASE("a constant that is none of a network, or with which the formulas miss, is not written") {
  // Times that no steps and no network make up: as if messages below 16 MB took no latency at all.
  const Case c;
  NetworkProfile instant = c.truth;
  instant.step_latency = {};
  FitReport report =
      fit_network(measured(CollectiveKind::all_gather, 4, instant, c.device), c.device, c.base, nic, hopper_links);
  CHECK(value_of(report, "step_latency").empty());
  CHECK(notes_name(report, "step_latency keeps the base's value"));
  CHECK(std::stod(value_of(report, "collective_efficiency")) == Approx(0.7).epsilon(0.05));

  auto wild = measured(CollectiveKind::all_gather, 4, c.truth, c.device);
  for (std::size_t i = 0; i < wild.size(); ++i) wild[i].time = (i % 2 == 0 ? 3.0 : 1.0 / 3.0) * wild[i].time;
  report = fit_network(wild, c.device, c.base, nic, hopper_links);
  CHECK(report.constants.empty());
  CHECK(notes_name(report, "step_latency keeps the base's value"));
  CHECK(notes_name(report, "leaves a median error of"));
}

TEST_CASE("fewer samples than constants keep the base") {
  const Case c;
  auto samples = measured(CollectiveKind::all_gather, 4, c.truth, c.device);
  samples.resize(2);
  const FitReport report = fit_network(samples, c.device, c.base, nic, hopper_links);
  CHECK(report.constants.empty());
  CHECK(notes_name(report, "2 samples are too few"));
  CHECK(fit_network({}, c.device, c.base, nic, hopper_links).constants.empty());
}

TEST_CASE("uneven nodes and unknown NVLink are left out with a note") {
  const Case c;
  auto samples = measured(CollectiveKind::all_gather, 4, c.truth, c.device);
  for (CollectiveSample& s : samples) s.ranks = 30;
  FitReport report = fit_network(samples, c.device, c.base, nic, hopper_links);
  CHECK(report.constants.empty());
  CHECK(notes_name(report, "left out"));
  DeviceProfile no_curves = c.device;
  no_curves.nvlink_collectives.clear();
  report = fit_network(measured(CollectiveKind::all_gather, 4, c.truth, c.device), no_curves, c.base, nic);
  CHECK(report.constants.empty());
  CHECK(notes_name(report, "left out"));
}

TEST_CASE("a network needs a bandwidth, and one GPU") {
  const Case c;
  auto samples = measured(CollectiveKind::all_gather, 4, c.truth, c.device);
  for (const double wrong :
       {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(fit_network(samples, c.device, c.base, BytesPerSecond(wrong), hopper_links), InputError);
  samples[0].device = "H100";
  samples[1].device = "A100";
  CHECK_THROWS_AS(fit_network(samples, c.device, c.base, nic, hopper_links), InputError);
}

TEST_CASE("published logs over several nodes give the NICs' known efficiency") {
  // Peak bus bandwidths over the nodes' nominal rate: DGX A100 2 x 8 over 8 x 200 Gb/s 188.7 of 200 GB/s, 2 x 8 H100
  // over 8 x 200 Gb/s TCPXO 188.9 of 200 GB/s; the formulas add the step latency, which takes some of it.
  const std::filesystem::path runs = std::filesystem::path(TRAINYARD_SOURCE_DIR) / "../shared/data/nccl_runs";
  if (!std::filesystem::exists(runs)) {
    WARN("skipped: no folder of nccl-tests logs at " + runs.string());
    return;
  }
  struct Log {
    const char* file;
    const char* device;
    const char* network;
    BytesPerSecond nvlink;
    double least, most;
    double residual;  // from 16 MB on; all-reduces of that size change their algorithm, which the formulas do not know
  };
  for (const Log& log :
       {Log{"017-dgxa100-2n16-ar-k8s-hdr.txt", "a100-sxm-80gb", "infiniband", 300_GBps, 0.87, 0.96, 0.13},
        Log{"013-gcp-a3mega-2n16-ag-tcpxo.txt", "h100-sxm-80gb", "tcpxo", 450_GBps, 0.90, 0.96, 0.08}}) {
    CAPTURE(log.file);
    MeasurementChoices choices;
    choices.nodes = 2;
    const Measurements measurements = read_measurements_file((runs / log.file).string(), choices);
    const FitReport report = fit_network(measurements.collectives, load_device_profile(log.device),
                                         load_network_profile(log.network), 25_GBps, {log.nvlink, {}});
    const double efficiency = std::stod(value_of(report, "collective_efficiency"));
    CHECK(efficiency > log.least);
    CHECK(efficiency < log.most);
    REQUIRE(!report.residuals.empty());
    CHECK(report.residuals.front().median < log.residual);
  }
}
