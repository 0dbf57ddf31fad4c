// The flags of megatron_reader.hpp for context and expert parallelism, sharding, recomputation and offloading.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/plan/megatron_reader.hpp"

namespace trainyard {

// Megatron-LM takes one --cp-comm-type for all layers or one for each.
void MegatronReader::read_context_parallel() {
  Plan& plan = import_.plan;
  if (const auto kinds = flags_.words("--cp-comm-type")) {
    const std::optional<ContextParallelKind> kind = context_parallel_from(kinds->front());
    if (!kind)
      flags_.fail("--cp-comm-type", fmt::format("--cp-comm-type cannot be '{}'", kinds->front()),
                  fmt::format("one of {}", fmt::join(context_parallel_names(), ", ")));
    plan.context_parallel_kind = *kind;
    if (std::any_of(kinds->begin(), kinds->end(), [&](const std::string& word) { return word != kinds->front(); }))
      not_understood(
          fmt::format("--cp-comm-type {}: {} is taken for every layer", fmt::join(*kinds, " "), kinds->front()));
  }
  const auto sizes = flags_.words("--hierarchical-context-parallel-sizes");
  if (!sizes || plan.context_parallel_kind != ContextParallelKind::hierarchical) return;
  std::int64_t product = 1;
  std::vector<int> numbers;
  for (const std::string& text : *sizes) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < 1) product = 0;
    numbers.push_back(number);
    if (__builtin_mul_overflow(product, std::int64_t{number}, &product)) product = 0;
  }
  if (numbers.size() != 2 || product != plan.context_parallel)
    flags_.fail("--hierarchical-context-parallel-sizes",
                fmt::format("--hierarchical-context-parallel-sizes '{}' are not two sizes that multiply to "
                            "--context-parallel-size {}",
                            fmt::join(*sizes, " "), plan.context_parallel),
                "all-to-all ranks first");
  plan.context_parallel_inner = numbers.front();
}

void MegatronReader::read_dispatcher() {
  Plan& plan = import_.plan;
  const auto type = flags_.choice("--moe-token-dispatcher-type", {"allgather", "alltoall", "flex", "alltoall_seq"});
  const bool deepep = flags_.given("--moe-enable-deepep");
  if (!import_.model.moe) return;
  plan.dispatcher = ExpertDispatcher::all_gather;
  if (!type && !deepep) defaulted("--moe-token-dispatcher-type: allgather");
  if (type == "alltoall" || type == "alltoall_seq") plan.dispatcher = ExpertDispatcher::all_to_all;
  if (type == "flex" || deepep) plan.dispatcher = ExpertDispatcher::deepep;
}

void MegatronReader::read_expert_parallel() {
  Plan& plan = import_.plan;
  read_dispatcher();
  // Padding to the capacity and dropping beyond it give every expert the same number of tokens here.
  if (const auto factor = flags_.number("--moe-expert-capacity-factor")) plan.routing.capacity_factor = *factor;
  flags_.given("--moe-pad-expert-input-to-capacity");
  flags_.choice("--moe-token-drop-policy", {"probs", "position"});
  plan.shared_expert_overlap = flags_.given("--moe-shared-expert-overlap");
  plan.overlap_expert_parallel = flags_.given("--overlap-moe-expert-parallel-comm");
  const bool grouped = flags_.given("--moe-grouped-gemm");
  if (import_.model.moe && !grouped)
    not_understood("no --moe-grouped-gemm: the experts of a rank are computed as one grouped GEMM here");
}

void MegatronReader::read_data_parallel() {
  DataParallelKind& kind = import_.plan.data_parallel_kind;
  const bool distributed_optimizer = flags_.given("--use-distributed-optimizer");
  if (distributed_optimizer) kind = DataParallelKind::zero1;
  const std::optional<std::string> strategy =
      flags_.choice("--data-parallel-sharding-strategy", {"no_shard", "optim", "optim_grads", "optim_grads_params"});
  const bool former_name = flags_.given("--use-custom-fsdp");
  const bool megatron_fsdp = flags_.given("--use-megatron-fsdp") || former_name;
  if (megatron_fsdp) {
    const std::string shards = strategy.value_or("no_shard");
    if (!strategy) defaulted("--data-parallel-sharding-strategy: no_shard");
    kind = shards == "optim_grads_params" ? DataParallelKind::zero3
           : shards == "optim_grads"      ? DataParallelKind::zero2
           : shards == "optim"            ? DataParallelKind::zero1
                                          : DataParallelKind::ddp;
  }
  if (flags_.given("--use-torch-fsdp2")) kind = DataParallelKind::fsdp;
  const auto instances = flags_.integer("--num-distributed-optimizer-instances", 1, largest_megatron_size);
  if (!instances || *instances == 1) return;
  import_.plan.sharding.replicas = static_cast<int>(*instances);
  if (kind == DataParallelKind::zero3) kind = DataParallelKind::hsdp;
}

std::uint32_t MegatronReader::recompute_modules_given() {
  const auto words = flags_.words("--recompute-modules");
  if (!words) return recompute_core_attn;
  std::uint32_t modules = 0;
  for (const std::string& word : *words) {
    const std::optional<RecomputeModule> module = recompute_module_from(word);
    if (!module)
      flags_.fail("--recompute-modules", fmt::format("--recompute-modules cannot be '{}'", word),
                  fmt::format("one of {}", fmt::join(recompute_module_names(), ", ")));
    modules |= *module;
  }
  return modules;
}

void MegatronReader::read_recompute() {
  Plan& plan = import_.plan;
  if (flags_.given("--recompute-activations")) plan.recompute = Recompute::selective;
  if (const auto granularity = flags_.choice("--recompute-granularity", {"full", "selective"}))
    plan.recompute = *recompute_from(*granularity);
  const auto method = flags_.choice("--recompute-method", {"uniform", "block"});
  const auto layers = flags_.integer("--recompute-num-layers", 1, max_model_layers);
  const std::uint32_t modules = recompute_modules_given();
  if (plan.recompute == Recompute::selective) plan.recompute_modules = modules;
  if (plan.recompute != Recompute::full) return;
  if (!method)
    flags_.fail("--recompute-granularity", "--recompute-granularity full needs --recompute-method",
                "uniform with --recompute-num-layers 1 recomputes every layer");
  plan.recompute_method = *recompute_method_from(*method);
  plan.recompute_layers = static_cast<int>(layers.value_or(1));
  const bool every_layer = plan.recompute_method == RecomputeMethod::uniform && plan.recompute_layers == 1;
  if (every_layer) plan.recompute_layers = 0;
}

void MegatronReader::read_offload() {
  Plan& plan = import_.plan;
  if (flags_.given("--optimizer-cpu-offload")) plan.optimizer_offload = OffloadTarget::cpu;
  if (const auto fraction = flags_.number("--optimizer-offload-fraction")) {
    if (*fraction > 1)
      flags_.fail("--optimizer-offload-fraction",
                  fmt::format("--optimizer-offload-fraction is {}, outside 0 to 1", *fraction));
    if (*fraction == 0) plan.optimizer_offload = OffloadTarget::none;
    if (plan.optimizer_offload == OffloadTarget::cpu) plan.optimizer_offload_fraction = *fraction;
  }
  set("--cpu-offloading-num-layers", plan.activation_offload_layers, 0, max_model_layers);
}

}  // namespace trainyard
