// Reasons as check_plan words them, and the sentence that stands for all plans that fail alike.
#include <catch2/catch.hpp>

#include "analysis/sweep/reason_family.hpp"

namespace trainyard {
namespace {

TEST_CASE("numbers that differ from plan to plan leave the sentence") {
  CHECK(reason_family("12 heads are not divisible by tensor_model_parallel_size 8") ==
        "heads are not divisible by tensor_model_parallel_size");
  CHECK(reason_family("global_batch_size 32 is not divisible by micro_batch_size 3 * data_parallel_size 8 = 24 (24 or "
                      "48 would fit)") ==
        "global_batch_size is not divisible by micro_batch_size * data_parallel_size");
  CHECK(reason_family("32 layers do not split over pipeline_model_parallel_size 3 * "
                      "num_virtual_stages_per_pipeline_rank 1: neither 32 nor 32 + 2 is divisible by 3; use "
                      "pipeline_model_parallel_size 2 or 4") ==
        "layers do not split over pipeline_model_parallel_size * num_virtual_stages_per_pipeline_rank");
}

TEST_CASE("numbers inside names and limits stay") {
  CHECK(reason_family("num_virtual_stages_per_pipeline_rank 4 needs schedule interleaved, not 1f1b") ==
        "num_virtual_stages_per_pipeline_rank needs schedule interleaved, not 1f1b");
  CHECK(reason_family("num_virtual_stages_per_pipeline_rank 2 needs pipeline_model_parallel_size > 1") ==
        "num_virtual_stages_per_pipeline_rank needs pipeline_model_parallel_size > 1");
  CHECK(reason_family("fsdp_prefetch_units is -1, must be at least 0") ==
        "fsdp_prefetch_units is N, must be at least 0");
  CHECK(reason_family("schedule zb-v needs num_virtual_stages_per_pipeline_rank 2, not 1") ==
        "schedule zb-v needs num_virtual_stages_per_pipeline_rank 2, not N");
}

TEST_CASE("a remark in the middle is no end, and a number that is needed is N") {
  CHECK(reason_family("the cluster's 8 GPUs (1 nodes of 8) are not divisible by tensor_model_parallel_size 3 * "
                      "context_parallel_size 1 * pipeline_model_parallel_size 1 = 3 (3 or 6 would fit)") ==
        "the cluster's N GPUs are not divisible by tensor_model_parallel_size * context_parallel_size * "
        "pipeline_model_parallel_size");
  CHECK(
      reason_family("tensor_model_parallel_size 8 * context_parallel_size 2 needs 16 GPUs, but the cluster has 8 GPUs "
                    "(1 nodes of 8)") ==
      "tensor_model_parallel_size * context_parallel_size needs N GPUs, but the cluster has N GPUs");
}

TEST_CASE("plans that fail alike have one sentence, nothing is still nothing") {
  CHECK(reason_family("schedule interleaved: 6 micro-batches (micro-batches: global_batch_size 12 / 2 = 6)") ==
        reason_family("schedule interleaved: 10 micro-batches (micro-batches: global_batch_size 20 / 2 = 10)"));
  CHECK(reason_family("").empty());
  CHECK(reason_family("(only a remark)").empty());
  CHECK(reason_family(") is no remark") == ") is no remark");
}

}  // namespace
}  // namespace trainyard
