// The words of plan.hpp's enumerations.
#include <array>
#include <utility>

#include "sim/plan/plan.hpp"

namespace trainyard {
namespace {

template <class Enum, std::size_t N>
using Words = std::array<std::pair<Enum, std::string_view>, N>;

// A value's first word is the one it is printed with.
constexpr Words<DataParallelKind, 7> data_parallel_words{{{DataParallelKind::ddp, "ddp"},
                                                          {DataParallelKind::zero1, "zero1"},
                                                          {DataParallelKind::zero1, "distributed_optimizer"},
                                                          {DataParallelKind::zero2, "zero2"},
                                                          {DataParallelKind::zero3, "zero3"},
                                                          {DataParallelKind::fsdp, "fsdp"},
                                                          {DataParallelKind::hsdp, "hsdp"}}};
constexpr Words<Recompute, 3> recompute_words{
    {{Recompute::none, "none"}, {Recompute::selective, "selective"}, {Recompute::full, "full"}}};
constexpr Words<PlacementKind, 6> placement_words{{{PlacementKind::packed, "packed"},
                                                   {PlacementKind::scatter, "scatter"},
                                                   {PlacementKind::rail, "rail"},
                                                   {PlacementKind::explicit_list, "explicit"},
                                                   {PlacementKind::device_list, "devices"},
                                                   {PlacementKind::optimize, "optimize"}}};
constexpr Words<Axis, 5> axis_words{
    {{Axis::tp, "tp"}, {Axis::cp, "cp"}, {Axis::ep, "ep"}, {Axis::dp, "dp"}, {Axis::pp, "pp"}}};
constexpr Words<RecomputeMethod, 2> recompute_method_words{
    {{RecomputeMethod::uniform, "uniform"}, {RecomputeMethod::block, "block"}}};
constexpr Words<ContextParallelKind, 5> context_parallel_words{{{ContextParallelKind::ring, "p2p"},
                                                                {ContextParallelKind::all_gather, "all_gather"},
                                                                {ContextParallelKind::all_gather, "allgather"},
                                                                {ContextParallelKind::ulysses, "a2a"},
                                                                {ContextParallelKind::hierarchical, "a2a+p2p"}}};
constexpr Words<ExpertDispatcher, 4> dispatcher_words{{{ExpertDispatcher::all_to_all, "alltoall"},
                                                       {ExpertDispatcher::all_gather, "allgather"},
                                                       {ExpertDispatcher::deepep, "deepep"},
                                                       {ExpertDispatcher::deepep, "flex"}}};
// "tensorwise" is Transformer Engine's current scaling under Megatron's name.
constexpr Words<Fp8Recipe, 5> fp8_recipe_words{{{Fp8Recipe::delayed, "delayed"},
                                                {Fp8Recipe::current, "tensorwise"},
                                                {Fp8Recipe::current, "current"},
                                                {Fp8Recipe::blockwise, "blockwise"},
                                                {Fp8Recipe::mxfp8, "mxfp8"}}};
constexpr Words<OffloadTarget, 3> offload_words{
    {{OffloadTarget::none, "none"}, {OffloadTarget::cpu, "cpu"}, {OffloadTarget::nvme, "nvme"}}};
constexpr Words<TpOverlapMethod, 3> tp_overlap_method_words{{{TpOverlapMethod::measured, "measured"},
                                                             {TpOverlapMethod::ring_exchange, "ring_exchange"},
                                                             {TpOverlapMethod::pipeline, "pipeline"}}};
constexpr Words<RecomputeModule, 7> recompute_module_words{{{recompute_core_attn, "core_attn"},
                                                            {recompute_layernorm, "layernorm"},
                                                            {recompute_moe_act, "moe_act"},
                                                            {recompute_mla_up_proj, "mla_up_proj"},
                                                            {recompute_mlp, "mlp"},
                                                            {recompute_moe, "moe"},
                                                            {recompute_shared_experts, "shared_experts"}}};

template <class Enum, std::size_t N>
std::string word_of(const Words<Enum, N>& words, Enum value) {
  for (const auto& [candidate, word] : words)
    if (candidate == value) return std::string(word);
  return "?";
}

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const Words<Enum, N>& words, std::string_view text) {
  for (const auto& [value, word] : words)
    if (word == text) return value;
  return std::nullopt;
}

template <class Enum, std::size_t N>
std::vector<std::string> all_words(const Words<Enum, N>& words) {
  std::vector<std::string> all;
  for (const auto& entry : words) all.emplace_back(entry.second);
  return all;
}

}  // namespace

std::string name(DataParallelKind kind) { return word_of(data_parallel_words, kind); }
std::string name(Recompute recompute) { return word_of(recompute_words, recompute); }
std::string name(PlacementKind kind) { return word_of(placement_words, kind); }
std::string name(Axis axis) { return word_of(axis_words, axis); }
std::string name(RecomputeMethod method) { return word_of(recompute_method_words, method); }
std::string name(ContextParallelKind kind) { return word_of(context_parallel_words, kind); }
std::string name(ExpertDispatcher dispatcher) { return word_of(dispatcher_words, dispatcher); }
std::string name(Fp8Recipe recipe) { return word_of(fp8_recipe_words, recipe); }
std::string name(OffloadTarget target) { return word_of(offload_words, target); }
std::string name(TpOverlapMethod method) { return word_of(tp_overlap_method_words, method); }
std::string name(RecomputeModule module) { return word_of(recompute_module_words, module); }

std::optional<DataParallelKind> data_parallel_from(std::string_view text) {
  return value_of(data_parallel_words, text);
}
std::optional<Recompute> recompute_from(std::string_view text) { return value_of(recompute_words, text); }
std::optional<PlacementKind> placement_from(std::string_view text) { return value_of(placement_words, text); }
std::optional<Axis> axis_from(std::string_view text) { return value_of(axis_words, text); }
std::optional<RecomputeMethod> recompute_method_from(std::string_view text) {
  return value_of(recompute_method_words, text);
}
std::optional<ContextParallelKind> context_parallel_from(std::string_view text) {
  return value_of(context_parallel_words, text);
}
std::optional<ExpertDispatcher> dispatcher_from(std::string_view text) { return value_of(dispatcher_words, text); }
std::optional<Fp8Recipe> fp8_recipe_from(std::string_view text) { return value_of(fp8_recipe_words, text); }
std::optional<OffloadTarget> offload_from(std::string_view text) { return value_of(offload_words, text); }
std::optional<TpOverlapMethod> tp_overlap_method_from(std::string_view text) {
  return value_of(tp_overlap_method_words, text);
}
std::optional<RecomputeModule> recompute_module_from(std::string_view text) {
  return value_of(recompute_module_words, text);
}

std::vector<std::string> data_parallel_names() { return all_words(data_parallel_words); }
std::vector<std::string> recompute_names() { return all_words(recompute_words); }
std::vector<std::string> placement_names() { return all_words(placement_words); }
std::vector<std::string> recompute_method_names() { return all_words(recompute_method_words); }
std::vector<std::string> context_parallel_names() { return all_words(context_parallel_words); }
std::vector<std::string> dispatcher_names() { return all_words(dispatcher_words); }
std::vector<std::string> fp8_recipe_names() { return all_words(fp8_recipe_words); }
std::vector<std::string> offload_names() { return all_words(offload_words); }
std::vector<std::string> tp_overlap_method_names() { return all_words(tp_overlap_method_words); }
std::vector<std::string> recompute_module_names() { return all_words(recompute_module_words); }

}  // namespace trainyard
