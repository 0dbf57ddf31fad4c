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

// Throws InputError at the first collective that nobody says is of one node, though it has more ranks than one NVLink
// domain of this GPU usually has.
void require_known_nodes(const std::vector<CollectiveSample>& samples, const DeviceProfile& base);

// What to tell a user whose base is the profile of another GPU than the measured one; empty if it is not known to be.
std::string other_gpu_note(const Measurements& measured, const std::string& base);

}  // namespace trainyard
