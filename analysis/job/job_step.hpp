// What a whole job needs to know of its one simulated step.
#pragma once

#include "sim/base/units.hpp"

namespace trainyard {

struct JobStep {
  Seconds step_time{};           // without variation between machines, failures and checkpoints
  Seconds data_parallel_time{};  // of step_time: exposed collectives that all ranks enter once per step
  double tokens_per_step = 0;
  int gpus = 0;
  int gpus_per_node = 0;
  int pipeline_stages = 1;
  int data_parallel = 1;
  int micro_batches = 1;  // per step and pipeline
  double parameters = 0;
  Bytes checkpoint_bytes{};          // of the whole job
  Bytes checkpoint_bytes_per_gpu{};  // of the GPU that writes most
  Flops model_flops_per_step{};
  int nodes() const { return (gpus + gpus_per_node - 1) / gpus_per_node; }
  friend bool operator==(const JobStep&, const JobStep&) = default;
};

// Throws std::invalid_argument, naming the member, if one is not finite, negative, or zero where that has no meaning,
// or if the pipelines do not divide the GPUs.
void require_valid(const JobStep& step);

}  // namespace trainyard
