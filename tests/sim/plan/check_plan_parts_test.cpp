// The rules about schedules, context and expert parallelism, sharding, recomputation, offloading and precision.
#include <catch2/catch.hpp>
#include <limits>

#include "sim/plan/check_plan.hpp"
#include "sim/plan/schedule.hpp"
#include "tests/sim/plan/small_cluster.hpp"

using namespace trainyard;
using namespace trainyard::test;
using Catch::Contains;

namespace {

struct Case {
  Plan plan = legal_plan();
  ModelShape model = llama3_70b();
  Workload workload = workload_8k();
  Cluster cluster = cluster_of(8, 8);
};

// The problems of the case, as "axis: reason" lines; "" if there is none.
std::string problem(const Case& c) {
  std::string text;
  for (const PlanProblem& p : check_plan(c.plan, c.model, c.workload, c.cluster))
    text += fmt::format("{}{}: {}", text.empty() ? "" : "\n", p.axis, p.reason);
  return text;
}

Case moe_case() {
  Case c;
  c.model.moe = MixtureOfExperts{.experts = 8, .top_k = 2, .expert_ffn = 4096, .shared_experts = 1};
  c.plan.expert_parallel = 2;
  return c;
}

}  // namespace

TEST_CASE("nothing that can be written down is refused as not modelled") {
  for (DataParallelKind kind :
       {DataParallelKind::zero1, DataParallelKind::zero2, DataParallelKind::fsdp, DataParallelKind::hsdp}) {
    Case c;
    c.plan.data_parallel_kind = kind;
    CHECK(problem(c) == "");
  }
  Case c = moe_case();
  c.workload.precision = DataType::fp8;
  c.model.latent_attention = LatentAttention{1536, 512, 128, 64, 128};
  c.model.kv_heads = c.model.heads;
  c.plan.context_parallel = 2;
  CHECK(problem(c) == "");
}

TEST_CASE("every schedule runs with the virtual stages that it needs, and says so without") {
  for (const ScheduleRow& row : schedules()) {
    INFO(row.name);
    Case c;
    c.plan.schedule = row.name;
    c.plan.virtual_stages = row.virtual_stages == 0 ? 5 : row.virtual_stages;
    c.plan.global_batch_size = 64;  // 16 micro-batches on 4 stages
    CHECK(problem(c) == "");
    c.plan.virtual_stages = row.virtual_stages == 0 ? 1 : 5;
    CHECK_THAT(problem(c), Contains("schedule: ") && Contains(std::string(row.name)));
  }
  Case c;
  c.plan.schedule = "chimera";
  CHECK_THAT(problem(c), Contains("schedule: there is no schedule 'chimera'; it is one of gpipe, 1f1b, "));
}

TEST_CASE("what a schedule cannot do with these micro-batches is said with their number") {
  Case c;
  c.plan.virtual_stages = 5;
  c.plan.schedule = "interleaved";
  c.plan.global_batch_size = 24;  // 24 / (1 * 4) = 6 micro-batches on 4 stages: the second group of 4 has 2
  CHECK_THAT(problem(c),
             Contains("schedule: schedule interleaved: ") && Contains("(micro-batches: global_batch_size 24 / 4 = 6)"));
  c = Case{};
  c.plan.schedule = "dualpipe";
  c.plan.global_batch_size = 4;  // one micro-batch, but dualpipe needs 2 * 4 stages
  CHECK_THAT(problem(c), Contains("schedule: schedule dualpipe: "));
}

TEST_CASE("stages that send to each other at once cannot block on their sends") {
  for (const char* schedule : {"zb-v", "dualpipe", "dualpipev"}) {
    Case c;
    c.plan.schedule = schedule;
    c.plan.virtual_stages = schedule == std::string_view("dualpipe") ? 1 : 2;
    c.plan.global_batch_size = 64;
    INFO(schedule);
    CHECK_THAT(problem(c), !Contains("overlap_p2p_comm"));
    c.plan.overlap_p2p = false;
    CHECK_THAT(problem(c), Contains("overlap_p2p_comm cannot be off"));
  }
  Case c;
  c.plan.overlap_p2p = false;  // 1F1B
  CHECK(problem(c).empty());
}

