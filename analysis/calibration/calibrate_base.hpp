// Which shipped device profile a measured GPU belongs to.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibration/measurements.hpp"

namespace trainyard {

// The one of `profiles` ("h100-sxm-80gb") whose chip, form (SXM, PCIe, NVL) and memory size agree with the name that
// the driver gives the GPU ("NVIDIA H100 80GB HBM3"), where that says them; empty if there is none or more than one.
std::string profile_of_device(const std::string& device, Bytes memory, const std::vector<std::string>& profiles);

// Of the GPU that the measurements name, or of `device`. InputError with the list of profiles if that is not clear.
std::string base_profile_for(const Measurements& measured, const std::string& device);

}  // namespace trainyard
