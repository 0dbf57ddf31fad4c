// Megatron-LM's own estimate of a rank's memory, megatron/training/theoretical_memory_usage.py as of 2026,
// reproduced literally so that the two can be compared. It is not this simulator's estimate: memory_cost.hpp is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/model_shape.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// The arguments that Megatron's formula reads, under its names.
struct MegatronMemoryArguments {
  std::int64_t sequence_length = 0;
  int micro_batch_size = 1;
  int tensor_parallel = 1;
  int pipeline_parallel = 1;
  int virtual_stages = 1;  // model chunks per pipeline rank; 1 = no interleaving
  int data_parallel = 1;   // without context parallelism
  int expert_parallel = 1;
  int expert_tensor_parallel = 1;
  int world_size = 1;
  bool distributed_optimizer = false;
  bool sequence_parallel = false;
  bool selective_recompute = false;
  std::optional<int> micro_batches;  // of a step; none = no fewer than pipeline stages
};

struct MegatronMemoryReport {
  double parameters = 0;  // on the most loaded shard: a pp-th of the layers, all of MTP, one embedding (two if pp = 1)
  Bytes weight_and_optimizer{};
  // Megatron has two formulas: Korthikanti et al. 2022, table 2, for sequence parallelism with selective recomputation,
  // and for every other plan `without_sequence_parallel` its own variant of it, 5 % added.
  bool without_sequence_parallel = false;
  Bytes activation_per_layer{};  // of one micro-batch and rank
  double interleaving_penalty = 1;
  int in_flight_micro_batches = 1;  // on the first stage
  Bytes activation{};
  Bytes total() const { return weight_and_optimizer + activation; }
};
// Parameters at 18 bytes, or 6 + 12 / data_parallel with a distributed optimizer. What it does not know is kept: the
// third matrix of gated MLPs and experts in the activations, context parallelism, communication buffers, the loss.
MegatronMemoryReport megatron_memory_report(const ModelShape& model, const MegatronMemoryArguments& arguments);

// The line that Megatron prints; its MB are MiB.
std::string to_text(const MegatronMemoryReport& report);

}  // namespace trainyard
