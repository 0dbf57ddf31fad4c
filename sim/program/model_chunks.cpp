#include "sim/program/model_chunks.hpp"

#include <cmath>
#include <utility>

#include "models/memory_cost.hpp"
#include "models/parameter_count.hpp"

namespace trainyard {
namespace {

constexpr double activation_bytes = 2.0;  // 16-bit pipeline messages

Bytes whole(Bytes b) { return Bytes(std::ceil(b.value)); }

// Parameters of one rank, by segment.
struct SegmentParameters {
  double layer = 0;
  double embedding = 0;
  double head = 0;
};
SegmentParameters segment_parameters(const StepInputs& in) {
  const ModelShape& model = *in.model;
  const int t = in.plan->tensor_parallel;
  SegmentParameters p;
  const double vocabulary = static_cast<double>(vocabulary_parameters(model, t));
  p.layer = static_cast<double>(layer_parameters(model, false, t).total());
  p.embedding = vocabulary + static_cast<double>(position_parameters(model));
  // A tied head on another stage than the embedding is a copy of its own.
  const bool shared = model.tied_embeddings && in.plan->pipeline_parallel == 1;
  p.head = static_cast<double>(final_norm_parameters(model)) + (shared ? 0.0 : vocabulary);
  return p;
}

// A bucket closes with the segment that fills it.
void fill_buckets(ModelChunk& chunk, const SegmentParameters& parameters, double limit) {
  std::vector<SegmentUse> piece;
  double filled = 0;
  const auto add = [&](int segment, double more) {
    if (!piece.empty() && piece.back().segment == segment)
      ++piece.back().repeat;
    else
      piece.push_back({segment, 1});
    filled += more;
    if (filled < limit) return;
    chunk.buckets.push_back(std::exchange(piece, {}));
    chunk.bucket_parameters.push_back(std::exchange(filled, 0.0));
  };
  if (chunk.head) add(head_b, parameters.head);
  for (int i = 0; i < chunk.layers; ++i) add(layer_b, parameters.layer);
  if (chunk.embedding) add(embed_b, parameters.embedding);
  if (piece.empty()) return;
  chunk.buckets.push_back(piece);
  chunk.bucket_parameters.push_back(filled);
}

}  // namespace

std::vector<Segment> step_segments(const StepInputs& in) {
  const ModelShape& model = *in.model;
  const StackProfile& stack = *in.stack;
  const RankSlice slice = rank_slice(in);
  const RecomputeKind recompute = recompute_kind(in.plan->recompute);
  std::vector<Segment> s(segment_count);
  s[layer_f] = {"layer forward", layer_forward(model, slice, stack), Phase::forward, 1, false};
  s[layer_b] = {"layer backward", layer_backward(model, slice, stack, recompute), Phase::backward, 1,
                recompute == RecomputeKind::full};
  s[embed_f] = {"embedding forward", embedding_forward(model, slice, stack), Phase::forward, 0, false};
  s[embed_b] = {"embedding backward", embedding_backward(model, slice, stack), Phase::backward, 0, false};
  s[head_f] = {"head forward", head_forward(model, slice, stack), Phase::forward, 0, false};
  s[head_b] = {"head backward", head_backward(model, slice, stack), Phase::backward, 0, false};
  s[gather_input] = {"gather pipeline input", {}, Phase::forward, 0, false};
  if (gathers_pipeline_input(in)) {
    const Bytes bytes(activation_bytes * static_cast<double>(slice.tokens() * model.hidden));
    s[gather_input].steps.push_back({TpCollective{CollectiveKind::all_gather, bytes, 1.0}, -1});
  }
  return s;
}

bool gathers_pipeline_input(const StepInputs& in) {
  return in.stack->p2p_scatter_gather && !in.plan->sequence_parallel && in.plan->tensor_parallel > 1 &&
         in.plan->pipeline_parallel > 1;
}

SegmentMemory segment_memory(const StepInputs& in) {
  const RankSlice slice = rank_slice(in);
  const RecomputeKind recompute = recompute_kind(in.plan->recompute);
  return {whole(layer_activations(*in.model, slice, *in.stack, recompute)),
          whole(head_activations(*in.model, slice, *in.stack)),
          whole(backward_working_set(*in.model, slice, *in.stack, recompute))};
}

std::vector<SegmentUse> ModelChunk::forward() const {
  std::vector<SegmentUse> uses;
  if (embedding) uses.push_back({embed_f, 1});
  if (layers > 0) uses.push_back({layer_f, layers});
  if (head) uses.push_back({head_f, 1});
  return uses;
}

std::vector<SegmentUse> ModelChunk::backward() const {
  std::vector<SegmentUse> uses;
  if (head) uses.push_back({head_b, 1});
  if (layers > 0) uses.push_back({layer_b, layers});
  if (embedding) uses.push_back({embed_b, 1});
  return uses;
}

std::vector<ModelChunk> model_chunks(const StepInputs& in) {
  const Plan& plan = *in.plan;
  const SegmentParameters parameters = segment_parameters(in);
  const double limit = bucket_parameters(plan.data_parallel * plan.context_parallel);
  std::vector<ModelChunk> chunks;
  for (int stage = 0; stage < plan.pipeline_parallel; ++stage)
    for (int c = 0; c < plan.virtual_stages; ++c) {
      const int model_stage = c * plan.pipeline_parallel + stage;
      ModelChunk chunk;
      chunk.layers = plan.layers_per_chunk[static_cast<std::size_t>(model_stage)];
      chunk.embedding = model_stage == 0;
      chunk.head = model_stage == plan.pipeline_parallel * plan.virtual_stages - 1;
      chunk.parameters = chunk.layers * parameters.layer + (chunk.embedding ? parameters.embedding : 0) +
                         (chunk.head ? parameters.head : 0);
      fill_buckets(chunk, parameters, limit);
      chunks.push_back(std::move(chunk));
    }
  return chunks;
}

}  // namespace trainyard
