// Measurements to the constants of a device profile, and of a network profile where that is asked for, through the fits
// of this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/calibration/fit_collectives.hpp"
#include "analysis/calibration/fit_report.hpp"
#include "analysis/calibration/measurements.hpp"
#include "analysis/calibration/write_profile_yaml.hpp"

namespace trainyard {

struct CalibrationRequest {
  std::string base;                // device profile to start from: a name or a path
  std::string network;             // network profile to start from; empty = collectives over several nodes are left out
  BytesPerSecond nic_bandwidth{};  // nominal, each GPU's share; needed with a network
  CollectiveFitOptions collectives;
};

struct CalibratedConstant {
  FittedConstant fitted;
  std::string before;  // as the base profile writes it; empty = it has none
  friend bool operator==(const CalibratedConstant&, const CalibratedConstant&) = default;
};

// One profile that has learnt something.
struct CalibratedProfile {
  ProfileKind kind = ProfileKind::device;
  std::string base;
  std::vector<CalibratedConstant> constants;
  friend bool operator==(const CalibratedProfile&, const CalibratedProfile&) = default;
};

struct Calibration {
  CalibratedProfile device;
  std::optional<CalibratedProfile> network;
  std::vector<Residuals> residuals;
  std::vector<FitCurve> curves;
  std::vector<std::string> notes;  // of the readers first, then of the fits
  friend bool operator==(const Calibration&, const Calibration&) = default;
};

Calibration calibrate(const Measurements& measured, const CalibrationRequest& request);

// As the profile is written. description: see machine_text.
ProfileDocument document_of(const CalibratedProfile& profile, std::string name, std::string description);

// "NVIDIA H200, driver 580.65.06, CUDA 13.0, cuBLASLt 13.1.0, NCCL 2.28.3, SM clock 1980 MHz, 2026-11-22T10:00:00Z":
// what the measurements say of the first machine that says anything; empty if none does.
std::string machine_text(const Measurements& measured);

}  // namespace trainyard
