#include "sim/plan/megatron_args.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "sim/base/errors.hpp"
#include "sim/plan/layer_split.hpp"
#include "tests/sim/plan/small_cluster.hpp"

using namespace trainyard;
using namespace trainyard::test;
using Catch::Contains;
using Strings = std::vector<std::string>;

namespace {

MegatronImport import(const std::string& text) { return read_megatron_args(text, "run.sh"); }

// The layers of each model chunk, by list or by what is said of the pipeline's ends.
std::vector<int> layers_of(const MegatronImport& read) {
  const Plan& plan = read.plan;
  if (!plan.layers_per_chunk.empty()) return plan.layers_per_chunk;
  return split_layers(read.model.layers, plan.pipeline_parallel, plan.virtual_stages, plan.pipeline_ends).value();
}

// The flags Megatron-LM requires, for a small model.
const std::string required =
    "--num-layers 8 --hidden-size 1024 --num-attention-heads 16 --seq-length 2048 --max-position-embeddings 2048 "
    "--micro-batch-size 2 --global-batch-size 64 --vocab-size 32000 ";

MegatronImport with(const std::string& flags) { return import(required + flags); }

std::string error(const std::string& text) {
  try {
    import(text);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

constexpr const char* gpt3_175b_script = R"(#!/bin/bash
# 175B parameters, as in Megatron-LM's SC21 table
export CUDA_DEVICE_MAX_CONNECTIONS=1
GPUS_PER_NODE=8
NNODES=128
MASTER_ADDR=localhost
WORLD_SIZE=$(($GPUS_PER_NODE*$NNODES))
CHECKPOINT_PATH=$1 #<Specify path>
NLS=96
HS=12288

DISTRIBUTED_ARGS=(
    --nproc_per_node $GPUS_PER_NODE
    --nnodes $NNODES
    --master_addr $MASTER_ADDR
)
MEGATRON_PARAMS=" \
    --num-layers ${NLS} \
    --hidden-size ${HS} \
    --num-attention-heads 96 \
    --seq-length 2048 \
    --max-position-embeddings 2048"
TRAINING_ARGS=(
    --micro-batch-size 1
    --global-batch-size 1536
    --rampup-batch-size 16 16 5859375
    --fp16 # mixed precision
    --lr 6.0e-5
    --adam-beta1 0.9
    --activations-dtype none
)
MODEL_PARALLEL_ARGS=(
	--tensor-model-parallel-size 8
	--pipeline-model-parallel-size 16
	--num-layers-per-virtual-pipeline-stage 3
)
torchrun ${DISTRIBUTED_ARGS[@]} pretrain_gpt.py \
    ${MEGATRON_PARAMS} \
    ${TRAINING_ARGS[@]} \
    ${MODEL_PARALLEL_ARGS[@]} \
    --recompute-granularity full --recompute-method uniform --recompute-num-layers 1 \
    --save $CHECKPOINT_PATH --load $CHECKPOINT_PATH
)";

constexpr const char* llama3_70b_arguments = R"(
--num-layers 80 --hidden-size 8192 --ffn-hidden-size 28672 --num-attention-heads 64
--group-query-attention --num-query-groups 8 --seq-length 8192 --max-position-embeddings 8192
--position-embedding-type rope --rotary-base 500000 --swiglu --normalization RMSNorm --disable-bias-linear
--untie-embeddings-and-output-weights --attention-dropout 0 --hidden-dropout 0 --vocab-size 128256
--tensor-model-parallel-size 4 --pipeline-model-parallel-size 4 --num-virtual-stages-per-pipeline-rank 5
--context-parallel-size 2 --sequence-parallel --use-distributed-optimizer --overlap-grad-reduce
--overlap-param-gather --micro-batch-size 1 --global-batch-size=128 --bf16 --grad-reduce-in-bf16
--tp-comm-overlap --mock-data --train-iters 100
)";

}  // namespace

