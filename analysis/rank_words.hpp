// What simulating every rank shows beyond the average: who is slow, who waits, which link is short.
#pragma once

#include <string>
#include <vector>

#include "analysis/step_result.hpp"

namespace trainyard {

// Sentences with numbers, the worst first: slow GPUs and who waits for them, degraded links, contended links. Empty
// where nothing stands out.
std::vector<std::string> straggler_evidence(const StepResult& result, int gpus_per_node);

// "node 1 GPU5"
std::string device_words(int device, int gpus_per_node);
// "rank 13", "rank 0 and 7 like it"
std::string rank_words(const RankResult& rank);
// "node 1 NIC3 out (NET): 3 communicators want 142.5 GB/s of 47.5 GB/s (data-parallel groups, …)"
std::string pressure_words(const LinkPressure& link);

}  // namespace trainyard
