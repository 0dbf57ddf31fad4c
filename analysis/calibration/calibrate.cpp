#include "analysis/calibration/calibrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "analysis/calibration/calibrate_base.hpp"
#include "analysis/calibration/fit_attention.hpp"
#include "analysis/calibration/fit_gemm.hpp"
#include "analysis/calibration/fit_memory.hpp"
#include "models/profile_yaml.hpp"

namespace trainyard {
namespace {

std::string value_before(const std::vector<Provenance>& provenance, const std::string& constant) {
  for (const Provenance& p : provenance)
    if (p.constant == constant) return p.value;
  return {};
}

class Collector {
 public:
  Collector(const Measurements& measured, Calibration& all) : all_(all) { all_.notes = measured.notes; }

  void add(FitReport report, CalibratedProfile& profile, const std::vector<Provenance>& before) {
    for (FittedConstant& c : report.constants) {
      std::string old = value_before(before, c.name);
      profile.constants.push_back({std::move(c), std::move(old)});
    }
    append(all_.residuals, report.residuals);
    append(all_.curves, report.curves);
    for (std::string& note : report.notes)  // fits say the same of several constants
      if (std::find(all_.notes.begin(), all_.notes.end(), note) == all_.notes.end())
        all_.notes.push_back(std::move(note));
  }

 private:
  template <class T>
  static void append(std::vector<T>& to, std::vector<T>& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  }
  Calibration& all_;
};

bool has_memory_samples(const Measurements& m) {
  return !m.memory.empty() || !m.launches.empty() || !m.copies.empty() || !m.overlaps.empty();
}

std::vector<CollectiveSample> collectives_of(const Measurements& measured, bool several_nodes) {
  std::vector<CollectiveSample> samples;
  std::copy_if(measured.collectives.begin(), measured.collectives.end(), std::back_inserter(samples),
               [several_nodes](const CollectiveSample& s) { return (s.nodes > 1) == several_nodes; });
  return samples;
}

void calibrate_network(const std::vector<CollectiveSample>& samples, const DeviceProfile& device,
                       const CalibrationRequest& request, Collector& collector, Calibration& all) {
  if (request.network.empty()) {
    if (samples.empty()) return;
    all.notes.push_back(fmt::format(
        "{} collectives over several nodes are left out: --network and --nic-bandwidth fit a network profile to them, "
        "--nodes 1 says that the nodes share one NVLink domain",
        samples.size()));
    return;
  }
  const NetworkProfile base = load_network_profile(request.network);
  all.network = CalibratedProfile{ProfileKind::network, request.network, {}};
  if (samples.empty()) {
    all.notes.push_back(fmt::format("no collective over several nodes is there to fit {} to", request.network));
    return;
  }
  collector.add(fit_network(samples, device, base, request.nic_bandwidth, request.collectives), *all.network,
                base.provenance);
}

// A path must mean the same file from wherever the new profile is read.
std::string lasting_reference(const std::string& name_or_path) {
  const bool path =
      name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".yaml") || name_or_path.ends_with(".yml");
  return path ? std::filesystem::absolute(name_or_path).lexically_normal().string() : name_or_path;
}

}  // namespace

Calibration calibrate(const Measurements& measured, const CalibrationRequest& request) {
  const DeviceProfile base = load_device_profile(request.base);
  require_known_nodes(measured.collectives, base);
  Calibration all;
  all.device.base = request.base;
  Collector collector(measured, all);
  if (std::string note = other_gpu_note(measured, request.base); !note.empty()) all.notes.push_back(std::move(note));
  const auto add = [&](FitReport report) { collector.add(std::move(report), all.device, base.provenance); };
  if (!measured.gemms.empty()) add(fit_gemms(measured.gemms, base));
  if (!measured.attentions.empty()) add(fit_attention(measured.attentions, base));
  if (has_memory_samples(measured)) add(fit_memory(measured, base));
  if (const auto samples = collectives_of(measured, false); !samples.empty())
    add(fit_collectives(samples, base, request.collectives));
  calibrate_network(collectives_of(measured, true), base, request, collector, all);
  return all;
}

ProfileDocument document_of(const CalibratedProfile& profile, std::string name, std::string description) {
  ProfileDocument document{profile.kind, std::move(name), lasting_reference(profile.base), std::move(description), {}};
  for (const CalibratedConstant& c : profile.constants) document.constants.push_back(c.fitted);
  return document;
}

std::string machine_text(const Measurements& measured) {
  for (const MeasuredMachine& m : measured.machines) {
    std::vector<std::string> parts;
    const auto say = [&](std::string_view what, const std::string& value) {
      if (!value.empty()) parts.push_back(what.empty() ? value : fmt::format("{} {}", what, value));
    };
    say("", m.device);
    say("driver", m.driver);
    say("CUDA", m.cuda);
    say("cuBLASLt", m.cublas);
    say("NCCL", m.nccl);
    if (m.sm_clock_mhz > 0) say("SM clock", fmt::format("{:.0f} MHz", m.sm_clock_mhz));
    say("", m.date);
    if (!parts.empty()) return fmt::format("{}", fmt::join(parts, ", "));
  }
  return {};
}

}  // namespace trainyard
