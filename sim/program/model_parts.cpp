#include "sim/program/model_parts.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "models/parameter_count.hpp"

namespace trainyard {
namespace {

constexpr double activation_bytes = 2.0;  // 16-bit pipeline messages

Bytes whole(Bytes b) { return Bytes(std::ceil(b.value)); }

// What distinguishes the layers of a model on one rank.
struct LayerKind {
  bool moe = false;
  bool recomputed = false;
  friend auto operator<=>(const LayerKind&, const LayerKind&) = default;
};

class ModelBuilder {
 public:
  ModelBuilder(const StepInputs& in, const ScheduleRow& schedule)
      : in_(in),
        plan_(*in.plan),
        model_(*in.model),
        stack_(*in.stack),
        schedule_(schedule),
        slice_(rank_slice(in)),
        split_(schedule.splits_backward) {}

  StepModel build() {
    m_.chunks_per_stage = schedule_.chunks(plan_.virtual_stages);
    add_gather_input();
    const PipelineShape shape{plan_.pipeline_parallel, m_.chunks_per_stage, 1, 0, false};
    for (int stage = 0; stage < shape.stages; ++stage)
      for (int c = 0; c < shape.chunks; ++c) m_.chunks.push_back(chunk(schedule_.place(shape, stage, c)));
    return std::move(m_);
  }

 private:
  int segment(Segment s, const MemoryEffect& effect) {
    m_.empty.push_back(s.steps.empty());
    m_.segments.push_back(std::move(s));
    m_.segment_memory.push_back(effect);
    return static_cast<int>(m_.segments.size()) - 1;
  }

  void add_gather_input() {
    if (!gathers_pipeline_input(in_)) return;
    Segment s{"gather pipeline input", {}, Phase::forward, 0, 0, false};
    LayerCollective gather;
    gather.kind = CollectiveKind::all_gather;
    gather.bytes = Bytes(activation_bytes * static_cast<double>(slice_.tokens() * model_.hidden));
    s.steps.push_back({gather, -1, false});
    m_.gather_input = segment(std::move(s), {});
  }

  struct PartMemory {
    Bytes saved{}, store{}, working{};
  };
  // Registers the segments of a part from its forward and its fused backward.
  int part(ModelPart p, LayerSteps forward, LayerSteps backward, const PartMemory& memory, int host_layers,
           bool recomputes) {
    const auto at = [](Pass pass) { return static_cast<std::size_t>(pass); };
    const bool moe = p.expert_parameters > 0;
    p.saved = whole(memory.saved);
    const Bytes store = whole(memory.store), working = whole(memory.working);
    p.memory[at(Pass::forward)] = {p.saved, Bytes(0), Bytes(0)};
    p.memory[at(Pass::backward)] = {Bytes(0), working, -p.saved};
    p.memory[at(Pass::backward_input)] = {Bytes(0), working, store - p.saved};
    p.memory[at(Pass::backward_weight)] = {Bytes(0), Bytes(0), -store};
    const auto add = [&](Pass pass, const char* suffix, LayerSteps steps, int hosts, int syncs, bool again) {
      p.segment[at(pass)] =
          segment({p.name + suffix, std::move(steps), phase_of(pass), hosts, syncs, again, p.layer}, p.memory[at(pass)]);
    };
    add(Pass::forward, " forward", std::move(forward), host_layers, moe ? 1 : 0, false);
    const int backward_syncs = moe && recomputes ? 1 : 0;
    if (split_) {
      add(Pass::backward_input, " input gradient", input_gradient_steps(backward), host_layers, backward_syncs,
          recomputes);
      add(Pass::backward_weight, " weight gradient", weight_gradient_steps(backward), 0, 0, false);
    }
    add(Pass::backward, " backward", std::move(backward), host_layers, backward_syncs, recomputes);
    m_.parts.push_back(std::move(p));
    return static_cast<int>(m_.parts.size()) - 1;
  }

