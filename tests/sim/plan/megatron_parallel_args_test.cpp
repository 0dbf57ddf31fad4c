// Megatron-LM's flags for schedules, context and expert parallelism, sharding, recomputation and offloading.
#include <catch2/catch.hpp>

#include "sim/base/errors.hpp"
#include "sim/plan/megatron_args.hpp"
#include "tests/sim/plan/small_cluster.hpp"

using namespace trainyard;
using namespace trainyard::test;
using Catch::Contains;
using Strings = std::vector<std::string>;

namespace {

const std::string required =
    "--num-layers 16 --hidden-size 1024 --num-attention-heads 16 --seq-length 2048 --max-position-embeddings 2048 "
    "--micro-batch-size 2 --global-batch-size 64 --vocab-size 32000 ";
const std::string experts = "--num-experts 64 --moe-router-topk 8 --moe-grouped-gemm ";

MegatronImport with(const std::string& flags) { return read_megatron_args(required + flags, "run.sh"); }

std::string error(const std::string& flags) {
  try {
    with(flags);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("context parallelism is read with its kind") {
  const auto kind = [](const std::string& word) {
    return with("--context-parallel-size 4 --cp-comm-type " + word).plan.context_parallel_kind;
  };
  CHECK(kind("p2p") == ContextParallelKind::ring);
  CHECK(kind("allgather") == ContextParallelKind::all_gather);
  CHECK(kind("a2a") == ContextParallelKind::ulysses);
  const Plan plan =
      with("--context-parallel-size 8 --cp-comm-type a2a+p2p --hierarchical-context-parallel-sizes 4 2").plan;
  CHECK(plan.context_parallel_kind == ContextParallelKind::hierarchical);
  CHECK(plan.context_parallel_inner == 4);
  CHECK(with("--cp-comm-type a2a a2a").not_understood == Strings{});
  CHECK_THAT(with("--cp-comm-type a2a p2p").not_understood.at(0), Contains("a2a is taken for every layer"));
  CHECK_THAT(error("--cp-comm-type mail"), Contains("run.sh:1: --cp-comm-type cannot be 'mail'"));
  CHECK_THAT(error("--context-parallel-size 8 --cp-comm-type a2a+p2p --hierarchical-context-parallel-sizes 4 x"),
             Contains("are not two sizes that multiply to --context-parallel-size 8"));
}

TEST_CASE("the dispatcher is Megatron's default unless given") {
  CHECK(with("").plan.dispatcher == std::nullopt);  // no experts
  const MegatronImport silent = with(experts + "--bf16 --ffn-hidden-size 512 --attention-dropout 0 --hidden-dropout 0");
  CHECK(silent.plan.dispatcher == ExpertDispatcher::all_gather);
  CHECK(silent.defaulted == Strings{"--moe-token-dispatcher-type: allgather"});
  CHECK(with(experts + "--moe-token-dispatcher-type alltoall").plan.dispatcher == ExpertDispatcher::all_to_all);
  CHECK(with(experts + "--moe-token-dispatcher-type flex --moe-enable-deepep").plan.dispatcher ==
        ExpertDispatcher::deepep);
}

TEST_CASE("routing and overlap of experts are read") {
  const MegatronImport read =
      with(experts +
           "--moe-expert-capacity-factor 1.5 --moe-pad-expert-input-to-capacity --moe-shared-expert-overlap "
           "--overlap-moe-expert-parallel-comm --moe-router-num-groups 8 --moe-router-group-topk 4");
  CHECK(read.plan.routing.capacity_factor == 1.5);
  CHECK(read.plan.shared_expert_overlap);
  CHECK(read.plan.overlap_expert_parallel);
  CHECK(read.model.moe->routing_groups == 8);
  CHECK(read.model.moe->routing_top_groups == 4);
  CHECK(read.not_understood == Strings{});
  CHECK_THAT(error(experts + "--moe-router-num-groups 7 --moe-router-group-topk 4"),
             Contains("64 experts are not divisible by 7 routing groups"));
  CHECK_THAT(with("--num-experts 8").not_understood.at(0), Contains("computed as one grouped GEMM"));
}

TEST_CASE("all forms of recomputation are read") {
  CHECK(with("--recompute-activations").plan.recompute_modules == recompute_core_attn);
  const Plan modules = with("--recompute-granularity selective --recompute-modules mlp layernorm").plan;
  CHECK(modules.recompute == Recompute::selective);
  CHECK(modules.recompute_modules == (recompute_mlp | recompute_layernorm));
  const Plan block = with("--recompute-granularity full --recompute-method block --recompute-num-layers 4").plan;
  CHECK(block.recompute_method == RecomputeMethod::block);
  CHECK(block.recompute_layers == 4);
  const Plan apart = with("--recompute-granularity full --recompute-method uniform --recompute-num-layers 2").plan;
  CHECK(apart.recompute_layers == 2);
  CHECK(
      with("--recompute-granularity full --recompute-method uniform --recompute-num-layers 1").plan.recompute_layers ==
      0);
  CHECK_THAT(error("--recompute-granularity selective --recompute-modules mpl"),
             Contains("--recompute-modules cannot be 'mpl'"));
}

TEST_CASE("low precision is read with its recipe") {
  const MegatronImport read = with("--bf16 --fp8-format hybrid --fp8-recipe blockwise --fp8-param-gather");
  CHECK(read.workload.precision == DataType::fp8);
  CHECK(read.workload.fp8_recipe == Fp8Recipe::blockwise);
  CHECK(read.plan.fp8_param_gather);
  CHECK(with("--bf16 --fp8-format hybrid --fp8-recipe tensorwise").workload.fp8_recipe == Fp8Recipe::current);
  CHECK(with("--bf16 --fp4-format e2m1 --fp4-recipe nvfp4").workload.precision == DataType::nvfp4);
}

TEST_CASE("offloading and sharding groups are read") {
  const Plan plan = with("--optimizer-cpu-offload --optimizer-offload-fraction 0.5 --cpu-offloading-num-layers 3").plan;
  CHECK(plan.optimizer_offload == OffloadTarget::cpu);
  CHECK(plan.optimizer_offload_fraction == 0.5);
  CHECK(plan.activation_offload_layers == 3);
  CHECK_THAT(error("--optimizer-cpu-offload --optimizer-offload-fraction 1.5"), Contains("outside 0 to 1"));
  CHECK_THAT(error("--optimizer-offload-fraction nan"), Contains("must be a number"));
  const Plan copies = with("--use-distributed-optimizer --num-distributed-optimizer-instances 2").plan;
  CHECK(copies.data_parallel_kind == DataParallelKind::zero1);
  CHECK(copies.sharding.replicas == 2);
  const std::string fsdp = "--data-parallel-sharding-strategy optim_grads_params ";
  CHECK(with(fsdp + "--use-custom-fsdp").plan.data_parallel_kind == DataParallelKind::zero3);
  CHECK(with(fsdp + "--use-megatron-fsdp --num-distributed-optimizer-instances 2").plan.data_parallel_kind ==
        DataParallelKind::hsdp);
}

TEST_CASE("Zero Bubble's flags name its schedules") {
  const auto schedule = [](const std::string& flags) {
    return with("--pipeline-model-parallel-size 4 --enable-zero-bubble " + flags).plan;
  };
  CHECK(schedule("").schedule == "zb-h1");
  CHECK(schedule("").optimizer_post_validation == false);
  CHECK(schedule("--enable-optimizer-post-validation").optimizer_post_validation == true);
  CHECK(schedule("--zero-bubble-max-pending-backward 4").schedule == "zb-h1");
  CHECK(schedule("--zero-bubble-max-pending-backward 8").schedule == "zb-h2");
  CHECK(schedule("--zero-bubble-v-schedule").schedule == "zb-v");
  CHECK(schedule("--zero-bubble-v-schedule").virtual_stages == 2);
}

TEST_CASE("a layout says where the prediction modules are") {
  const std::string flags = "--mtp-num-layers 1 --pipeline-model-parallel-size 4 --pipeline-model-parallel-layout ";
  CHECK(with(flags + "'Et*8|t*8|m|L'").plan.prediction_chunk == 2);
  CHECK(with(flags + "'Et*8|t*8|t|mL'").plan.prediction_chunk == -1);
  CHECK_THAT(with(flags + "'Et*8|t*8|m|mL'").not_understood.at(0), Contains("taken to be in the last chunk"));
}

TEST_CASE("what is no text is refused with its first odd byte") {
  std::string junk = "torchrun --num-layers 4";
  junk[9] = '\0';
  const auto message = [&] {
    try {
      read_megatron_args(junk, "model.bin");
    } catch (const InputError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(message() == "model.bin: not text: byte 0x00 at offset 9");
  junk[3] = '\x1c';
  CHECK(message() == "model.bin: not text: byte 0x1c at offset 3");
}

TEST_CASE("every setting that Megatron-LM has a flag for is written and reads back the same") {
  ModelShape model;
  model.layers = 16;
  model.moe = MixtureOfExperts{.experts = 64, .top_k = 8};
  model.multi_token_prediction_layers = 1;
  const std::string model_flags =
      "--num-layers 16 --hidden-size 1024 --num-attention-heads 16 --max-position-embeddings 2048 --vocab-size 32000 "
      "--num-experts 64 --moe-router-topk 8 --mtp-num-layers 1 ";
  Plan base;
  base.pipeline_parallel = 4;
  base.global_batch_size = 64;
  base.dispatcher = ExpertDispatcher::all_to_all;
  base.overlap_grad_reduce = base.overlap_param_gather = base.overlap_p2p = base.tp_comm_overlap = false;
  const std::vector<void (*)(Plan&)> changes = {
      [](Plan&) {},
      [](Plan& p) { p.dispatcher = ExpertDispatcher::all_gather; },
      [](Plan& p) { p.dispatcher = ExpertDispatcher::deepep; },
      [](Plan& p) { p.expert_parallel = 8, p.expert_tensor_parallel = 1; },
      [](Plan& p) { p.routing.capacity_factor = 1.25; },
      [](Plan& p) { p.shared_expert_overlap = true; },
      [](Plan& p) { p.overlap_expert_parallel = true; },
      [](Plan& p) { p.context_parallel = 4, p.context_parallel_kind = ContextParallelKind::all_gather; },
      [](Plan& p) { p.context_parallel = 4, p.context_parallel_kind = ContextParallelKind::ulysses; },
      [](Plan& p) {
        p.context_parallel = 4, p.context_parallel_inner = 2;
        p.context_parallel_kind = ContextParallelKind::hierarchical;
      },
      [](Plan& p) {
        p.recompute = Recompute::selective;
        p.recompute_modules = recompute_moe_act | recompute_layernorm | recompute_shared_experts;
      },
      [](Plan& p) {
        p.recompute = Recompute::full, p.recompute_layers = 2;
        p.recompute_method = RecomputeMethod::block;
      },
      [](Plan& p) { p.recompute = Recompute::full, p.recompute_layers = 3; },
      [](Plan& p) { p.virtual_stages = 2, p.schedule = "interleaved", p.interleave_group = 8; },
      [](Plan& p) { p.schedule = "zb-h1", p.optimizer_post_validation = true; },
      [](Plan& p) { p.schedule = "zb-h2", p.optimizer_post_validation = false; },
      [](Plan& p) { p.schedule = "zb-v", p.virtual_stages = 2, p.optimizer_post_validation = true; },
      [](Plan& p) { p.data_parallel_kind = DataParallelKind::zero1, p.sharding.replicas = 2; },
      [](Plan& p) { p.data_parallel_kind = DataParallelKind::hsdp, p.sharding.replicas = 2; },
      [](Plan& p) { p.optimizer_offload = OffloadTarget::cpu, p.optimizer_offload_fraction = 0.25; },
      [](Plan& p) { p.activation_offload_layers = 2; },
      [](Plan& p) { p.cuda_graphs = true; },
      [](Plan& p) { p.pipeline_ends.first_layers = 1, p.pipeline_ends.last_layers = 3; },
      [](Plan& p) {
        p.layers_per_chunk = {5, 6, 5, 0}, p.prediction_chunk = 2;
      },
      [](Plan& p) {
        p.layers_per_chunk = {5, 6, 5, 0};
      }};
  for (std::size_t i = 0; i < changes.size(); ++i)
    for (const Workload& workload :
         {Workload{.sequence_length = 2048, .precision = DataType::bf16},
          Workload{.sequence_length = 2048, .precision = DataType::fp8, .fp8_recipe = Fp8Recipe::mxfp8},
          Workload{.sequence_length = 2048, .precision = DataType::nvfp4}}) {
      Plan plan = base;
      changes[i](plan);
      if (plan.schedule != "1f1b") plan.overlap_p2p = false;
      const std::string written = to_megatron_args(plan, workload, model);
      INFO(i << ": " << written);
      CHECK_THAT(written, !Contains("has no argument for"));
      const MegatronImport back = read_megatron_args(model_flags + written, "written.sh");
      Plan expected = plan;
      if (plan.virtual_stages > 1) expected.overlap_p2p = back.plan.overlap_p2p;  // on by default with chunks
      CHECK(back.plan == expected);
      CHECK(back.workload == workload);
      CHECK(back.not_understood == Strings{});
    }
}

TEST_CASE("settings without a flag are named in comments") {
  Plan plan = legal_plan();
  plan.schedule = "dualpipe";
  plan.data_parallel_kind = DataParallelKind::zero3;
  plan.sharding = {.reshard_after_forward = false, .secondary_group = 8, .quantized_weights = true};
  plan.optimizer_offload = OffloadTarget::nvme;
  plan.routing.skew = 0.5;
  Workload workload = workload_8k();
  workload.document_length = 1024;
  const std::string text = to_megatron_args(plan, workload, llama3_70b());
  for (const char* setting :
       {"schedule dualpipe", "reshard_after_forward false", "zero_hpz_partition_size 8", "zero_quantized_weights",
        "offload_optimizer nvme", "moe_load_skew 0.5", "document_length 1024"})
    CHECK_THAT(text, Contains(fmt::format("# Megatron-LM has no argument for {}\n", setting)));
}
