#include "analysis/calibration/fit_memory_notes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace trainyard {
namespace {

using Notes = std::vector<std::string>;

// Nominal PCIe x16, one direction, 128b/130b coding: 16 lanes x 8, 16, 32, 64 GT/s (PCI-SIG).
struct PcieGeneration {
  int number;
  double bandwidth;  // GB/s
};
constexpr std::array pcie = {PcieGeneration{3, 15.75}, PcieGeneration{4, 31.5}, PcieGeneration{5, 63.0},
                             PcieGeneration{6, 121.0}};
constexpr double noticeable_difference = 0.03;  // of a nominal bandwidth: more is another product or clock
constexpr double large_copy = 16e6;             // bytes: its set-up of about 10 µs no longer counts
constexpr double in_gigabytes = 1e-9;

double best_rate(const Measurements& m, std::string_view direction, bool pinned) {
  double best = 0;
  for (const CopySample& s : m.copies)
    if (s.direction == direction && s.pinned == pinned && s.bytes.value >= large_copy)
      best = std::max(best, (s.bytes / s.time).value);
  return best;
}

void note_host_copies(const Measurements& m, Notes& notes) {
  for (const std::string_view direction : {"host_to_device", "device_to_host"}) {
    const double rate = best_rate(m, direction, true) * in_gigabytes;
    if (rate <= 0) continue;
    const auto* generation =
        std::find_if(pcie.begin(), pcie.end(), [rate](const PcieGeneration& g) { return g.bandwidth >= rate; });
    if (generation == pcie.end())
      notes.push_back(fmt::format("{}: {:.1f} GB/s of pinned memory, more than PCIe carries", direction, rate));
    else
      notes.push_back(
          fmt::format("{}: {:.1f} GB/s of pinned memory, {:.2f} of PCIe {} x16: pcie_efficiency of a "
                      "network profile if that is the slot",
                      direction, rate, rate / generation->bandwidth, generation->number));
  }
}

void note_peers(const Measurements& m, Notes& notes) {
  if (const double rate = best_rate(m, "peer", true) * in_gigabytes; rate > 0)
    notes.push_back(fmt::format("copies between GPUs reach {:.1f} GB/s, {:.1f} in both directions at once", rate,
                                best_rate(m, "peer_bidirectional", true) * in_gigabytes));
}

// Lost compute time per second of communication that ran under it, which lasted as long as both did.
void note_contention(const Measurements& m, Notes& notes) {
  std::map<std::string, std::vector<double>> losses;
  for (const OverlapSample& s : m.overlaps)
    losses[s.with].push_back(std::max(0.0, (s.together - s.alone) / s.together));
  for (const auto& [with, values] : losses)
    notes.push_back(
        fmt::format("contention: {:.3f} s of compute are lost per second of {} under it (median of {}); it "
                    "is a constant of the stack profile",
                    median_of(values), with, values.size()));
}

void note_peak(const Measurements& m, const DeviceProfile& base, Notes& notes) {
  for (const MeasuredMachine& machine : m.machines) {
    const double peak = machine.peak_bandwidth.value, nominal = base.memory_bandwidth.value;
    if (peak <= 0 || nominal <= 0 || std::abs(peak / nominal - 1) <= noticeable_difference) continue;
    notes.push_back(
        fmt::format("the memory's peak is {:.0f} GB/s by its clock and width, {:.0f} in profile '{}': efficiencies "
                    "are shares of the latter",
                    peak * in_gigabytes, nominal * in_gigabytes, base.name));
    return;
  }
}

void note_launches(const Measurements& m, Notes& notes) {
  std::map<std::string, std::vector<double>> times;
  for (const LaunchSample& s : m.launches) times[s.kernel].push_back(s.time.value * 1e6);
  for (const auto& [kernel, values] : times)
    notes.push_back(fmt::format("launch of {}: {:.2f} µs", kernel, median_of(values)));
}

void note_optimizers(const Measurements& m, const DeviceProfile& base, Notes& notes) {
  std::map<std::string, std::vector<double>> shares;
  for (const MemorySample& s : m.memory)
    if (s.record == "optimizer" && base.memory_bandwidth.value > 0)
      shares[s.kernel].push_back((s.bytes / s.time) / base.memory_bandwidth);
  for (const auto& [kernel, values] : shares)
    notes.push_back(
        fmt::format("{}: {:.2f} of the memory's peak (median of {}); optimizer_bytes of a stack profile count "
                    "bytes at fused_efficiency",
                    kernel, median_of(values), values.size()));
}

}  // namespace

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::vector<std::string> memory_notes(const Measurements& measured, const DeviceProfile& base) {
  Notes notes;
  note_peak(measured, base, notes);
  note_launches(measured, notes);
  note_host_copies(measured, notes);
  note_peers(measured, notes);
  note_optimizers(measured, base, notes);
  note_contention(measured, notes);
  return notes;
}

}  // namespace trainyard
