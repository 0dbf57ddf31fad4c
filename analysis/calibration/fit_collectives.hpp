// Measured collectives (nccl-tests) as constants of a profile.
//
// Inside one NVLink domain: a curve of pieces t = latency + S / bandwidth per operation and number of ranks
// (fit_collectives_regimes.hpp), which DeviceProfile::nvlink_collectives holds. Of several NCCL versions the newest
// admissible one is taken, the others are compared with it in the notes. 16-bit types are what training sends; other
// types join them where their times are equal within the noise (integer and fp32 reductions often are not).
//
// Over several nodes: the efficiency and the latency of NetworkProfile, collectives and all-to-all apart, as those that
// collective_cost's formulas need to meet the times. Messages that the NICs bound tell the efficiency, those that they
// hardly touch the latency, each the median of what the samples want, in turns until both settle: the formulas know no
// protocols, so what lies between would bend either. A constant that no three samples tell keeps the base's value,
// as does one with which the formulas miss the samples by a quarter and more, and a latency below 1 us.
//
// Both throw InputError if the samples are of several GPUs.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibration/fit_report.hpp"
#include "analysis/calibration/measurements.hpp"
#include "models/profile.hpp"

namespace trainyard {

struct CollectiveFitOptions {
  BytesPerSecond
      nvlink_bandwidth{};   // nominal, per GPU and direction, where it was measured; 0 = that of base's curves
  std::string newest_nccl;  // "2.27" admits 2.27.5 and older; empty = every version
};

// Samples of one node; those of several are left to fit_network.
FitReport fit_collectives(const std::vector<CollectiveSample>& samples, const DeviceProfile& base,
                          const CollectiveFitOptions& options = {});

// Samples of several nodes over one network. nic_bandwidth: nominal, each GPU's share, above 0.
FitReport fit_network(const std::vector<CollectiveSample>& samples, const DeviceProfile& device,
                      const NetworkProfile& base, BytesPerSecond nic_bandwidth,
                      const CollectiveFitOptions& options = {});

// As YAML flow text that a profile reads: "[{operation: all_reduce, ranks: 8, regimes: [[0B, 9us, 20GB/s]]}]".
std::string curves_text(const std::vector<CollectiveCurve>& curves);

}  // namespace trainyard