TEST_CASE("the GPT-3 175B launch script is read whole") {
  const MegatronImport gpt3 = import(gpt3_175b_script);
  CHECK(gpt3.model.layers == 96);
  CHECK(gpt3.model.hidden == 12288);
  CHECK(gpt3.model.head_dim == 128);
  CHECK(gpt3.model.ffn == 49152);
  CHECK(gpt3.model.kv_heads == 96);
  CHECK(gpt3.model.norm == NormKind::layernorm);
  CHECK(gpt3.model.position == PositionEncoding::learned);
  CHECK(gpt3.model.max_positions == 2048);
  CHECK(gpt3.model.linear_bias);
  CHECK(gpt3.model.tied_embeddings);
  CHECK(gpt3.model.dropout == 0.1);
  CHECK(gpt3.plan.tensor_parallel == 8);
  CHECK(gpt3.plan.pipeline_parallel == 16);
  CHECK(gpt3.plan.virtual_stages == 2);  // 96 / 16 / 3
  CHECK(gpt3.plan.schedule == "interleaved");
  CHECK(gpt3.plan.global_batch_size == 1536);
  CHECK(gpt3.plan.recompute == Recompute::full);
  CHECK(gpt3.workload.precision == DataType::fp16);
  CHECK(gpt3.world_size == 1024);
  CHECK(gpt3.not_understood == Strings{"--rampup-batch-size 16 16 5859375", "--activations-dtype none"});
}

TEST_CASE("bare Llama-3 70B arguments are read whole") {
  std::string arguments = llama3_70b_arguments;
  std::replace(arguments.begin(), arguments.end(), '\n', ' ');
  const MegatronImport llama = import(arguments);
  ModelShape expected = llama3_70b();
  expected.name = llama.model.name;
  CHECK(llama.model == expected);
  CHECK(llama.plan.context_parallel == 2);
  CHECK(llama.plan.virtual_stages == 5);
  CHECK(llama.plan.global_batch_size == 128);
  CHECK(llama.plan.sequence_parallel);
  CHECK(llama.plan.data_parallel_kind == DataParallelKind::zero1);
  CHECK(llama.plan.overlap_grad_reduce == true);
  CHECK(llama.plan.overlap_p2p == true);
  CHECK(llama.plan.tp_comm_overlap == true);
  CHECK(llama.plan.grad_reduce_type == DataType::bf16);
  CHECK(llama.workload == workload_8k());
  CHECK_FALSE(llama.world_size);
  CHECK(llama.defaulted == Strings{});
  CHECK(llama.not_understood == Strings{});
}

TEST_CASE("the gated MLP defaults to two thirds of 4h, in steps of 64") {
  CHECK(with("--swiglu").model.ffn == 2688);  // 4 * 1024 * 2 / 3 = 2730.7 -> 42 * 64
  CHECK(with("").model.ffn == 4096);
}

TEST_CASE("query groups count only with --group-query-attention") {
  CHECK(with("--group-query-attention --num-query-groups 4").model.kv_heads == 4);
  CHECK(with("--group-query-attention").model.kv_heads == 1);
  const MegatronImport ignored = with("--num-query-groups 4");
  CHECK(ignored.model.kv_heads == 16);
  CHECK_THAT(ignored.not_understood.at(0), Contains("--num-query-groups 4 without --group-query-attention"));
}

TEST_CASE("mixture-of-experts flags are read") {
  const MixtureOfExperts moe = *with(
                                    "--num-experts 64 --moe-router-topk 8 --moe-ffn-hidden-size 512 "
                                    "--moe-shared-expert-intermediate-size 1024 --moe-layer-freq '([0]*3+[1]*5)' "
                                    "--moe-router-enable-expert-bias --expert-model-parallel-size 8 --bf16")
                                    .model.moe;
  CHECK(moe == MixtureOfExperts{.experts = 64,
                                .top_k = 8,
                                .expert_ffn = 512,
                                .shared_experts = 1,
                                .shared_ffn = 1024,
                                .first_dense_layers = 3,
                                .layer_period = 1,
                                .router_bias = true});
  CHECK(with("--num-experts 8").model.moe->expert_ffn == 4096);
  CHECK_THAT(error(required + "--num-experts 8 --moe-layer-freq '[1]*3'"),
             Contains("does not say for each of 8 layers"));
}

TEST_CASE("latent attention flags are read with Megatron's defaults") {
  CHECK(*with("--disable-bias-linear --multi-latent-attention --q-lora-rank 1536 --kv-lora-rank 512")
             .model.latent_attention ==
        LatentAttention{
            .q_rank = 1536, .kv_rank = 512, .qk_nope_head_dim = 128, .qk_rope_head_dim = 64, .v_head_dim = 128});
}

