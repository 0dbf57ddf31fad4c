#include "sim/plan/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace trainyard {
namespace {

template <class Enum, std::size_t N>
using Words = std::array<std::pair<Enum, std::string_view>, N>;

constexpr Words<ScheduleKind, 7> schedule_words{{{ScheduleKind::gpipe, "gpipe"},
                                                 {ScheduleKind::one_f_one_b, "1f1b"},
                                                 {ScheduleKind::interleaved, "interleaved"},
                                                 {ScheduleKind::zb_h1, "zb-h1"},
                                                 {ScheduleKind::zb_h2, "zb-h2"},
                                                 {ScheduleKind::zb_v, "zb-v"},
                                                 {ScheduleKind::dualpipe, "dualpipe"}}};
// A kind's first word is the one it is printed with.
constexpr Words<DataParallelKind, 7> data_parallel_words{{{DataParallelKind::ddp, "ddp"},
                                                          {DataParallelKind::zero1, "zero1"},
                                                          {DataParallelKind::zero1, "distributed_optimizer"},
                                                          {DataParallelKind::zero2, "zero2"},
                                                          {DataParallelKind::zero3, "zero3"},
                                                          {DataParallelKind::fsdp, "fsdp"},
                                                          {DataParallelKind::hsdp, "hsdp"}}};
constexpr Words<Recompute, 3> recompute_words{
    {{Recompute::none, "none"}, {Recompute::selective, "selective"}, {Recompute::full, "full"}}};
constexpr Words<PlacementKind, 4> placement_words{{{PlacementKind::packed, "packed"},
                                                   {PlacementKind::scatter, "scatter"},
                                                   {PlacementKind::rail, "rail"},
                                                   {PlacementKind::explicit_list, "explicit"}}};
constexpr Words<Axis, 5> axis_words{
    {{Axis::tp, "tp"}, {Axis::cp, "cp"}, {Axis::ep, "ep"}, {Axis::dp, "dp"}, {Axis::pp, "pp"}}};

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

std::string switch_text(std::optional<bool> on) { return !on ? "default" : *on ? "on" : "off"; }

}  // namespace

std::string name(ScheduleKind kind) { return word_of(schedule_words, kind); }
std::string name(DataParallelKind kind) { return word_of(data_parallel_words, kind); }
std::string name(Recompute recompute) { return word_of(recompute_words, recompute); }
std::string name(PlacementKind kind) { return word_of(placement_words, kind); }
std::string name(Axis axis) { return word_of(axis_words, axis); }

std::optional<ScheduleKind> schedule_from(std::string_view text) { return value_of(schedule_words, text); }
std::optional<DataParallelKind> data_parallel_from(std::string_view text) {
  return value_of(data_parallel_words, text);
}
std::optional<Recompute> recompute_from(std::string_view text) { return value_of(recompute_words, text); }
std::optional<PlacementKind> placement_from(std::string_view text) { return value_of(placement_words, text); }
std::optional<Axis> axis_from(std::string_view text) { return value_of(axis_words, text); }

std::vector<std::string> schedule_names() { return all_words(schedule_words); }
std::vector<std::string> data_parallel_names() { return all_words(data_parallel_words); }
std::vector<std::string> recompute_names() { return all_words(recompute_words); }
std::vector<std::string> placement_names() { return all_words(placement_words); }

std::optional<std::vector<Axis>> axes_of(std::string_view rank_order) {
  std::vector<Axis> axes;
  for (std::string_view rest = rank_order;;) {
    const std::size_t dash = rest.find('-');
    const std::optional<Axis> axis = axis_from(rest.substr(0, dash));
    if (!axis || std::find(axes.begin(), axes.end(), *axis) != axes.end()) return std::nullopt;
    axes.push_back(*axis);
    if (dash == std::string_view::npos) break;
    rest.remove_prefix(dash + 1);
  }
  const bool has_ep = std::find(axes.begin(), axes.end(), Axis::ep) != axes.end();
  if (axes.size() != (has_ep ? 5U : 4U)) return std::nullopt;
  return axes;
}

std::string canonical_key(const Plan& plan) {
  std::string key = fmt::format(
      "tp={} pp={} vpp={} dp={} cp={} ep={} etp={} mbs={} gbs={} sp={} schedule={} data_parallel={} recompute={} "
      "order={} placement={}",
      plan.tensor_parallel, plan.pipeline_parallel, plan.virtual_stages, plan.data_parallel, plan.context_parallel,
      plan.expert_parallel, plan.expert_tensor_parallel, plan.micro_batch_size, plan.global_batch_size,
      plan.sequence_parallel ? "on" : "off", name(plan.schedule), name(plan.data_parallel_kind), name(plan.recompute),
      plan.rank_order, name(plan.placement));
  for (const std::vector<int>& node : plan.explicit_placement) key += fmt::format("[{}]", fmt::join(node, ","));
  key += fmt::format(" layers=[{}]", fmt::join(plan.layers_per_chunk, ","));
  key += fmt::format(" overlap_grad_reduce={} overlap_param_gather={} overlap_p2p={} tp_comm_overlap={}",
                     switch_text(plan.overlap_grad_reduce), switch_text(plan.overlap_param_gather),
                     switch_text(plan.overlap_p2p), switch_text(plan.tp_comm_overlap));
  key += fmt::format(" grad_reduce={}", plan.grad_reduce_type ? name(*plan.grad_reduce_type) : "default");
  return key;
}

}  // namespace trainyard
