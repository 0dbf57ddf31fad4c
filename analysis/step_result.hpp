// The answer for one step: values only, read off the timeline and the memory fold. Every writer is a function of this.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "analysis/placement_gain.hpp"
#include "sim/base/hardware.hpp"
#include "sim/base/units.hpp"
#include "sim/engine/link_pressure.hpp"
#include "sim/plan/plan.hpp"
#include "sim/program/instruction.hpp"

namespace trainyard {

// Parts of the step as the average rank sees them; they sum to the step time.
struct Breakdown {
  Seconds compute{};
  Seconds exposed_tp{};
  Seconds exposed_cp{};
  Seconds exposed_ep{};
  Seconds exposed_pp{};
  Seconds exposed_dp{};
  Seconds bubble{};
  Seconds optimizer{};
  Seconds other{};  // host-bound gaps and per-step host work
  Seconds total() const {
    return compute + exposed_tp + exposed_cp + exposed_ep + exposed_pp + exposed_dp + bubble + optimizer + other;
  }
  friend bool operator==(const Breakdown&, const Breakdown&) = default;
};

// Kinds of compute time of the average rank; they sum to Breakdown::compute.
struct ComputeSplit {
  Seconds gemm{};
  Seconds attention{};
  Seconds memory_bound{};
  Seconds contention{};  // slowed by overlapped communication and scale-out
  friend bool operator==(const ComputeSplit&, const ComputeSplit&) = default;
};

struct CommunicationLine {
  Axis axis = Axis::tp;
  std::string collective;  // "all-gather", "send/recv"
  std::string purpose;     // "activations", "gradients" …
  int group_size = 1;
  Bytes bytes{};           // NCCL message size of one call (the largest, if they differ)
  std::int64_t count = 0;  // calls per rank and step
  Seconds busy{};          // of the average rank
  Seconds exposed{};
  LinkClass slowest_link = LinkClass::nvlink;
  BytesPerSecond bus_bandwidth{};  // nccl-tests' busbw of the largest call (algorithm bandwidth for send/recv)
  friend bool operator==(const CommunicationLine&, const CommunicationLine&) = default;
};

struct StageMemory {
  int stage = 0;
  std::array<Bytes, memory_owners> at_peak{};  // by MemoryOwner; sums to allocated
  Bytes allocated{};                           // torch.cuda.max_memory_allocated
  Bytes reserved{};                            // torch.cuda.max_memory_reserved
  Bytes device_used{};                         // nvidia-smi: reserved + context + communication library
  std::string peak_at;                         // "backward of micro-batch 0, chunk 4"
  int layers = 0;
  std::int64_t parameters = 0;  // of one rank
  friend bool operator==(const StageMemory&, const StageMemory&) = default;
};

struct MemoryLedger {
  Bytes limit{};  // what a framework can allocate of one GPU: capacity less context and library
  bool fits = false;
  bool pressure = false;  // fits, but so full that the allocator will retry
  std::vector<StageMemory> stages;
  Bytes peak() const;  // largest allocated
  friend bool operator==(const MemoryLedger&, const MemoryLedger&) = default;
};

enum class Bound { compute, memory, communication, pipeline, orchestration };
std::string_view name(Bound bound);

struct Experiment {
  std::string change;        // "num_virtual_stages_per_pipeline_rank: 5 -> 10"
  std::string setting;       // "--set plan.vpp=10"
  Seconds predicted_step{};  // it has been run
  bool fits = true;
  friend bool operator==(const Experiment&, const Experiment&) = default;
};

struct Diagnosis {
  Bound bound = Bound::compute;
  std::vector<std::string> evidence;    // one sentence each, with numbers
  std::string slow_path;                // which collective, which link class, how many us; empty if none is exposed
  std::string reason;                   // why this experiment
  std::vector<Experiment> experiments;  // best first; the first is the proposal
  friend bool operator==(const Diagnosis&, const Diagnosis&) = default;
};

// One rank, or several that cannot be told apart.
struct RankResult {
  int rank = 0;   // the first of them
  int ranks = 1;  // how many
  int stage = 0;
  int device = 0;         // GPU of the cluster
  double slowdown = 1.0;  // of its kernels, as the cluster says
  Breakdown breakdown;    // sums to the step time
  friend bool operator==(const RankResult&, const RankResult&) = default;
};

struct StepResult {
  Seconds step_time{};
  Seconds step_time_p10{};
  Seconds step_time_p90{};
  double tokens_per_second_per_gpu = 0;
  FlopsPerSecond model_flops_per_gpu{};  // achieved, by flops_convention
  double mfu = 0;                        // of the dense peak of the run's precision
  double hfu = 0;                        // hardware FLOPs utilisation: with recomputation
  std::string flops_convention;
  Breakdown breakdown;
  ComputeSplit compute;
  std::vector<Breakdown> per_stage;  // [stage], each sums to step_time
  std::vector<CommunicationLine> communication;
  MemoryLedger memory;
  Diagnosis diagnosis;
  std::optional<PlacementGain> placement;  // of a search for one (analysis/placement)
  std::vector<RankResult> ranks;           // of engines that simulate every rank; else empty
  std::vector<LinkPressure> links;         // most wanted first, one of every kind of link; of such engines
  std::string engine;                      // "analytic", "fluid"
  std::int64_t events = 0;                 // instructions executed, of all rank kinds
  Seconds wall_time{};                     // what the prediction took
  std::string inputs_hash;                 // 16 hex digits over the resolved inputs
  std::vector<std::string> warnings;       // topology oddities, extrapolations, defaults taken
  friend bool operator==(const StepResult&, const StepResult&) = default;
};

}  // namespace trainyard