TEST_CASE("layers may be counted from the ends of the pipeline") {
  Case c;
  c.plan.pipeline_ends.first_layers = 20;
  c.plan.pipeline_ends.last_layers = 10;  // 50 on the other two
  CHECK(problem(c) == "");
  CHECK(resolved(c.plan, c.model, c.cluster).layers_per_chunk == std::vector<int>{20, 25, 25, 10});
  c.plan.pipeline_ends.last_layers = 11;
  CHECK(
      problem(c) ==
      "pp: 80 layers do not split evenly over pipeline_model_parallel_size 4 * num_virtual_stages_per_pipeline_rank 1 "
      "with decoder_first_pipeline_num_layers 20, decoder_last_pipeline_num_layers 11; give layers_per_chunk");
  c.plan.pipeline_ends = {.loss_counts = true};
  c.model.layers = 79;  // + 1 = 4 * 20
  CHECK(problem(c) == "");
  const Plan full = resolved(c.plan, c.model, c.cluster);
  CHECK(full.layers_per_chunk == std::vector<int>{20, 20, 20, 19});
  CHECK(resolved(full, c.model, c.cluster) == full);
  c.model.layers = 80;
  CHECK_THAT(problem(c), Contains("with account_for_loss_in_pipeline_split"));
}

TEST_CASE("a chunk of prediction modules needs no layers, but a model that has them") {
  Case c;
  c.plan.layers_per_chunk = {40, 40, 0, 0};
  c.plan.prediction_chunk = 2;
  CHECK(problem(c) ==
        "pp: mtp_chunk 2 needs a model with mtp_num_layers\npp: layers_per_chunk gives chunk 2 of 4 0 "
        "layers; only the first and the last may be empty");
  c.model.multi_token_prediction_layers = 1;
  CHECK(problem(c) == "");
  c.plan.prediction_chunk = 4;
  CHECK_THAT(problem(c), Contains("pp: mtp_chunk 4 is outside 0 to 3"));
}

TEST_CASE("an all-to-all over context ranks needs whole heads on each") {
  Case c;
  c.plan.context_parallel = 4;  // 64 heads / tp 4 = 16 on 4 ranks, 8 / 4 = 2 key-value heads
  c.plan.context_parallel_kind = ContextParallelKind::ulysses;
  CHECK(problem(c) == "");  // 4 ranks share 2 key-value heads: each held twice
  c.model.heads = 56;       // 14 per rank
  CHECK(problem(c) ==
        "cp: 56 heads over tensor_model_parallel_size 4 are not divisible by the 4 ranks of cp_comm_type "
        "a2a");
  c.model.heads = 96;
  c.model.kv_heads = 12;  // 3 on 4 ranks
  CHECK(problem(c) ==
        "cp: 12 key-value heads over tensor_model_parallel_size 4 neither divide nor are divisible by the "
        "4 ranks of cp_comm_type a2a");
  c.plan.context_parallel_kind = ContextParallelKind::ring;
  CHECK(problem(c) == "");
}

TEST_CASE("rings cut a sequence in two slices per rank, an all-to-all in one") {
  Case c;
  c.plan.context_parallel = 4;
  c.workload.sequence_length = 8188;  // 4 * 2047
  CHECK_THAT(problem(c), Contains("cp: sequence_length 8188 is not divisible by 2 * context_parallel_size 4 = 8"));
  c.plan.context_parallel_kind = ContextParallelKind::ulysses;
  CHECK(problem(c) == "");
}

TEST_CASE("the inner part of hierarchical context parallelism divides it and gets whole heads") {
  Case c;
  c.plan.context_parallel = 4;
  c.plan.context_parallel_kind = ContextParallelKind::hierarchical;
  c.plan.context_parallel_inner = 3;
  CHECK_THAT(problem(c), Contains("cp: the all-to-all over 3 ranks"));
  c.plan.context_parallel_inner = 2;
  c.model.heads = 56;  // 14 per rank, on 2
  CHECK(problem(c) == "");
  c.plan.context_parallel_inner = 4;
  CHECK_THAT(problem(c), Contains("cp: 56 heads"));
  c.plan.context_parallel_inner = 0;  // those inside a node: 8 GPUs / tp 4 = 2
  CHECK(problem(c) == "");
}

