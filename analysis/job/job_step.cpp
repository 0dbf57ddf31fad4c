#include "analysis/job/job_step.hpp"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <string_view>

namespace trainyard {
namespace {

void require(bool right, std::string_view what) {
  if (!right) throw std::invalid_argument(fmt::format("a job's step: {}", what));
}

bool positive(double v) { return std::isfinite(v) && v > 0; }
bool not_negative(double v) { return std::isfinite(v) && v >= 0; }

}  // namespace

void require_valid(const JobStep& step) {
  require(positive(step.step_time.value), "step_time must be positive and finite");
  require(not_negative(step.data_parallel_time.value) && step.data_parallel_time <= step.step_time,
          "data_parallel_time must be a part of step_time");
  require(positive(step.tokens_per_step), "tokens_per_step must be positive and finite");
  require(step.gpus > 0 && step.gpus_per_node > 0, "gpus and gpus_per_node must be positive");
  require(step.pipeline_stages > 0 && step.data_parallel > 0 && step.micro_batches > 0,
          "pipeline_stages, data_parallel and micro_batches must be positive");
  require(step.gpus % step.pipeline_stages == 0 && step.gpus / step.pipeline_stages % step.data_parallel == 0,
          "pipeline_stages x data_parallel must divide gpus");
  require(not_negative(step.parameters), "parameters must not be negative");
  require(not_negative(step.checkpoint_bytes.value) && not_negative(step.checkpoint_bytes_per_gpu.value),
          "checkpoint bytes must not be negative");
  require(not_negative(step.model_flops_per_step.value), "model_flops_per_step must not be negative");
}

}  // namespace trainyard
