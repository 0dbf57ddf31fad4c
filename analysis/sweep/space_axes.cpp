#include "analysis/sweep/space_axes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace trainyard {
namespace {

// Layers of the fullest model chunk; rounded up where the split is not known before the pipeline's ends are.
std::int64_t layers_of_chunk(const Plan& plan, std::int64_t layers) {
  const std::vector<int>& given = plan.layers_per_chunk;
  if (!given.empty()) return *std::max_element(given.begin(), given.end());
  const std::int64_t chunks = std::int64_t{plan.pipeline_parallel} * plan.virtual_stages;
  return (layers + chunks - 1) / chunks;
}

struct RecomputeWord {
  std::string_view word;
  Recompute kind = Recompute::none;
  int quarters = 0;  // of a chunk's layers, recomputed block by block; 0 = all of them, each by itself
};
constexpr std::array<RecomputeWord, 6> recompute_rows = {{{"none", Recompute::none, 0},
                                                          {"selective", Recompute::selective, 0},
                                                          {"full", Recompute::full, 0},
                                                          {"block-1/4", Recompute::full, 1},
                                                          {"block-1/2", Recompute::full, 2},
                                                          {"block-3/4", Recompute::full, 3}}};

void recompute_quarters(Plan& plan, int quarters, std::int64_t layers) {
  plan.recompute_method = RecomputeMethod::block;
  plan.recompute_layers = static_cast<int>(layers_of_chunk(plan, layers) * quarters / 4);
}

bool one_data_parallel_rank(const Plan& plan) { return plan.data_parallel == 1 && plan.context_parallel == 1; }

bool is_replicated(const Plan& plan) {
  return plan.data_parallel_kind == DataParallelKind::ddp || plan.data_parallel_kind == DataParallelKind::zero1 ||
         plan.data_parallel_kind == DataParallelKind::zero2;
}

// ddp, zero1 and zero2 are the same where no other rank shares the states, unless a setting is legal under one of them
// alone.
bool is_alone_and_plain(const Plan& plan) {
  const bool needs_sharding = plan.fp8_param_gather || plan.sharding.group > 0 || plan.sharding.replicas > 1;
  return one_data_parallel_rank(plan) && !needs_sharding;
}

Plan with(const AxisChoice& choice, Plan plan) {
  choice.apply(plan);
  return plan;
}

template <class Change>
AxisChoice choice(std::string text, Change change) {
  return {std::move(text), change};
}

SweepAxis switch_axis(std::string key, bool first, std::optional<bool> Plan::*field) {
  SweepAxis axis{std::move(key), {}};
  for (const bool on : {first, !first})
    axis.values.push_back(choice(on ? "true" : "false", [on, field](Plan& p) { p.*field = on; }));
  return axis;
}

SweepAxis sequence_parallel_axis() {
  SweepAxis axis{"sequence_parallel", {}};
  for (const bool on : {false, true})
    axis.values.push_back(choice(on ? "true" : "false", [on](Plan& p) { p.sequence_parallel = on; }));
  return axis;
}

SweepAxis recompute_axis(const Job& job) {
  SweepAxis axis{"recompute", {}};
  for (const RecomputeWord& row : recompute_rows) axis.values.push_back(*recompute_choice(row.word, job));
  return axis;
}

SweepAxis data_parallel_axis() {
  SweepAxis axis{"data_parallel", {}};
  for (const DataParallelKind kind :
       {DataParallelKind::ddp, DataParallelKind::zero1, DataParallelKind::zero2, DataParallelKind::fsdp})
    axis.values.push_back(choice(name(kind), [kind](Plan& p) { p.data_parallel_kind = kind; }));
  // Neither Megatron-LM (FSDP) nor DeepSpeed (ZeRO-2 and 3) pipelines a model whose gradients every micro-batch
  // reduces.
  for (AxisChoice& c : axis.values)
    if (c.text == "zero2" || c.text == "fsdp") c.repeats = [](const Plan& p) { return p.pipeline_parallel > 1; };
  return axis;
}

// Where tensor parallelism is off there is nothing to keep in sequence slices.
void mark_sequence_parallel(SweepAxis& axis) {
  const bool both = axis.values.size() > 1;
  for (AxisChoice& c : axis.values)
    if (both && with(c, {}).sequence_parallel) c.repeats = [](const Plan& p) { return p.tensor_parallel == 1; };
}

int quarters_of(const std::string& word) {
  for (const RecomputeWord& row : recompute_rows)
    if (row.word == word) return row.quarters;
  return 0;
}

// Chunks of few layers have less than three parts.
void mark_recompute(SweepAxis& axis, const Job& job) {
  std::vector<int> earlier;
  for (AxisChoice& c : axis.values) {
    const int quarters = quarters_of(c.text);
    if (quarters == 0) continue;
    c.repeats = [quarters, earlier, layers = job.model.layers](const Plan& p) {
      const std::int64_t most = layers_of_chunk(p, layers), recomputed = most * quarters / 4;
      return recomputed == 0 ||
             std::any_of(earlier.begin(), earlier.end(), [&](int other) { return most * other / 4 == recomputed; });
    };
    earlier.push_back(quarters);
  }
}

void mark_data_parallel(SweepAxis& axis) {
  bool seen = false;
  for (AxisChoice& c : axis.values) {
    if (!is_replicated(with(c, {}))) continue;
    if (std::exchange(seen, true))
      c.repeats = [left_out = c.repeats](const Plan& p) { return is_alone_and_plain(p) || (left_out && left_out(p)); };
  }
}

template <class Idle>
void mark_switch(SweepAxis& axis, Idle idle) {
  for (std::size_t i = 1; i < axis.values.size(); ++i) axis.values[i].repeats = idle;
}

}  // namespace

