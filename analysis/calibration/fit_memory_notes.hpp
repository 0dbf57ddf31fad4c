// What memory measurements say that is no constant of a device profile.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibration/measurements.hpp"

namespace trainyard {

double median_of(std::vector<double> values);  // 0 of none

std::vector<std::string> memory_notes(const Measurements& measured, const DeviceProfile& base);

}  // namespace trainyard