TEST_CASE("expert loads match the experts, and experts exist") {
  Case c = moe_case();
  c.plan.routing.loads = {1, 2, 3, 4, 5, 6, 7, 8};
  CHECK(problem(c) == "");
  c.plan.routing.loads.pop_back();
  CHECK(problem(c) == "ep: moe_expert_loads has 7 entries, but the model has 8 routed experts");
  c.plan.routing.loads.assign(8, 0);
  CHECK_THAT(problem(c), Contains("not all 0"));
  c.plan.routing.loads.assign(8, std::numeric_limits<double>::quiet_NaN());
  CHECK_THAT(problem(c), Contains("must be finite"));
  c = Case{};
  c.plan.routing.loads = {1};
  CHECK(problem(c) == "ep: moe_expert_loads needs a mixture-of-experts model");
}

TEST_CASE("an imbalance below the mean and a negative capacity are refused") {
  Case c = moe_case();
  c.plan.routing.imbalance = 0.9;
  CHECK_THAT(problem(c), Contains("ep: moe_load_imbalance is 0.9, must be at least 1"));
  c.plan.routing = {.capacity_factor = -1};
  CHECK_THAT(problem(c), Contains("ep: moe_expert_capacity_factor is -1"));
}

TEST_CASE("nobody gets more than all tokens") {
  Case c = moe_case();  // 8 experts, 2 per token, over 2 ranks
  c.plan.routing = {.capacity_factor = 4};
  CHECK(problem(c) == "");
  c.plan.routing = {.capacity_factor = 4.5};
  CHECK(problem(c) ==
        "ep: moe_expert_capacity_factor 4.5 is more than 8 experts / moe_router_topk 2 = 4: an expert would hold more "
        "than all tokens");
  c.plan.routing = {.imbalance = 2};
  CHECK(problem(c) == "");
  c.plan.routing = {.imbalance = 2.5};
  CHECK_THAT(problem(c), Contains("ep: moe_load_imbalance 2.5 is more than expert_model_parallel_size 2"));
}

TEST_CASE("how full experts are is said of a model that has them") {
  Case c;
  c.plan.routing = {.capacity_factor = 1};
  CHECK(problem(c) == "ep: moe_expert_capacity_factor needs a mixture-of-experts model");
  c.plan.routing = {.imbalance = 1};
  CHECK(problem(c) == "ep: moe_load_imbalance needs a mixture-of-experts model");
  c.plan.routing = {.skew = 1};
  CHECK(problem(c) == "ep: moe_load_skew needs a mixture-of-experts model");
}

TEST_CASE("userbuffers overlap what sequence parallelism gathers") {
  Case c;
  c.plan.sequence_parallel = false;
  CHECK(problem(c) == "");
  c.plan.tp_comm_overlap = true;
  CHECK(problem(c) == "tp: tp_comm_overlap needs sequence_parallel");
  c.plan.sequence_parallel = true;
  CHECK(problem(c) == "");
}

TEST_CASE("overlapping expert traffic needs something to overlap with") {
  Case c = moe_case();
  c.plan.overlap_expert_parallel = true;
  CHECK(problem(c) ==
        "ep: overlap_moe_expert_parallel_comm with pipeline_model_parallel_size 4 needs "
        "num_virtual_stages_per_pipeline_rank > 1");
  c.plan.virtual_stages = 5;  // 80 layers on 4 * 5 chunks
  c.plan.schedule = "interleaved";
  CHECK(problem(c) == "");
  c.plan.recompute = Recompute::full;
  CHECK_THAT(problem(c), Contains("ep: overlap_moe_expert_parallel_comm excludes recompute_granularity full"));
  c.plan.recompute = Recompute::none;
  c.plan.expert_parallel = 1;
  CHECK(problem(c) == "ep: overlap_moe_expert_parallel_comm needs expert_model_parallel_size > 1");
  c.plan.expert_parallel = 2;
  c.plan.schedule = "zb-h1";
  c.plan.virtual_stages = 1;
  CHECK_THAT(problem(c), Contains("schedule: schedule zb-h1: "));
  c = moe_case();
  c.plan.shared_expert_overlap = true;
  CHECK(problem(c) == "");
  c.plan.dispatcher = ExpertDispatcher::deepep;
  CHECK_THAT(problem(c), Contains("ep: moe_shared_expert_overlap needs moe_token_dispatcher_type alltoall"));
  c.plan.dispatcher.reset();
  c.model.moe->shared_experts = 0;
  CHECK(problem(c) == "ep: moe_shared_expert_overlap needs a model with shared experts");
}

