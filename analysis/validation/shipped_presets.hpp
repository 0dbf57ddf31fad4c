// The presets of scenarios/, read on first use and kept: thousands of rows share a few dozen of them.
#pragma once

#include <optional>
#include <string>

#include "analysis/validation/row_to_job.hpp"

namespace trainyard {

// `profile_file` replaces the part of every profile that it describes. Use from one thread at a time. Throws InputError
// for a preset that is there but wrong.
Presets shipped_presets(const std::optional<std::string>& profile_file = std::nullopt);

}  // namespace trainyard