TEST_CASE("flags Megatron-LM no longer has are errors with the replacement") {
  CHECK_THAT(error(required + "--model-parallel-size 8"), Contains("(use --tensor-model-parallel-size)"));
  CHECK_THAT(error(required + "--batch-size 8"),
             Contains("--batch-size is no longer a Megatron-LM argument (use --micro"));
  CHECK_THAT(error(required + "--checkpoint-activations"), Contains("use --recompute-activations"));
}

TEST_CASE("unknown flags are reported as written and irrelevant ones ignored") {
  const MegatronImport result =
      with("--lr 1e-4 --attention-backend flash --turbo --data-path 0.3 $A 0.7 $B --split 9,1,0");
  CHECK(result.not_understood == Strings{"--attention-backend flash", "--turbo"});
}

TEST_CASE("a variable without a value is an error where its value matters, and only there") {
  CHECK(
      error(required + "--tensor-model-parallel-size $TP") ==
      "run.sh:1: --tensor-model-parallel-size: $TP has no value in this script (assign it in the script, or paste the "
      "expanded command)");
  CHECK(error(required + "--save $DIR --tensorboard-dir ${DIR}/tb") == "");
  CHECK_THAT(error(required + "--bf16 --mock-data $EXTRA_ARGS"),
             Contains("$EXTRA_ARGS has no value in this script, and may hold any argument"));
  CHECK_THAT(error(required + "--lr 1 $EXTRA_ARGS"), Contains("may hold any argument"));
  CHECK(with("--bf16 --log-throughput \"$@\"").not_understood == Strings{"$@"});
}

TEST_CASE("the launcher gives the world size") {
  const auto world = [](const std::string& launcher) {
    return import(launcher + " pretrain_gpt.py " + required).world_size;
  };
  CHECK(world("torchrun --nproc_per_node 8 --nnodes 4") == 32);
  CHECK(world("torchrun --nproc-per-node=8 --nnodes=4") == 32);
  CHECK(world("torchrun --nproc_per_node 8") == 8);
  CHECK(world("python -m torch.distributed.launch --nproc_per_node 4 --nnodes 2") == 8);
  CHECK(world("srun -N 16 --ntasks-per-node=8 python -u") == 128);
  CHECK(world("srun -n 64 python") == 64);
  CHECK(world("srun -N 4 --ntasks-per-node=1 torchrun --nproc_per_node 8 --nnodes 4") == 32);
  CHECK(world("WORLD_SIZE=$((8*2))\npython") == 16);
  CHECK_FALSE(world("torchrun --nproc_per_node 8 --nnodes $NNODES"));
  CHECK_FALSE(world("python"));
}

TEST_CASE("without a global batch size it is one micro-batch per data-parallel rank") {
  const std::string flags =
      "--num-layers 8 --hidden-size 1024 --num-attention-heads 16 --seq-length 2048 "
      "--max-position-embeddings 2048 --micro-batch-size 2 --tensor-model-parallel-size 2";
  CHECK(import("torchrun --nproc_per_node 8 --nnodes 2 pretrain_gpt.py " + flags).plan.global_batch_size == 16);
  CHECK_THAT(error(flags), Contains("the command has no --global-batch-size"));
}

TEST_CASE("a fragment of assignments is taken as the flags they hold") {
  const MegatronImport fragment = import("MODEL_ARGS=(\n" + required +
                                         ")\nDISTRIBUTED_ARGS=\"--nproc_per_node 8 --nnodes 2\"\n"
                                         "PARALLEL=\"--tensor-model-parallel-size 4\"\n");
  CHECK(fragment.plan.tensor_parallel == 4);
  CHECK(fragment.world_size == 16);
  CHECK(fragment.not_understood == Strings{});
}

TEST_CASE("what is no training command, or two of them, is an error") {
  CHECK_THAT(error("echo hello"), Contains("no Megatron-LM training command found"));
  CHECK_THAT(error(""), Contains("no Megatron-LM training command found"));
  CHECK_THAT(error("python a.py " + required + "\npython b.py " + required),
             Contains("run.sh:2: a second training command"));
  CHECK_THAT(error("torchrun pretrain_gpt.py --num-layers 8"), Contains("the command has no --hidden-size"));
}

