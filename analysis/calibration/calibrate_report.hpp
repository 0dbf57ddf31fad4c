// A calibration for people and for programs.
#pragma once

#include <string>

#include "analysis/calibration/calibrate.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

// Tables of constants (before and after) and of residuals, then the notes.
std::string calibration_text(const Calibration& calibration, const TextStyle& style);

// One object: schema_version, base, constants, network, residuals, notes.
std::string calibration_json(const Calibration& calibration);

}  // namespace trainyard
