// What another machine would change: the sweep's best plan, and how long it takes.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "analysis/sweep/answer.hpp"
#include "analysis/sweep/search.hpp"
#include "analysis/sweep/sweep.hpp"

namespace trainyard {

struct MachineChange {
  std::string name;  // "NIC bandwidth x 2"
  std::function<void(Job&)> apply;
};

// NIC bandwidth (where nodes talk through NICs), GPU memory and matrix multiplications, each down and up.
std::vector<MachineChange> machine_changes(const Cluster& cluster);

// Every NIC and, with them, what the fabric carries: its oversubscription stays.
void scale_nics(Cluster& cluster, double factor);
// What a GPU holds; its bandwidth stays.
void scale_gpu_memory(Cluster& cluster, double factor);
// Every matrix multiplication takes 1 / factor of its time, whatever limits it, in any precision; attention kernels and
// memory-bound ones keep theirs. The peak, against which MFU is counted, stays.
void scale_gemm_efficiency(DeviceProfile& device, double factor);

using Planner = std::function<SearchResult(const Sweep& sweep, const Routes& routes)>;

// The plans of `known` (the best of the sweep first, then others worth trying) compete with what the planner finds.
// Once `stop` is set the rest is left out.
std::vector<Sensitivity> sensitivities(const Sweep& sweep, const std::vector<EvaluatedPlan>& known,
                                       const std::vector<MachineChange>& changes, const Planner& planner = search,
                                       const std::atomic<bool>* stop = nullptr);

}  // namespace trainyard