std::vector<std::string> recompute_words() {
  std::vector<std::string> words;
  for (const RecomputeWord& row : recompute_rows) words.emplace_back(row.word);
  return words;
}

std::optional<AxisChoice> recompute_choice(std::string_view word, const Job& job) {
  for (const RecomputeWord& row : recompute_rows)
    if (row.word == word)
      return choice(std::string(word), [row, layers = job.model.layers](Plan& p) {
        p.recompute = row.kind;
        p.recompute_method = RecomputeMethod::uniform;
        p.recompute_layers = 0;
        if (row.kind != Recompute::selective) p.recompute_modules = Plan{}.recompute_modules;
        if (row.quarters > 0) recompute_quarters(p, row.quarters, layers);
      });
  return std::nullopt;
}

std::vector<SweepAxis> automatic_axes(const Job& job) {
  return {sequence_parallel_axis(), recompute_axis(job), data_parallel_axis(),
          switch_axis("overlap_grad_reduce", true, &Plan::overlap_grad_reduce),
          switch_axis("overlap_param_gather", true, &Plan::overlap_param_gather)};
}

void mark_repeats(SweepAxis& axis, const Job& job) {
  const bool experts = job.model.moe.has_value();
  const auto no_exchange = [experts](const Plan& p) { return !experts && one_data_parallel_rank(p); };
  if (axis.key == "sequence_parallel") mark_sequence_parallel(axis);
  if (axis.key == "recompute") mark_recompute(axis, job);
  if (!experts && (axis.key == "data_parallel" || axis.key == "use_distributed_optimizer")) mark_data_parallel(axis);
  if (axis.key == "overlap_grad_reduce") mark_switch(axis, no_exchange);
  if (axis.key == "overlap_param_gather")
    mark_switch(
        axis, [no_exchange](const Plan& p) { return no_exchange(p) || p.data_parallel_kind == DataParallelKind::ddp; });
}

std::vector<std::string> automatic_rank_orders() { return {Plan{}.rank_order, "tp-cp-ep-pp-dp"}; }

std::vector<std::string> all_rank_orders(const Job& job) {
  const std::vector<Axis> usual = axes_of(Plan{}.rank_order).value();
  std::array<std::size_t, 5> positions = {0, 1, 2, 3, 4};
  std::vector<std::string> orders;
  do {
    std::vector<std::string> words;
    for (const std::size_t at : positions) words.push_back(name(usual[at]));
    const auto cp = std::find(words.begin(), words.end(), name(Axis::cp));
    const bool ep_behind_cp = cp + 1 != words.end() && *(cp + 1) == name(Axis::ep);
    if (job.model.moe || ep_behind_cp) orders.push_back(fmt::format("{}", fmt::join(words, "-")));
  } while (std::next_permutation(positions.begin(), positions.end()));
  return orders;
}

std::vector<Plan> automatic_placements(const Job& job) {
  std::vector<Plan> placements;
  for (const PlacementKind kind : {PlacementKind::packed, PlacementKind::scatter, PlacementKind::rail}) {
    Plan placed;
    placed.placement = kind;
    placements.push_back(std::move(placed));
    if (job.cluster.nodes == 1) break;
  }
  return placements;
}

}  // namespace trainyard