TEST_CASE("values are checked, with the line") {
  CHECK_THAT(error("pretrain_gpt.py \\\n --num-layers eight"),
             Contains("run.sh:2: --num-layers must be a whole number, not 'eight'"));
  CHECK_THAT(error(required + "--tensor-model-parallel-size"), Contains("needs a value"));
  CHECK_THAT(error(required + "--tensor-model-parallel-size 0"), Contains("is 0, outside 1 to"));
  CHECK_THAT(error(required + "--tensor-model-parallel-size 2 3"), Contains("takes one value"));
  CHECK_THAT(error(required + "--bf16 true"), Contains("takes no value"));
  CHECK_THAT(error(required + "--bf16 --fp16"), Contains("exclude each other"));
  CHECK_THAT(error(required + "--normalization BatchNorm"), Contains("one of LayerNorm, RMSNorm"));
  CHECK_THAT(error(required + "--recompute-granularity full"), Contains("needs --recompute-method"));
}

TEST_CASE("a flag given twice has its last value") {
  CHECK(with("--tensor-model-parallel-size 2 --tensor-model-parallel-size 4").plan.tensor_parallel == 4);
}

TEST_CASE("uneven pipelines are read") {
  const auto layers = [](const std::string& flags) {
    return layers_of(with("--pipeline-model-parallel-size 4 " + flags));
  };
  CHECK(layers("--pipeline-model-parallel-layout 'Et|(ttt|)*2,tL'") == std::vector<int>{1, 3, 3, 1});
  // 8 layers: 1 on the first rank, 3 on the last, the other 4 on two ranks
  CHECK(layers("--decoder-first-pipeline-num-layers 1 --decoder-last-pipeline-num-layers 3") ==
        std::vector<int>{1, 2, 2, 3});
  CHECK(with("--pipeline-model-parallel-size 4").plan.pipeline_ends == PipelineEnds{});
  CHECK_THAT(error(required + "--pipeline-model-parallel-size 4 --decoder-first-pipeline-num-layers 1"),
             Contains("do not split evenly"));
  const Plan virtual_layout =
      with("--pipeline-model-parallel-size 2 --pipeline-model-parallel-layout 'Et|ttt|tt|ttL'").plan;
  CHECK(virtual_layout.virtual_stages == 2);
}

TEST_CASE("the embedding and the loss may count as layers") {
  // 15 + 1 layers on 4 ranks, the first with one decoder layer fewer
  const std::string flags = "--num-layers 15 --pipeline-model-parallel-size 4 ";
  CHECK(layers_of(with(flags + "--account-for-embedding-in-pipeline-split")) == std::vector<int>{3, 4, 4, 4});
  // 14 + 2: what the plan's own split gives, so no list is needed
  CHECK(with("--num-layers 14 --pipeline-model-parallel-size 4 --account-for-embedding-in-pipeline-split "
             "--account-for-loss-in-pipeline-split")
            .plan.pipeline_ends == PipelineEnds{});
}

TEST_CASE("sharded data parallelism is read") {
  const auto kind = [](const std::string& flags) { return with(flags).plan.data_parallel_kind; };
  CHECK(kind("") == DataParallelKind::ddp);
  CHECK(kind("--use-distributed-optimizer") == DataParallelKind::zero1);
  CHECK(kind("--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params") == DataParallelKind::zero3);
  CHECK(kind("--use-torch-fsdp2") == DataParallelKind::fsdp);
}

TEST_CASE("the plan is written as arguments to copy") {
  Plan plan = legal_plan();
  plan.virtual_stages = 5;
  plan.schedule = "interleaved";
  plan.sequence_parallel = true;
  plan.data_parallel_kind = DataParallelKind::zero1;
  plan.overlap_grad_reduce = true;
  plan.overlap_param_gather = true;
  plan.tp_comm_overlap = true;
  plan.recompute = Recompute::full;
  CHECK(to_megatron_args(plan, workload_8k(), llama3_70b()) ==
        "--tensor-model-parallel-size 4 --pipeline-model-parallel-size 4 --sequence-parallel \\\n"
        "--num-virtual-stages-per-pipeline-rank 5 \\\n"
        "--micro-batch-size 1 --global-batch-size 32 --seq-length 8192 --bf16 \\\n"
        "--use-distributed-optimizer --overlap-grad-reduce --overlap-param-gather --tp-comm-overlap \\\n"
        "--recompute-granularity full --recompute-method uniform --recompute-num-layers 1\n");
}

