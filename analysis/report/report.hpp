// The reports of `--report FILE.html`: self-contained, no network, readable without scripts.
#pragma once

#include <string>

#include "analysis/simulate.hpp"
#include "analysis/sweep/answer.hpp"

namespace trainyard {

// Throw std::runtime_error if the file cannot be written; a file that was there stays whole until the new one is.
// Equal inputs, equal bytes.
void write_step_report(const std::string& path, const Job& job, const SimulatedStep& step);
void write_sweep_report(const std::string& path, const SweepAnswer& answer);

}  // namespace trainyard
