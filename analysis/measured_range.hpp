// Is anything in a step larger or smaller than what its profile was measured on?
#pragma once

#include <string>
#include <vector>

#include "models/profile.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// One line per operand type whose GEMMs leave, by more than a factor of eight, the lattice of shapes that the device
// profile has measured ratios for;
// beyond it the formula is extrapolated with the ratio of the nearest measured shape. Nothing where all is inside, or
// where the profile has no such lattice.
std::vector<std::string> measured_range_warnings(const StepProgram& program, const DeviceProfile& device);

}  // namespace trainyard
