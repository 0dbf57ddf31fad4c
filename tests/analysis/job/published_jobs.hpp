// Jobs whose numbers were published, as inputs of the tests.
#pragma once

#include "analysis/job/job_simulation.hpp"

namespace trainyard::testing {

inline constexpr double day = 86400.0;
inline constexpr double hour = 3600.0;

// Identical machines that never fail and checkpoints that cost nothing: days = tokens / (tokens per second).
inline ReliabilityProfile perfect_machines() {
  ReliabilityProfile profile;
  profile.name = "perfect";
  profile.copy_bandwidth = profile.client_bandwidth = profile.storage_bandwidth = BytesPerSecond(1e15);
  return profile;
}

// `flops` of the model per token and the FLOP/s per GPU that were reported.
inline JobStep published_step(int gpus, double tokens_per_step, double flops, FlopsPerSecond per_gpu) {
  JobStep step;
  step.gpus = gpus;
  step.gpus_per_node = 8;
  step.tokens_per_step = tokens_per_step;
  step.model_flops_per_step = Flops(flops * tokens_per_step);
  step.step_time = step.model_flops_per_step / (per_gpu * gpus);
  return step;
}

// Llama 3 405B on 16 384 H100 (arXiv 2407.21783, tables 4 and 5): 16 M tokens per step, tp 8, pp 16, dp 128, 400
// TFLOP/s per GPU at 6 N FLOPs per token; 14 bytes per parameter of checkpoint.
inline JobStep llama3_405b() {
  constexpr double parameters = 405e9;
  JobStep step = published_step(16384, 2048.0 * 8192, 6 * parameters, FlopsPerSecond(400e12));
  step.pipeline_stages = 16;
  step.data_parallel = 128;
  step.micro_batches = 16;
  step.parameters = parameters;
  step.checkpoint_bytes = Bytes(14 * parameters);
  step.checkpoint_bytes_per_gpu = step.checkpoint_bytes / step.gpus;
  return step;
}

inline JobRequest perfect_job(const JobStep& step, double tokens) {
  JobRequest request;
  request.step = step;
  request.reliability = perfect_machines();
  request.tokens = tokens;
  request.replicas = 4;
  return request;
}

}  // namespace trainyard::testing