TEST_CASE("ZeRO-3 has no pipeline, FSDP may") {
  Case c;
  c.plan.data_parallel_kind = DataParallelKind::zero3;
  CHECK_THAT(problem(c), Contains("dp: data_parallel zero3 excludes pipeline_model_parallel_size 4"));
  c.plan.data_parallel_kind = DataParallelKind::fsdp;
  CHECK(problem(c) == "");
}

TEST_CASE("sharding groups divide the data-parallel ranks") {
  Case c;  // dp 4
  c.plan.data_parallel_kind = DataParallelKind::hsdp;
  c.plan.sharding.group = 2;
  CHECK(problem(c) == "");
  c.plan.sharding.replicas = 2;
  CHECK(problem(c) == "");
  c.plan.sharding.replicas = 4;
  CHECK(problem(c) ==
        "dp: data_parallel_shard_degree 2 * data_parallel_replicate_degree 4 is not data_parallel_size 4 "
        "* context_parallel_size 1 = 4");
  c.plan.sharding = {.group = 3};
  CHECK(problem(c) ==
        "dp: data_parallel_shard_degree 3 does not divide data_parallel_size 4 * context_parallel_size 1 "
        "= 4");
  c.plan.sharding = {.replicas = 2};
  CHECK(problem(c) == "");
  CHECK(resolved(c.plan, c.model, c.cluster).sharding == Sharding{.group = 2});
  c.plan.data_parallel_kind = DataParallelKind::ddp;
  CHECK_THAT(problem(c), Contains("dp: data_parallel_shard_degree and num_distributed_optimizer_instances need"));
}

TEST_CASE("what gathers parameters needs parameters that are sharded") {
  Case c;
  c.plan.sharding = {.reshard_group = 2, .secondary_group = 2, .quantized_weights = true};
  CHECK(problem(c) ==
        "dp: reshard_after_forward with a number needs data_parallel zero3, fsdp or hsdp, not ddp\n"
        "dp: zero_hpz_partition_size needs data_parallel zero3, fsdp or hsdp, not ddp\n"
        "dp: zero_quantized_weights needs data_parallel zero3, fsdp or hsdp, not ddp");
  c.plan.data_parallel_kind = DataParallelKind::fsdp;
  CHECK(problem(c) == "");
  c.plan.sharding.secondary_group = 3;
  CHECK(problem(c) ==
        "dp: zero_hpz_partition_size 3 does not divide the 4 ranks that share one copy of the parameters");
}

TEST_CASE("recomputation settings need their granularity and their modules the model") {
  Case c;
  c.plan.recompute_layers = 2;
  CHECK(problem(c) == "recompute: recompute_num_layers needs recompute_granularity full");
  c.plan.recompute = Recompute::full;
  c.plan.recompute_method = RecomputeMethod::block;
  CHECK(problem(c) == "");
  c.plan.recompute_modules = recompute_mlp;
  CHECK(problem(c) == "recompute: recompute_modules needs recompute_granularity selective");
  c.plan = legal_plan();
  c.plan.recompute = Recompute::selective;
  c.plan.recompute_modules = recompute_mlp | recompute_moe_act | recompute_mla_up_proj | recompute_shared_experts;
  CHECK(problem(c) ==
        "recompute: recompute_modules mla_up_proj needs multi-head latent attention\n"
        "recompute: recompute_modules moe_act needs a mixture-of-experts model\n"
        "recompute: recompute_modules shared_experts needs a model with shared experts");
}

