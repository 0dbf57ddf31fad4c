// Every rule with the words of a published row.
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/analysis/validation/fake_presets.hpp"

using namespace trainyard;
using namespace trainyard::validation_test;

namespace {

std::string stack_of(const std::string& software, const std::string& date, const std::string& sharding = "zero1") {
  PublishedRun run = complete_run();
  run.software = software;
  run.date = date;
  run.sharding = sharding;
  return mapped(run).job.profile.stack.name;
}

std::string cluster_of(const std::string& hardware, const std::string& network = {}) {
  PublishedRun run = complete_run();
  run.hardware = hardware;
  run.network = network;
  return mapped(run).job.cluster.name;
}

bool noted(const MappedRun& run, const std::string& words) {
  return std::any_of(run.job.warnings.begin(), run.job.warnings.end(),
                     [&](const std::string& note) { return note.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("a complete row maps without an assumption") {
  const MappedRun run = mapped(complete_run());
  CHECK(run.job.warnings.empty());
  CHECK(run.job.name == "run-1");
  CHECK(run.job.model == llama3_8b());
  CHECK(run.job.cluster.nodes == 8);
  CHECK(run.job.workload == Workload{.sequence_length = 8192, .precision = DataType::bf16});
  Plan plan;
  plan.tensor_parallel = 2;
  plan.pipeline_parallel = 4;
  plan.virtual_stages = 2;
  plan.data_parallel = 8;
  plan.micro_batch_size = 1;
  plan.global_batch_size = 128;
  plan.sequence_parallel = true;
  plan.schedule = "interleaved";
  plan.data_parallel_kind = DataParallelKind::zero1;
  CHECK(run.job.plan == plan);
  CHECK(run.time_scale == 1.0);
}

TEST_CASE("published hardware names find their cluster preset") {
  CHECK(cluster_of("DGX-A100-80GB-SXM (Selene)", "8x200Gb HDR IB") == "dgx-a100-80gb");
  CHECK(cluster_of("A100-80GB-SXM (vTrain multi-node)", "800 Gbps/node (config inter_node_bandwidth)") ==
        "dgx-a100-80gb");
  CHECK(cluster_of("A100-SXM (vTrain single node)") == "dgx-a100-80gb");
  CHECK(cluster_of("A100-40GB", "RoCE 1600 Gbps/node") == "dgx-a100-40gb");
  CHECK(cluster_of("DGX-H100-80GB-SXM (Eos)") == "dgx-h100");
  CHECK(cluster_of("H100-SXM-80GB (Grand Teton, 700W)", "8x400Gb RoCE, 3-layer Clos 24K cluster") == "dgx-h100");
  CHECK(cluster_of("NVIDIA H100 80GB HBM3", "EFA 3200 Gbps/node") == "aws-p5");
  CHECK(cluster_of("H200-141GB") == "dgx-h200");
  CHECK(cluster_of("B200-SXM-180GB") == "dgx-b200");
  CHECK(cluster_of("GB200 NVL72") == "gb200-nvl72");
  CHECK(cluster_of("Tesla V100-SXM2 32GB") == "dgx-1v");
  CHECK(cluster_of("A100-PCIe-80GB") == "a100-pcie-nvlink-bridge");
  CHECK(cluster_of("AWS p4d.24xlarge") == "aws-p4d");
}

TEST_CASE("hardware without a preset is skipped by name") {
  PublishedRun run = complete_run();
  run.hardware = "TPU v5p";
  CHECK(skip_reason(run) == "no cluster preset for hardware 'TPU v5p'");
  run.hardware = "H100-PCIe-80GB";
  CHECK(skip_reason(run) == "no cluster preset for H100 PCIe and NVL");
  run.hardware = "GB300 NVL72";
  CHECK(skip_reason(run) == "no cluster preset for B300");
}

TEST_CASE("the network text sets the NICs' rate, number and network profile") {
  PublishedRun run = complete_run();
  run.hardware = "A100-80GB";
  run.network = "RoCE 1600 Gbps/node";  // 200 GB/s over the preset's eight NICs
  Cluster cluster = mapped(run).job.cluster;
  CHECK(cluster.nic_bandwidth == 25_GBps);
  CHECK(cluster.node.nics.size() == 8);
  CHECK(cluster.fabric.network == "roce");

  run.network = "800 Gbps/node (config inter_node_bandwidth), NVLink 150 GB/s (config intra)";
  cluster = mapped(run).job.cluster;
  CHECK(cluster.node.nics == std::vector<std::string>{"NIC0", "NIC2", "NIC4", "NIC6"});
  CHECK(cluster.nic_bandwidth == 25_GBps);
  CHECK(cluster.fabric.network == "infiniband");
  CHECK(cluster.node.relations[8][9].nvlinks == 100 * 8 + 10);  // NIC0 and NIC2 are devices 8 and 10 of the preset

  run.network = "4x100Gb EDR IB";
  cluster = mapped(run).job.cluster;
  CHECK(cluster.node.nics.size() == 4);
  CHECK(cluster.nic_bandwidth.value == Approx(12.5e9));

  run.network = "3.2 Tbps per node";
  CHECK(mapped(run).job.cluster.nic_bandwidth == 50_GBps);

  run.network = "not stated";
  const MappedRun unstated = mapped(run);
  CHECK(unstated.job.cluster.nic_bandwidth == 25_GBps);
  CHECK(noted(unstated, "NIC rate not published"));
}

TEST_CASE("a single node with fewer GPUs takes the first of the preset's node") {
  PublishedRun run = complete_run();
  run.gpus = 2;
  run.pp = 1;
  run.vpp = 1;
  run.schedule = "none";
  run.dp = 1;
  const MappedRun small = mapped(run);
  CHECK(small.job.cluster.nodes == 1);
  CHECK(small.job.cluster.node.gpus == std::vector<std::string>{"GPU0", "GPU1"});
  CHECK(small.job.cluster.node.nics.size() == 8);
  CHECK(small.job.cluster.node.relations.size() == 10);
  CHECK(small.job.cluster.node.relations[1][2].nvlinks == 100 * 1 + 8);  // GPU1 to NIC0, device 8 of the preset
  CHECK(noted(small, "the first 2 of the node's 8 GPUs"));

  run.gpus = 12;
  CHECK(skip_reason(run) == "12 GPUs do not fill nodes of 8");
}

TEST_CASE("a rack's GPUs count as its trays") {
  PublishedRun run = complete_run();
  run.hardware = "GB200 NVL72";
  run.gpus = 8;
  run.gpus_per_node = 8;
  run.pp = 1;
  run.dp = 4;
  const Cluster cluster = mapped(run).job.cluster;
  CHECK(cluster.gpus_per_node() == 4);
  CHECK(cluster.nodes == 2);
  CHECK(cluster.nodes_per_nvlink_domain == 2);
}

TEST_CASE("software texts name their stack") {
  CHECK(stack_of("Megatron-LM v2.x", "2021-04") == "megatron-2021");
  CHECK(stack_of("DeepSpeed ZeRO-3 (2021) / Megatron-LM", "2021-04", "zero3 (DeepSpeed)") == "deepspeed-zero3-2021");
  CHECK(stack_of("DeepSpeed ZeRO-3 (2021) / Megatron-LM", "2021-04", "zero0") == "megatron-2021");
  CHECK(stack_of("Megatron-LM", "2022-05") == "megatron-2022");
  CHECK(stack_of("Megatron-LM", "2024-05") == "megatron-core");
  CHECK(stack_of("Megatron-LM fork (sail-sg)", "2023-11") == "zero-bubble-2023");
  CHECK(stack_of("Megatron-DeepSpeed (version unstated)", "<=2024-07") == "megatron-deepspeed");
  CHECK(stack_of("Megatron-Core r0.8.0", "2024-07") == "megatron-core");
  CHECK(stack_of("Megatron-LM + TE 2.11 (B200)", "2026-04") == "megatron-core-0.14");
  CHECK(stack_of("NeMo 24.07 (Megatron-Core + TE, FP8 delayed scaling) vboost on", "2024-08-22") == "nemo");
  CHECK(stack_of("NeMo 25.02", "2025-05") == "nemo");
  CHECK(stack_of("llm-foundry (sweep v0.0.4, torch 2.1.0 cu121 for H100)", "2023-10..2024-01") == "fsdp-eager");
  const std::string layouts = "AlephAlpha scaling (Megatron-style, 3D parallel + ZeRO-1), ";
  CHECK(stack_of(layouts + "torch", "2023-07..2023-10") == "pytorch-eager");
  CHECK(stack_of(layouts + "fused", "2023-07..2023-10") == "pytorch-fused");
  CHECK(stack_of(layouts + "flash_attentionv1.0.8", "2023-07..2023-10") == "pytorch-flash1");
  CHECK(stack_of(layouts + "flash_attention2", "2023-07..2023-10") == "pytorch-flash");
  CHECK(stack_of(layouts + "flash_attention2 + RMS kernel", "2023-07..2023-10") == "pytorch-flash-rms");
  CHECK(stack_of("torchtitan main", "2025-01") == "pytorch-compiled");
  CHECK(stack_of("MaxText (JAX)", "2024-11") == "pytorch-compiled");
}

TEST_CASE("unknown software is the Megatron of its day, and the row says so") {
  CHECK(stack_of("an in-house trainer", "2020-06") == "megatron-2021");
  CHECK(stack_of("an in-house trainer", "2022-12") == "megatron-2022");
  CHECK(stack_of("an in-house trainer", "2024-01") == "megatron-core");
  CHECK(stack_of("an in-house trainer", "") == "megatron-core");
  PublishedRun run = complete_run();
  run.software = "an in-house trainer";
  CHECK(noted(mapped(run), "software not recognised"));
}

TEST_CASE("a row without software is read by its source's title") {
  PublishedRun run = complete_run();
  run.software.clear();
  run.source = "Zero Bubble Pipeline Parallelism (arXiv 2401.10241) Table 4";
  CHECK(mapped(run).job.profile.stack.name == "zero-bubble-2023");
}

TEST_CASE("the attention kernel is the row's, else the stack's") {
  PublishedRun run = complete_run();
  CHECK(mapped(run).job.profile.stack.attention == AttentionKernel::flash3);
  run.flash_attention = "False";
  CHECK(mapped(run).job.profile.stack.attention == AttentionKernel::materialised);
  run.flash_attention = "unknown";
  CHECK(mapped(run).job.profile.stack.attention == AttentionKernel::flash3);
  run.software = "Megatron-LM v2.x";
  CHECK(mapped(run).job.profile.stack.attention == AttentionKernel::materialised);
  run.flash_attention = "True";
  CHECK(mapped(run).job.profile.stack.attention == AttentionKernel::flash2);
}

TEST_CASE("GPT models train with dropout where the stack does, gated ones never") {
  PublishedRun run = complete_run();
  run.software = "Megatron-LM v2.x";
  CHECK(mapped(run).job.model.dropout == 0.0);
  CHECK(!mapped(run).job.profile.stack.dropout);
  run.model = "gpt-custom";
  run.layers = 24;
  run.hidden = 2048;
  run.heads = 16;
  CHECK(mapped(run).job.model.dropout == 0.1);
  CHECK(mapped(run).job.profile.stack.dropout);
}

TEST_CASE("CUDA graphs remove the host's floor") {
  PublishedRun run = complete_run();
  CHECK(mapped(run).job.profile.stack.host_forward == 1_ms);
  run.cuda_graph = true;
  CHECK(mapped(run).job.profile.stack.host_forward == 0_s);
}

TEST_CASE("in-row shape wins over the preset, truncated depth included") {
  PublishedRun run = complete_run();
  run.layers = 16;
  run.kv_heads = 16;
  run.vocab = 100000;
  const ModelShape model = mapped(run).job.model;
  CHECK(model.layers == 16);
  CHECK(model.kv_heads == 16);
  CHECK(model.vocabulary == 100000);
  CHECK(model.ffn == 14336);
}

TEST_CASE("a row without a preset is of its MLP's family") {
  PublishedRun run = complete_run();
  run.model.clear();
  run.model_label = "GPT L24 h2048";
  run.layers = 24;
  run.hidden = 2048;
  run.heads = 16;
  run.vocab = 50257;
  run.gated_mlp = false;
  const ModelShape gpt = mapped(run).job.model;
  CHECK(gpt.name == "GPT L24 h2048");
  CHECK(gpt.norm == NormKind::layernorm);
  CHECK(gpt.position == PositionEncoding::learned);
  CHECK(gpt.max_positions == 8192);
  CHECK(gpt.linear_bias);
  CHECK(gpt.tied_embeddings);
  CHECK(gpt.kv_heads == 16);
  CHECK(gpt.head_dim == 128);
  CHECK(gpt.ffn == 8192);
  run.gated_mlp = true;
  run.ffn_hidden = 5504;
  const ModelShape llama = mapped(run).job.model;
  CHECK(llama.norm == NormKind::rmsnorm);
  CHECK(llama.position == PositionEncoding::rope);
  CHECK(!llama.linear_bias);
  CHECK(!llama.tied_embeddings);
  run.hidden.reset();
  CHECK(skip_reason(run) == "no model and no full shape published");
}

TEST_CASE("the preset knows latent attention, the notes a proxy's dense layers") {
  PublishedRun run = complete_run();
  run.model = "deepseek-V3";
  run.layers = 4;
  run.head_dim = 128;
  run.pp = 1;
  run.vpp = 1;
  run.dp = 32;
  run.ep = 8;
  run.notes = "truncated depth (layers=4); DeepSeek-V3 rows use dense_layers=1; peak_mem = max allocated";
  const ModelShape model = mapped(run).job.model;
  CHECK(model.head_dim == 192);
  CHECK(model.latent_attention == deepseek_v3().latent_attention);
  CHECK(model.moe->first_dense_layers == 1);
}

TEST_CASE("schedules by their published names") {
  PublishedRun run = complete_run();
  const auto schedule = [&](const std::string& text, std::optional<std::int64_t> vpp) {
    run.schedule = text;
    run.vpp = vpp;
    const Plan plan = mapped(run).job.plan;
    return std::pair(plan.schedule, plan.virtual_stages);
  };
  CHECK(schedule("1f1b", 1) == std::pair(std::string("1f1b"), 1));
  CHECK(schedule("1f1b", 4) == std::pair(std::string("interleaved"), 4));
  CHECK(schedule("interleaved-1f1b", 1) == std::pair(std::string("1f1b"), 1));
  CHECK(schedule("interleaved (tunable N)", std::nullopt) == std::pair(std::string("interleaved"), 2));
  CHECK(schedule("", std::nullopt) == std::pair(std::string("1f1b"), 1));
  CHECK(schedule("zb-1p", 1) == std::pair(std::string("zb-h1"), 1));
  CHECK(schedule("zb-2p", 1) == std::pair(std::string("zb-h2"), 1));
  CHECK(schedule("zb-v", std::nullopt) == std::pair(std::string("zb-v"), 2));
  CHECK(schedule("zb-v", 1) == std::pair(std::string("zb-v"), 2));
  CHECK(schedule("dualpipe", std::nullopt) == std::pair(std::string("dualpipe"), 1));
  CHECK(schedule("breadth-first", 4) == std::pair(std::string("breadth-first"), 4));
  run.schedule = "chimera";
  CHECK(skip_reason(run) == "schedule 'chimera' is not modelled");
  run.pp = 1;
  run.dp = 32;
  run.vpp = 12;
  run.schedule = "interleaved-1f1b";
  CHECK(mapped(run).job.plan.virtual_stages == 1);
}

TEST_CASE("optimizer sharding by its published words") {
  PublishedRun run = complete_run();
  const auto sharding = [&](const std::string& text) {
    run.sharding = text;
    return mapped(run).job.plan.data_parallel_kind;
  };
  CHECK(sharding("zero0 (DDP, no gradient bucketing overlap in config)") == DataParallelKind::ddp);
  CHECK(sharding("zero1 (distributed optimizer)") == DataParallelKind::zero1);
  CHECK(sharding("zero1 (distributed_fused_adam)") == DataParallelKind::zero1);
  CHECK(sharding("zero3 (DeepSpeed)") == DataParallelKind::zero3);
  CHECK(sharding("fsdp_full_shard(zero3)") == DataParallelKind::fsdp);
  CHECK(sharding("fsdp_shard_grad_op(zero2)") == DataParallelKind::zero2);
  CHECK(sharding("fsdp (shard optimizer+grads, weights not resharded after forward)") == DataParallelKind::zero2);
  CHECK(sharding("fsdp+dp") == DataParallelKind::fsdp);
  CHECK(sharding("hsdp") == DataParallelKind::hsdp);
  CHECK(sharding("") == DataParallelKind::zero1);  // NeMo's default
  CHECK(noted(mapped(run), "sharding not published"));
  run.sharding = "fsdp+dp";
  CHECK(noted(mapped(run), "size of the replicated sharding groups not published"));
  run.sharding = "gossip";
  CHECK(skip_reason(run) == "sharding 'gossip' is not modelled");
}

TEST_CASE("recomputation means what its software means by it") {
  PublishedRun run = complete_run();
  run.recompute = "selective";
  run.recompute_detail = "selective (attention) per yaml; with fused/flash attention this is nearly free";
  CHECK(mapped(run).job.plan.recompute == Recompute::selective);
  CHECK(mapped(run).job.plan.recompute_modules == recompute_core_attn);
  run.recompute_detail.clear();
  run.notes = "recompute modules: mla_up_proj,mlp,moe (per NeMo h100 recipe csv)";
  CHECK(mapped(run).job.plan.recompute == Recompute::selective);
  CHECK(mapped(run).job.plan.recompute_modules == (recompute_mla_up_proj | recompute_mlp | recompute_moe));
  run.notes = "recompute modules: mlp, dropout";
  CHECK(skip_reason(run) == "recomputation of module 'dropout' is not modelled");
  run.notes.clear();
  run.software = "torchtitan";
  CHECK_THAT(skip_reason(run), Catch::Contains("is not Megatron's, and the row does not say what it is"));
  run.recompute_detail = "selective: attention";
  CHECK(mapped(run).job.plan.recompute_modules == recompute_core_attn);
  run.recompute_detail = "selective (per-op)";
  CHECK_THAT(skip_reason(run), Catch::Contains("per operator"));
  run.recompute = "full";
  run.recompute_detail = "all layers (full-layer inputs checkpointed)";
  CHECK(mapped(run).job.plan.recompute == Recompute::full);
  run.recompute.clear();
  run.recompute_detail.clear();
  CHECK(mapped(run).job.plan.recompute == Recompute::none);
}

TEST_CASE("part of the layers recompute: a share of all, or a number of each model chunk") {
  PublishedRun run = complete_run();  // 32 layers, pp 4 x vpp 2 = 8 chunks of 4
  const auto layers = [&](const std::string& kind, const std::string& detail) {
    run.recompute = kind;
    run.recompute_detail = detail;
    const Plan plan = mapped(run).job.plan;
    CHECK(plan.recompute == Recompute::full);
    return std::pair(plan.recompute_method, plan.recompute_layers);
  };
  const auto block = [](int n) { return std::pair(RecomputeMethod::block, n); };
  const auto every_layer = std::pair(RecomputeMethod::uniform, 0);
  CHECK(layers("full", "all layers (full-layer inputs checkpointed)") == every_layer);
  CHECK(layers("full", "every layer") == every_layer);
  CHECK(layers("full", "3 layers") == block(3));
  CHECK(layers("full", "activations_checkpoint_num_layers: 2") == block(2));
  CHECK(layers("full", "block, recompute_num_layers=1") == block(1));
  CHECK(layers("full", "uniform, recompute_num_layers 1") == every_layer);
  CHECK(layers("full", "uniform, recompute_num_layers 2") == std::pair(RecomputeMethod::uniform, 2));
  CHECK(layers("full", "16 of 32 layers") == block(2));  // half of 4
  CHECK(layers("full", "32 of 32 layers") == every_layer);
  CHECK(layers("full", "every other layer") == block(2));
  run.software = "torchtitan";
  CHECK(layers("selective", "every 4th layer") == block(1));
  CHECK(layers("selective", "every 2 layers") == block(2));
  CHECK(layers("selective", "5 of 32 layers") == block(1));  // 0.625 of each chunk
  CHECK(noted(mapped(run), "recomputes 0.625 layers of each model chunk: taken as 1"));
}

TEST_CASE("replicated sharding groups are hybrid sharding") {
  PublishedRun run = complete_run();  // dp 8
  run.sharding = "fsdp group 4 x dp 2";
  CHECK(mapped(run).job.plan.data_parallel_kind == DataParallelKind::hsdp);
  CHECK(mapped(run).job.plan.sharding.group == 4);
  run.sharding = "fsdp group 8 x dp 1";
  CHECK(mapped(run).job.plan.data_parallel_kind == DataParallelKind::fsdp);
  CHECK(mapped(run).job.plan.sharding == Sharding{});
  run.sharding = "fsdp group 128 x dp 4";
  CHECK(skip_reason(run) == "sharding groups 128 x 4 do not make up the 8 data-parallel ranks");
}

TEST_CASE("context parallelism by the row's words, else the software's way") {
  PublishedRun run = complete_run();
  const auto kind = [&] { return mapped(run).job.plan.context_parallel_kind; };
  run.notes = "CP = A2A (ulysses-like) ; cross-entropy fusion on";
  CHECK(kind() == ContextParallelKind::ring);  // no context parallelism
  run.cp = 2;
  run.dp = 4;
  CHECK(kind() == ContextParallelKind::ulysses);
  run.notes = "CP: a2a+p2p";
  CHECK(kind() == ContextParallelKind::hierarchical);
  run.notes = "with-CP column; table DP=2";
  CHECK(kind() == ContextParallelKind::ring);
  run.software = "Meta internal";
  CHECK(kind() == ContextParallelKind::all_gather);
}

TEST_CASE("the fp8 recipe is the published one, else delayed scaling") {
  PublishedRun run = complete_run();
  run.precision = "fp8";
  CHECK(mapped(run).job.workload.fp8_recipe == Fp8Recipe::delayed);
  CHECK(noted(mapped(run), "fp8 recipe not published"));
  run.software = "NeMo 24.07 (Megatron-Core + TE, FP8 delayed scaling)";
  CHECK(!noted(mapped(run), "fp8 recipe not published"));
  run.precision = "mxfp8";
  CHECK(mapped(run).job.workload.precision == DataType::fp8);
  CHECK(mapped(run).job.workload.fp8_recipe == Fp8Recipe::mxfp8);
  run.precision = "fp8 (current scaling)";
  CHECK(mapped(run).job.workload.fp8_recipe == Fp8Recipe::current);
}

TEST_CASE("a published capacity factor is set where there are experts") {
  PublishedRun run = complete_run();
  run.notes = "capacity factor 1.25 with padding (token drop), grouped gemm off";
  CHECK(mapped(run).job.plan.routing == ExpertRouting{});
  run.model = "deepseek-v3";
  CHECK(mapped(run).job.plan.routing.capacity_factor == 1.25);
}

TEST_CASE("only stated overlap is set") {
  PublishedRun run = complete_run();
  CHECK(!mapped(run).job.plan.tp_comm_overlap);
  run.comm_overlap = "TP userbuffer overlap, p2p overlap, grad/param overlap";
  Plan plan = mapped(run).job.plan;
  CHECK(plan.tp_comm_overlap == true);
  CHECK(plan.overlap_p2p == true);
  CHECK(plan.overlap_grad_reduce == true);
  CHECK(plan.overlap_param_gather == true);
  CHECK(!plan.grad_reduce_type);
  run.comm_overlap = "grad/param overlap; grad_sync bf16";
  plan = mapped(run).job.plan;
  CHECK(plan.grad_reduce_type == DataType::bf16);
  CHECK(!plan.overlap_p2p);
  run.comm_overlap = "grad-reduce, param-gather, tp-comm-overlap, pp";
  plan = mapped(run).job.plan;
  CHECK(plan.tp_comm_overlap == true);
  CHECK(plan.overlap_p2p == true);
}

TEST_CASE("layers that do not divide fill the middle chunks") {
  PublishedRun run = complete_run();
  run.layers = 34;  // 8 chunks: neither 34 nor 36 divides
  CHECK(mapped(run).job.plan.layers_per_chunk == std::vector<int>{4, 4, 4, 5, 5, 4, 4, 4});
  run.layers = 30;  // 4 * 8 - 2 needs no help
  CHECK(mapped(run).job.plan.layers_per_chunk.empty());
}

TEST_CASE("a batch that does not divide is simulated smaller and scaled") {
  PublishedRun run = complete_run();
  run.global_batch = 140;  // 17 micro-batches of 8 replicas = 136
  const MappedRun scaled = mapped(run);
  CHECK(scaled.job.plan.global_batch_size == 136);
  CHECK(scaled.time_scale == Approx(140.0 / 136.0));
  run.global_batch = 4;
  CHECK(skip_reason(run) == "global batch 4 is smaller than micro-batch 1 x dp 8");
  run.global_batch.reset();
  CHECK(skip_reason(run) == "global batch not published");
  run.grad_accum = 16;
  CHECK(mapped(run).job.plan.global_batch_size == 128);
  run.grad_accum.reset();
  run.step_time.reset();  // a memory row: the pipeline is filled
  CHECK(mapped(run).job.plan.global_batch_size == 32);
}

TEST_CASE("degrees that do not make up the GPUs") {
  PublishedRun run = complete_run();
  run.dp = 2;
  const MappedRun run_with_other_dp = mapped(run);
  CHECK(run_with_other_dp.job.plan.data_parallel == 8);
  CHECK(noted(run_with_other_dp, "published dp 2 does not fit 64 GPUs"));
  run.tp = 3;
  CHECK(skip_reason(run) == "tp x pp x cp = 12 does not divide 64 GPUs");
}

TEST_CASE("offload and precision are taken over, what cannot be expressed is skipped with its reason") {
  PublishedRun run = complete_run();
  run.optimizer_offload = true;
  CHECK(mapped(run).job.plan.optimizer_offload == OffloadTarget::cpu);
  run.notes = "optimizer states on NVMe";
  CHECK(mapped(run).job.plan.optimizer_offload == OffloadTarget::nvme);
  run.optimizer_offload = false;
  run.precision = "nvfp4";
  CHECK(mapped(run).job.workload.precision == DataType::nvfp4);
  run.precision = "mxfp4";
  CHECK(skip_reason(run) == "precision mxfp4 is not modelled");
  run.precision = "fp8 (delayed scaling)";
  CHECK(mapped(run).job.workload.precision == DataType::fp8);
  run.seq_len.reset();
  CHECK(skip_reason(run) == "sequence length not published");
}