TEST_CASE("what Megatron-LM cannot be told is said in comments") {
  Plan plan = legal_plan();
  plan.schedule = "gpipe";
  plan.placement = PlacementKind::scatter;
  CHECK_THAT(
      to_megatron_args(plan, workload_8k(), llama3_70b()),
      Contains(
          "# Megatron-LM has no argument for schedule gpipe\n# Megatron-LM has no argument for placement scatter"));
}

TEST_CASE("a list that the split gives by itself is not written") {
  Plan plan = legal_plan();
  plan.layers_per_chunk = {20, 20, 20, 20};
  CHECK_THAT(to_megatron_args(plan, workload_8k(), llama3_70b()), !Contains("layout"));
}

TEST_CASE("a dense model's arguments say nothing of experts") {
  Plan plan;
  plan.tensor_parallel = plan.expert_tensor_parallel = 2;  // as a plan that lists every axis does
  CHECK_THAT(to_megatron_args(plan, workload_8k(), llama3_70b()), !Contains("expert"));
}

TEST_CASE("written arguments read back as the same plan") {
  const std::string model_flags =
      "--num-layers 30 --hidden-size 8192 --num-attention-heads 64 --max-position-embeddings 8192 --vocab-size 128256 ";
  ModelShape model = llama3_70b();
  model.layers = 30;  // even over 1, 2 and 3 stages, 4 * 8 - 2 over 4 stages of 2
  int plans = 0;
  for (const auto& [pp, vpp] : std::vector<std::pair<int, int>>{{1, 1}, {2, 1}, {3, 1}, {3, 5}, {4, 1}, {4, 2}, {5, 2}})
    for (DataParallelKind kind : {DataParallelKind::ddp, DataParallelKind::zero1, DataParallelKind::zero2,
                                  DataParallelKind::zero3, DataParallelKind::fsdp})
      for (Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full})
        for (DataType precision : {DataType::bf16, DataType::fp16, DataType::fp8, DataType::fp32})
          for (unsigned bits = 0; bits < 32; ++bits) {
            Plan plan;
            plan.tensor_parallel = 1 + static_cast<int>(bits % 4);
            plan.pipeline_parallel = pp;
            plan.virtual_stages = vpp;
            plan.schedule = vpp > 1 ? "interleaved" : "1f1b";
            plan.micro_batch_size = 3;
            plan.global_batch_size = 96;
            plan.data_parallel_kind = kind;
            plan.recompute = recompute;
            plan.sequence_parallel = bits & 1;
            const bool gathers = kind != DataParallelKind::ddp;
            if (kind != DataParallelKind::fsdp) {
              plan.overlap_grad_reduce = (bits & 2) != 0;
              plan.overlap_param_gather = (bits & 6) == 6 && gathers;
            }
            plan.overlap_p2p = vpp > 1 && (bits & 8) != 0;
            plan.tp_comm_overlap = (bits & 16) != 0;
            if (bits & 1) plan.grad_reduce_type = bits & 2 ? DataType::fp32 : DataType::bf16;
            if (bits & 2) plan.rank_order = "tp-cp-ep-pp-dp";
            if (bits & 8) plan.context_parallel = 2;
            if (pp == 5) plan.layers_per_chunk = {2, 3, 3, 3, 4, 4, 3, 3, 3, 2};
            const Workload workload{.sequence_length = 4096, .precision = precision};
            const std::string arguments = model_flags + to_megatron_args(plan, workload, model);
            const MegatronImport back = import(arguments);
            INFO(arguments);
            REQUIRE(back.plan == plan);
            REQUIRE(back.workload == workload);
            REQUIRE(back.not_understood == Strings{});
            ++plans;
          }
  CHECK(plans == 7 * 5 * 3 * 4 * 32);
}
