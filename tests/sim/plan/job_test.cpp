// What only the whole job can tell: does the device run this precision, is its stack known, what is idle?
#include "sim/plan/job.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>

#include "sim/base/errors.hpp"
#include "sim/plan/plan_warnings.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

std::string error(const std::string& cluster, const std::string& precision, const std::string& more = {}) {
  // Tests run side by side.
  const std::string file = fmt::format("/tmp/trainyard_job_test_{}.yaml", getpid());
  std::ofstream(file) << "model: llama3-8b\ncluster: " << cluster
                      << "\nworkload: {sequence_length: 8192, global_batch_size: 8, " << precision << "}\n"
                      << more;
  std::string message;
  try {
    load_job(file);
  } catch (const InputError& e) {
    message = e.what();
  }
  std::remove(file.c_str());
  return message;
}

}  // namespace

TEST_CASE("a precision that the device has no units for is refused with one that it has") {
  CHECK(error("dgx-h100", "precision: fp8") == "");
  CHECK_THAT(error("dgx-a100-80gb", "precision: fp8"),
             Contains(".yaml:3:11: ") && Contains("has no fp8 (precision: bf16)"));
  CHECK_THAT(error("dgx-h100", "precision: nvfp4"), Contains("has no NVFP4 (precision: fp8)"));
  CHECK_THAT(error("dgx-h100", "precision: fp8, fp8_recipe: mxfp8"), Contains("has no MXFP8 (fp8_recipe: blockwise)"));
  CHECK(error("dgx-b200", "precision: nvfp4") == "");
  CHECK(error("dgx-b200", "precision: fp8, fp8_recipe: mxfp8") == "");
}

TEST_CASE("an unknown stack is reported where it is named") {
  CHECK(error("dgx-h100", "precision: bf16", "stack: nemo\n") == "");
  CHECK_THAT(error("dgx-h100", "precision: bf16", "stack: nemoo\n"),
             Contains(".yaml:4:8: ") && Contains("nothing is called 'nemoo'") && Contains("nemo"));
}

TEST_CASE("legal settings without effect are warned of") {
  const ModelShape dense;
  Workload workload{.sequence_length = 8192};
  Plan plan;
  CHECK(plan_warnings(plan, dense, workload).empty());
  workload.fp8_recipe = Fp8Recipe::blockwise;
  plan.sharding.reshard_after_forward = true;
  plan.sharding.prefetch_units = 2;
  plan.sharding.sync_every_micro_batch = false;
  plan.interleave_group = 8;
  plan.optimizer_offload_fraction = 0.5;
  CHECK(plan_warnings(plan, dense, workload) ==
        std::vector<std::string>{"fp8_recipe has no effect with precision bf16",
                                 "reshard_after_forward has no effect with data_parallel ddp",
                                 "fsdp_prefetch_units has no effect with data_parallel ddp",
                                 "gradient_sync_every_micro_batch has no effect with data_parallel ddp",
                                 "microbatch_group_size_per_vp_stage has no effect with schedule 1f1b",
                                 "optimizer_offload_fraction has no effect without offload_optimizer"});
  workload.precision = DataType::fp8;
  plan.data_parallel_kind = DataParallelKind::fsdp;
  plan.schedule = "interleaved";
  plan.optimizer_offload = OffloadTarget::cpu;
  CHECK(plan_warnings(plan, dense, workload).empty());
  plan.sharding = {.reshard_after_forward = false, .secondary_group = 8};
  CHECK_THAT(plan_warnings(plan, dense, workload).at(0), Contains("zero_hpz_partition_size has no effect"));
}

TEST_CASE("dropped tokens and a precision without a rate are warned of") {
  ModelShape model;
  model.moe = MixtureOfExperts{.experts = 8, .top_k = 2};
  Workload workload{.sequence_length = 8192};
  Plan plan;
  plan.routing.capacity_factor = 1;
  CHECK(plan_warnings(plan, model, workload).empty());
  plan.routing.capacity_factor = 0.75;
  CHECK_THAT(plan_warnings(plan, model, workload).at(0), Contains("0.75 drops at least 25 % of the routed tokens"));
  plan = Plan{};
  workload.precision = DataType::fp32;
  CHECK_THAT(plan_warnings(plan, model, workload).at(0), Contains("precision fp32"));
}