TEST_CASE("offloading is bounded by what there is to offload") {
  Case c;
  c.plan.activation_offload_layers = 20;  // 80 layers on 4 stages
  CHECK(problem(c) == "");
  c.plan.activation_offload_layers = 21;
  CHECK(problem(c) == "offload: cpu_offloading_num_layers 21 is more than the 20 layers of a pipeline stage");
  c.plan.layers_per_chunk = {19, 20, 21, 20};
  CHECK(problem(c) == "");
  c.plan.activation_offload_layers = 22;
  c.plan.virtual_stages = 2;
  c.plan.schedule = "zb-v";
  // a stage holds chunks r and 7 - r: 1 + 8, 9 + 11, 9 + 20, 20 + 2
  c.plan.layers_per_chunk = {1, 9, 9, 20, 2, 20, 11, 8};
  CHECK_THAT(problem(c), !Contains("offload"));  // stage 2: 9 + 20 = 29
  c.plan.activation_offload_layers = 30;
  CHECK_THAT(problem(c), Contains("more than the 29 layers"));
  c = Case{};
  c.plan.optimizer_offload = OffloadTarget::nvme;
  CHECK(problem(c) == "offload: offload_optimizer nvme needs data_parallel zero3, fsdp or hsdp, not ddp");
  c.plan.optimizer_offload = OffloadTarget::cpu;
  c.plan.optimizer_offload_fraction = 1.5;
  CHECK_THAT(problem(c), Contains("offload: optimizer_offload_fraction is 1.5"));
}

TEST_CASE("gathering parameters in 8 bit needs fp8 and a gather") {
  Case c;
  c.plan.fp8_param_gather = true;
  c.plan.data_parallel_kind = DataParallelKind::zero1;
  CHECK(problem(c) == "precision: fp8_param_gather needs precision fp8");
  c.workload.precision = DataType::fp8;
  CHECK(problem(c) == "");
  c.plan.data_parallel_kind = DataParallelKind::ddp;
  CHECK_THAT(problem(c), Contains("with ddp no parameters are gathered"));
}

TEST_CASE("attention in 8 bit needs a low precision") {
  Case c;
  c.workload.fp8_attention = true;
  CHECK(problem(c) == "precision: fp8_attention needs precision fp8 or nvfp4, not bf16");
  c.workload.precision = DataType::fp8;
  CHECK(problem(c) == "");
}

TEST_CASE("packed documents fit into the sequence") {
  Case c;
  c.workload.document_length = 8193;
  CHECK(problem(c) == "sequence: document_length 8193 is outside 1 to sequence_length 8192");
  c.workload.document_length = 8192;
  CHECK(problem(c) == "");
}

TEST_CASE("absurd numbers in any setting end in messages, not in overflow") {
  const int largest = std::numeric_limits<int>::max(), smallest = std::numeric_limits<int>::min();
  for (int absurd : {-1, smallest, largest})
    for (const ScheduleRow& row : schedules()) {
      Case c = moe_case();
      c.plan.schedule = row.name;
      c.plan.virtual_stages = absurd;
      c.plan.interleave_group = c.plan.recompute_layers = c.plan.activation_offload_layers = absurd;
      c.plan.prediction_chunk = c.plan.context_parallel_inner = absurd;
      c.plan.context_parallel = absurd;
      c.plan.context_parallel_kind = ContextParallelKind::hierarchical;
      c.plan.data_parallel_kind = DataParallelKind::hsdp;
      c.plan.sharding = {.group = absurd,
                         .replicas = absurd,
                         .reshard_group = absurd,
                         .prefetch_units = absurd,
                         .secondary_group = absurd,
                         .reduce_bucket = absurd};
      c.plan.pipeline_ends = {.first_layers = absurd, .last_layers = absurd};
      CHECK(problem(c) != "");
      c.plan.pipeline_ends = {.embedding_counts = true};
      c.plan.virtual_stages = row.virtual_stages == 0 ? 2 : row.virtual_stages;
      CHECK(problem(c) != "");
    }
}
