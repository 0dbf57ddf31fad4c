#include "models/megatron_memory_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace trainyard {
namespace {

double as_double(std::int64_t n) { return static_cast<double>(n); }
double in_mib(Bytes bytes) { return bytes.value / (1024.0 * 1024.0); }

// --- parameters ---

// By how ranks hold them: cut by tp, on every tp rank, cut by ep and etp.
struct Split {
  double sharded = 0, replicated = 0, experts = 0;
  Split& operator+=(const Split& o) {
    sharded += o.sharded;
    replicated += o.replicated;
    experts += o.experts;
    return *this;
  }
};
Split operator*(double n, const Split& s) { return {n * s.sharded, n * s.replicated, n * s.experts}; }

double norm_size(const ModelShape& m) { return m.norm == NormKind::rmsnorm ? 1.0 : 2.0; }
double gated_multiplier(const ModelShape& m) { return m.gated_mlp ? 1.5 : 1.0; }

double latent_attention(const ModelShape& m) {
  const LatentAttention& a = *m.latent_attention;
  const double h = as_double(m.hidden), heads = as_double(m.heads);
  const double q_rank = as_double(a.q_rank), kv_rank = as_double(a.kv_rank), rope = as_double(a.qk_rope_head_dim);
  const double nope = as_double(a.qk_nope_head_dim), v = as_double(a.v_head_dim);
  const double queries = q_rank > 0 ? q_rank * (h + heads * (nope + rope) + norm_size(m)) : h * heads * (nope + rope);
  return queries + kv_rank * (h + heads * (nope + v) + norm_size(m)) + h * rope + heads * v * h;
}

double attention(const ModelShape& m) {
  if (m.latent_attention) return latent_attention(m);
  const double h = as_double(m.hidden);
  return 2.0 * h * as_double(m.q_width()) * (1.0 + as_double(m.kv_heads) / as_double(m.heads));
}

Split layer(const ModelShape& m, bool moe) {
  const double h = as_double(m.hidden);
  const double per_width = 2.0 * h * gated_multiplier(m);
  Split s{attention(m), 2.0 * h * norm_size(m), 0.0};
  if (!moe) {
    s.sharded += per_width * as_double(m.ffn);
    return s;
  }
  const MixtureOfExperts& e = *m.moe;
  s.sharded += per_width * as_double(e.shared_ffn > 0 ? e.shared_ffn : e.shared_experts * e.expert_ffn);
  s.replicated += as_double(e.experts) * (h + (m.linear_bias ? 1.0 : 0.0));
  s.experts = per_width * as_double(e.expert_ffn * e.experts);
  return s;
}

Split layers(const ModelShape& m) {
  Split sum;
  for (std::int64_t i = 0; i < m.layers; ++i) sum += layer(m, is_moe_layer(m, i));
  sum.replicated += norm_size(m) * as_double(m.hidden);
  return sum;
}

Split most_loaded_shard(const ModelShape& m, const MegatronMemoryArguments& a) {
  const double embedding = as_double(m.hidden * padded_vocabulary(m, a.tensor_parallel));
  const bool both_ends = a.pipeline_parallel == 1 && !m.tied_embeddings;
  Split s = 1.0 / a.pipeline_parallel * layers(m);
  s += as_double(m.multi_token_prediction_layers) * layer(m, is_moe_layer(m, m.layers - 1));
  s.sharded = (s.sharded + (both_ends ? 2.0 : 1.0) * embedding) / a.tensor_parallel;
  s.experts /= a.expert_parallel * a.expert_tensor_parallel;
  return s;
}

double bytes_per_parameter(bool distributed_optimizer, int data_parallel) {
  return distributed_optimizer ? 6.0 + 12.0 / data_parallel : 18.0;
}

Bytes weight_and_optimizer(const Split& shard, const MegatronMemoryArguments& a) {
  const int expert_replicas =
      std::max(1, a.world_size / (a.expert_tensor_parallel * a.expert_parallel * a.pipeline_parallel));
  return Bytes((shard.sharded + shard.replicated) * bytes_per_parameter(a.distributed_optimizer, a.data_parallel) +
               shard.experts * bytes_per_parameter(a.distributed_optimizer, expert_replicas));
}

// --- activations of the first pipeline stage ---

// The layers' share of a micro-batch in a full pipeline; interleaving holds more, few micro-batches less.
double schedule_factor(const MegatronMemoryReport& r, const MegatronMemoryArguments& a) {
  if (a.virtual_stages > 1 || a.pipeline_parallel == 1 || !a.micro_batches) return r.interleaving_penalty;
  return std::min(1.0, static_cast<double>(*a.micro_batches) / a.pipeline_parallel);
}

int in_flight(const MegatronMemoryReport& r, const MegatronMemoryArguments& a) {
  if (a.virtual_stages > 1) return static_cast<int>(std::ceil(r.interleaving_penalty * a.pipeline_parallel));
  return std::min(a.micro_batches.value_or(a.pipeline_parallel), a.pipeline_parallel);
}

void add_activations(MegatronMemoryReport& r, const ModelShape& m, const MegatronMemoryArguments& a) {
  const double tokens = as_double(a.sequence_length) * a.micro_batch_size;
  const double h = as_double(m.hidden), t = a.tensor_parallel;
  const double vocabulary = as_double(padded_vocabulary(m, a.tensor_parallel));
  // Over the tensor-parallel group with sequence parallelism, of one rank without.
  const double per_layer =
      r.without_sequence_parallel ? tokens * h * (10.0 + 24.0 / t) : tokens * h * (18.0 + 4.0 * as_double(m.ffn) / h);
  const double embedding = (8.0 + h) * tokens * a.pipeline_parallel;  // 8-byte ids and a dropout mask
  double bytes = (per_layer * as_double(m.layers) + embedding) * schedule_factor(r, a);
  if (r.without_sequence_parallel) {
    if (a.pipeline_parallel == 1) bytes += 2.0 * tokens * (vocabulary / t + h);
    r.activation_per_layer = Bytes(per_layer);
    r.activation = Bytes(1.05 * bytes);
    return;
  }
  if (a.pipeline_parallel == 1) bytes += 4.0 * tokens * (h + vocabulary);
  r.activation_per_layer = Bytes(per_layer / t);
  r.activation = Bytes(bytes / t);
}

}  // namespace

MegatronMemoryReport megatron_memory_report(const ModelShape& model, const MegatronMemoryArguments& a) {
  MegatronMemoryReport r;
  const Split shard = most_loaded_shard(model, a);
  r.parameters = shard.sharded + shard.replicated + shard.experts;
  r.weight_and_optimizer = weight_and_optimizer(shard, a);
  r.without_sequence_parallel = !(a.sequence_parallel && a.selective_recompute);
  if (a.virtual_stages > 1)
    r.interleaving_penalty = 1.0 + (a.pipeline_parallel - 1.0) / (a.pipeline_parallel * a.virtual_stages);
  r.in_flight_micro_batches = in_flight(r, a);
  add_activations(r, model, a);
  return r;
}

std::string to_text(const MegatronMemoryReport& r) {
  return fmt::format(
      "Theoretical memory footprints: weight and optimizer={:.2f} MB, activation={:.2f} MB, total={:.2f} MB",
      in_mib(r.weight_and_optimizer), in_mib(r.activation), in_mib(r.total()));
}

}  // namespace trainyard
