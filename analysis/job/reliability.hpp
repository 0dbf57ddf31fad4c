// How machines vary and fail, and what a restart and a checkpoint cost: the constants behind `trainyard job`, read from
// scenarios/profiles/reliability, where each carries its unit, source and number of independent sources.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/profile.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

enum class CheckpointMode {
  synchronous,  // training waits until the storage has everything
  two_stage     // training waits for the copy to host memory; the upload runs behind (MegaScale, NSDI '24, section 4.4)
};
enum class SparePolicy {
  pool,      // a job waits when more nodes are in repair than there are spares
  unlimited  // a replacement is always at hand (a shared or cloud cluster)
};

struct ReliabilityProfile {
  std::string name;
  // Variation. Relative to the predicted step, 0.01 = 1 %.
  double gpu_speed_sigma = 0;        // standard deviation of the GPUs' speeds, fixed for the job
  double gpu_speed_worst = 0;        // slower than this below the mean, a GPU fails acceptance and is swapped
  int calibrated_gpus = 1;           // the slowest of that many GPUs is already in the predicted step
  double slow_node_probability = 0;  // of a node being fail-slow, after screening
  double slow_node_excess = 0;       // compute time added on such a node
  double compute_jitter = 0;         // coefficient of variation of one micro-batch on one stage
  double collective_jitter = 0;      // of a collective of all ranks
  // Failures.
  double failures_per_1000_node_days = 0;  // that stop the job
  double weibull_shape = 1;                // of the time between failures; 1 = exponential, < 1 = they come in bursts
  double node_loss_share = 0;              // failures that take their node away for repair
  Seconds node_repair{};
  SparePolicy spare_policy = SparePolicy::unlimited;
  double spare_share = 0;  // spare nodes per node of the job, rounded up (pool)
  // Restart: these three and loading the checkpoint.
  Seconds detect{};      // until the failure is noticed and located
  Seconds reschedule{};  // until the new set of nodes is allocated
  Seconds initialise{};  // containers, communicators, compilation, first steps
  // Checkpoints.
  double checkpoint_bytes_per_parameter = 0;
  CheckpointMode checkpoint_mode = CheckpointMode::synchronous;
  Seconds checkpoint_barrier{};        // planning, metadata and synchronisation of any checkpoint
  BytesPerSecond copy_bandwidth{};     // of one GPU to host memory
  BytesPerSecond client_bandwidth{};   // of one node to and from storage
  BytesPerSecond storage_bandwidth{};  // of the storage, sustained
  double load_amplification = 1;       // times that the storage is read on a restart; 1 = one reader and a broadcast
  std::optional<double> price_per_gpu_hour;
  std::vector<Provenance> provenance;
  friend bool operator==(const ReliabilityProfile&, const ReliabilityProfile&) = default;
};

// KEY=VALUE of --set reliability.KEY=VALUE.
using ReliabilityOverrides = std::vector<std::pair<std::string, std::string>>;

inline constexpr const char* default_reliability = "meta-llama3-h100";

// By name in scenarios/profiles/reliability or by path. Throws InputError, also for a constant that is missing.
ReliabilityProfile load_reliability(const std::string& name_or_path, const ReliabilityOverrides& overrides = {});

// Mean time between failures of a job on that many nodes: 1000 days / (nodes x failures per 1000 node-days); nullopt if
// nothing ever fails.
std::optional<Seconds> mean_time_to_failure(const ReliabilityProfile& profile, int nodes);

// Spare nodes of a job on that many nodes; nullopt = always enough.
std::optional<int> spare_nodes(const ReliabilityProfile& profile, int nodes);

// The chance that more nodes than there are spares are in repair at once. They arrive as a Poisson process and stay
// for `repair`, so their number is Poisson with mean repair / between_losses.
double shortage_probability(int spares, Seconds between_losses, Seconds repair);

std::string name(CheckpointMode mode);  // "synchronous", "two_stage"
std::string name(SparePolicy policy);   // "pool", "unlimited"

}  // namespace trainyard