  int layer(const LayerKind& kind) {
    const auto known = layers_.find(kind);
    if (known != layers_.end()) return known->second;
    LayerRecompute recompute = layer_recompute(plan_);
    if (recompute.kind == Recompute::full && !kind.recomputed) recompute.kind = Recompute::none;
    ModelPart p;
    p.name = kind.moe ? "MoE layer" : "layer";
    if (recompute.kind == Recompute::full && plan_.recompute_method == RecomputeMethod::block &&
        plan_.recompute_layers > 0)
      p.name = "recomputed " + p.name;
    p.layer = true;
    const LayerParameters parameters =
        layer_parameters(model_, kind.moe, plan_.tensor_parallel, plan_.expert_parallel, in_.expert_tensor_parallel());
    p.dense_parameters = static_cast<double>(parameters.dense());
    p.expert_parameters = static_cast<double>(parameters.routed_experts);
    p.replicated_parameters = static_cast<double>(parameters.replicated);
    const int index = part(std::move(p), layer_forward(model_, kind.moe, slice_, stack_),
                           layer_backward(model_, kind.moe, slice_, stack_, recompute), layer_memory(kind, recompute),
                           1, recompute.kind == Recompute::full);
    layers_.emplace(kind, index);
    return index;
  }

  // Checkpoints `unit` layers apart: one input per unit is kept, the whole unit is alive while it recomputes.
  PartMemory layer_memory(const LayerKind& kind, const LayerRecompute& recompute) const {
    PartMemory memory{layer_activations(model_, kind.moe, slice_, stack_, recompute),
                      split_ ? weight_gradient_store(model_, kind.moe, slice_, stack_) : Bytes(0),
                      backward_working_set(model_, kind.moe, slice_, stack_, recompute)};
    const int longest = *std::max_element(plan_.layers_per_chunk.begin(), plan_.layers_per_chunk.end());
    const int unit = plan_.recompute_method == RecomputeMethod::uniform
                         ? std::clamp(plan_.recompute_layers, 1, std::max(1, longest))
                         : 1;
    if (recompute.kind == Recompute::full && unit > 1) {
      memory.saved = memory.saved / static_cast<double>(unit);
      memory.working += (unit - 1) * layer_activations(model_, kind.moe, slice_, stack_, {Recompute::none, 0});
    }
    return memory;
  }

  double vocabulary() const { return static_cast<double>(vocabulary_parameters(model_, plan_.tensor_parallel)); }

  int embedding() {
    if (embedding_ >= 0) return embedding_;
    ModelPart p;
    p.name = "embedding";
    p.dense_parameters = vocabulary() + static_cast<double>(position_parameters(model_));
    return embedding_ = part(std::move(p), embedding_forward(model_, slice_, stack_),
                             embedding_backward(model_, slice_, stack_), {}, 0, false);
  }
  // One stage, or a V.
  bool ends_on_first_stage() const {
    const PipelineShape shape{plan_.pipeline_parallel, m_.chunks_per_stage, 1, 0, false};
    return schedule_.copies == 1 && schedule_.place(shape, 0, shape.chunks - 1).model_stage == model_stages() - 1;
  }
  // A tied head on another stage than the embedding is a copy of its own.
  int head(bool with_parameters) {
    int& made = head_[with_parameters ? 1 : 0];
    if (made >= 0) return made;
    ModelPart p;
    p.name = with_parameters ? "head" : "prediction head";
    const bool shared = model_.tied_embeddings && ends_on_first_stage();
    if (with_parameters)
      p.dense_parameters = static_cast<double>(final_norm_parameters(model_)) + (shared ? 0.0 : vocabulary());
    const Bytes saved = head_activations(model_, slice_, stack_);
    return made = part(std::move(p), head_forward(model_, slice_, stack_), head_backward(model_, slice_, stack_),
                       {saved, Bytes(0), Bytes(0)}, 0, false);
  }
  int prediction(bool first) {
    int& made = prediction_[first ? 1 : 0];
    if (made >= 0) return made;
    ModelPart p;
    p.name = "prediction projection";
    const bool moe = is_moe_layer(model_, model_.layers - 1);
    const int t = plan_.tensor_parallel, ep = plan_.expert_parallel, etp = in_.expert_tensor_parallel();
    p.dense_parameters = static_cast<double>(mtp_module_parameters(model_, t, ep, etp).dense() -
                                             layer_parameters(model_, moe, t, ep, etp).dense());
    // Its input embedding is a copy of the first stage's.
    if (first && plan_.pipeline_parallel > 1) p.dense_parameters += vocabulary();
    return made = part(std::move(p), prediction_forward(model_, slice_, stack_),
                       prediction_backward(model_, slice_, stack_),
                       {prediction_activations(model_, slice_, stack_), Bytes(0), Bytes(0)}, 0, false);
  }

