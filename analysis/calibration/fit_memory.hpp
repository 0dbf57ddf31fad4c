// What memory-bound kernels, launches, copies and overlap say of a device.
//   fused_efficiency   bytes / (time - launch) / HBM peak of large vectorised kernels (triad, add, norms): the median
//   over
//                      kernels, each by its median, and at most what the best streaming kernel reaches
//   layout_efficiency  the same of transposes that stage tiles in shared memory; of naive ones where there are no
//   others kernel_launch      what small kernels take beyond their bytes, else the launch of an empty kernel
// Large: from 128 MiB, several times any L2 cache. Notes tell what belongs to other profiles or to none: the peak of
// the memory where it is not the base profile's, PCIe, peers, Adam, and `contention`, the kappa of StackProfile.
#pragma once

#include "analysis/calibration/fit_report.hpp"
#include "analysis/calibration/measurements.hpp"

namespace trainyard {

FitReport fit_memory(const Measurements& measured, const DeviceProfile& base);

}  // namespace trainyard
