// The memory ledger for people: per pipeline stage and owner, and whether it fits.
#pragma once

#include <string>

#include "analysis/step_result.hpp"
#include "analysis/text_layout.hpp"
#include "sim/plan/job.hpp"

namespace trainyard {

// "fits: 61.2 of 76.9 GiB on stage 0" or "does not fit: 91.0 of 76.9 GiB on stage 0, 14.1 GiB too much".
std::string memory_verdict(const MemoryLedger& ledger);

// The table of a report: a row per stage (equal neighbours share one), the fullest marked.
std::string memory_section(const MemoryLedger& ledger, const TextStyle& style);

// A line per stage as that table folds them: who holds how much of the limit at the peak, what the allocator reserves
// beyond, and a legend.
std::string memory_bars(const MemoryLedger& ledger, const TextStyle& style);

// `trainyard memory`: heading, plan, verdict and table.
std::string memory_text(const Job& job, const Plan& resolved, const MemoryLedger& ledger, const TextStyle& style);

}  // namespace trainyard