  int model_stages() const { return plan_.pipeline_parallel * plan_.virtual_stages; }

  ModelChunk chunk(const ChunkPlace& place) {
    ModelChunk c;
    c.place = place;
    c.first = place.model_stage == 0;
    c.last = place.model_stage == model_stages() - 1;
    if (c.first) append(c, embedding(), 1);
    add_layers(c);
    const int predictions = plan_.prediction_chunk < 0 ? model_stages() - 1 : plan_.prediction_chunk;
    if (place.model_stage == predictions) add_predictions(c);
    if (c.last) append(c, head(true), 1);
    fill_buckets(c);
    return c;
  }

  static void append(std::vector<PartUse>& run, int index, int count) {
    if (!run.empty() && run.back().part == index)
      run.back().count += count;
    else
      run.push_back({index, count});
  }
  void append(ModelChunk& c, int index, int count) {
    append(c.parts, index, count);
    const ModelPart& p = m_.parts[static_cast<std::size_t>(index)];
    c.dense_parameters += count * p.dense_parameters;
    c.expert_parameters += count * p.expert_parameters;
    if (p.layer) c.layers += count;
  }

  void add_layers(ModelChunk& c) {
    const auto at = static_cast<std::size_t>(c.place.model_stage);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < at; ++i) first += plan_.layers_per_chunk[i];
    const int count = plan_.layers_per_chunk[at];
    const bool block = plan_.recompute_method == RecomputeMethod::block && plan_.recompute_layers > 0;
    const int recomputed = block ? std::min(count, plan_.recompute_layers) : count;
    for (int i = 0; i < count; ++i)
      append(c, layer({model_.moe && is_moe_layer(model_, first + i), i < recomputed}), 1);
  }

  void add_predictions(ModelChunk& c) {
    for (std::int64_t i = 0; i < model_.multi_token_prediction_layers; ++i) {
      append(c, prediction(i == 0), 1);
      append(c, layer({model_.moe && is_moe_layer(model_, model_.layers - 1), true}), 1);
      append(c, head(false), 1);
    }
  }

  // A bucket closes with the part that fills it.
  void fill_buckets(ModelChunk& c) {
    const auto limit = [&](int ranks) {
      const auto given = static_cast<double>(plan_.sharding.reduce_bucket);
      return given > 0 ? given : bucket_parameters(ranks);
    };
    const double dense_limit = limit(in_.gradient_ranks());
    const double expert_limit = model_.moe ? limit(in_.expert_replicas()) : 0;
    GradientBucket bucket;
    for (auto use = c.parts.rbegin(); use != c.parts.rend(); ++use)
      for (int i = 0; i < use->count; ++i) {
        const ModelPart& p = m_.parts[static_cast<std::size_t>(use->part)];
        append(bucket.parts, use->part, 1);
        bucket.dense_parameters += p.dense_parameters;
        bucket.expert_parameters += p.expert_parameters;
        if (bucket.dense_parameters < dense_limit && (expert_limit == 0 || bucket.expert_parameters < expert_limit))
          continue;
        c.buckets.push_back(std::exchange(bucket, {}));
      }
    if (!bucket.parts.empty()) c.buckets.push_back(std::move(bucket));
  }

  const StepInputs& in_;
  const Plan& plan_;
  const ModelShape& model_;
  const StackProfile& stack_;
  const ScheduleRow& schedule_;
  RankSlice slice_;
  bool split_;
  StepModel m_;
  std::map<LayerKind, int> layers_;
  int embedding_ = -1;
  std::array<int, 2> head_{-1, -1};
  std::array<int, 2> prediction_{-1, -1};
};

}  // namespace

std::vector<PartUse> reversed(std::vector<PartUse> run) {
  std::reverse(run.begin(), run.end());
  return run;
}

std::vector<SegmentUse> StepModel::uses(const std::vector<PartUse>& run, Pass pass) const {
  std::vector<SegmentUse> segments_used;
  segments_used.reserve(run.size() + 1);
  for (const PartUse& use : run) {
    const int s = parts[static_cast<std::size_t>(use.part)].segment[static_cast<std::size_t>(pass)];
    if (!empty[static_cast<std::size_t>(s)]) segments_used.push_back({s, use.count});
  }
  return segments_used;
}

MemoryEffect StepModel::memory(const std::vector<PartUse>& run, Pass pass) const {
  MemoryEffect sum;
  for (const PartUse& use : run) {
    const MemoryEffect& one = parts[static_cast<std::size_t>(use.part)].memory[static_cast<std::size_t>(pass)];
    // What ran before has been freed already, or holds what its weight gradients need.
    const Bytes before_last = std::max(Bytes(0), (use.count - 1) * one.at_end);
    sum.temporary = std::max(sum.temporary, one.temporary + sum.at_end + before_last);
    sum.at_start += use.count * one.at_start;
    sum.at_end += use.count * one.at_end;
  }
  return sum;
}

StepModel step_model(const StepInputs& inputs, const ScheduleRow& schedule) {
  return ModelBuilder(inputs, schedule).build();
}

bool gathers_pipeline_input(const StepInputs& in) {
  return in.stack->p2p_scatter_gather && !in.plan->sequence_parallel && in.plan->tensor_parallel > 1 &&
         in.plan->pipeline_parallel > 1;
}

StageParameters stage_parameters(const StepModel& model, int stage) {
  StageParameters p;
  for (int c = 0; c < model.chunks_per_stage; ++c) {
    p.dense += model.chunk(stage, c).dense_parameters;
    p.experts += model.chunk(stage, c).expert_parameters;
  }
  return p;
}

StageStates stage_states(const StepInputs& in, const StageParameters& p) {
  const DataParallelKind kind = in.plan->data_parallel_kind;
  const DataType precision = in.workload->precision;
  const DataType gradient = overlaps_of(*in.plan, *in.stack).gradient_type;
  const double expert_replicas = in.model->moe ? in.expert_replicas() : 1;
  StageStates s;
  if (kind == DataParallelKind::ddp) {
    s.processed = s.owned = p.total();
    s.bytes = model_states(s.processed, s.owned, precision, gradient, in.plan->fp8_param_gather);
    return s;
  }
  const double shards = in.paths->shard_group;  // all of the replicas unless the plan says fewer
  const double expert_shards = std::min(expert_replicas, shards);
  s.owned = p.dense / shards + p.experts / expert_shards;
  s.processed = gathers_units(*in.plan) ? s.owned : p.total();
  s.bytes = model_states(s.processed, s.owned, precision, gradient, in.plan->fp8_param_gather);
  if (kind == DataParallelKind::zero2) s.bytes.gradients = Bytes(bytes_per_element(gradient) * s.owned);
  // FSDP keeps its shards in fp32: they are the master weights.
  if (kind == DataParallelKind::fsdp || kind == DataParallelKind::hsdp)
    s.bytes = {Bytes(4 * s.owned), Bytes(4 * s.owned), Bytes(8 * s.owned)};
  return s;
}

}  // namespace trainyard
