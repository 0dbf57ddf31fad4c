// Calculations that fit on one line: what a back of an envelope says before anything is simulated.
#pragma once

#include <cstdint>

#include "models/model_shape.hpp"
#include "models/parameter_count.hpp"
#include "sim/base/hardware.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// Ring algorithms over n ranks (Thakur, Rabenseifner, Gropp 2005). `bytes` is the full buffer: what an all-reduce
// reduces, what an all-gather produces, what a reduce-scatter starts from. ranks >= 1.
Bytes ring_all_reduce_bytes_sent(Bytes bytes, int ranks);  // 2(n-1)/n, per rank
Bytes ring_all_gather_bytes_sent(Bytes bytes, int ranks);  // (n-1)/n, per rank; a reduce-scatter sends the same
Seconds ring_all_reduce_time(Bytes bytes, int ranks, BytesPerSecond bandwidth,
                             Seconds latency_per_step);  // 2(n-1) steps

// nccl-tests' bus bandwidth of a measured all-reduce: 2(n-1)/n * bytes / time.
BytesPerSecond all_reduce_bus_bandwidth(Bytes bytes, Seconds time, int ranks);

// Reduce-scatter in every node, all-reduce of the shards between nodes, all-gather in every node; bandwidth terms only.
Seconds hierarchical_all_reduce_time(Bytes bytes, int ranks_per_node, int nodes, BytesPerSecond in_node,
                                     BytesPerSecond between_nodes);

// What a pipeline stage hands to the next for one micro batch: tokens * hidden elements, cut by sequence parallelism.
Bytes pipeline_message(const ModelShape& model, std::int64_t tokens, DataType type, int sequence_parallel);

// Bytes one rank keeps per parameter it is responsible for: bf16 weights, gradients in `gradients`, fp32 master weight
// and two fp32 Adam moments (Megatron-LM dist_optimizer.md; ZeRO paper table 1 with bf16 gradients).
struct ParameterState {
  Bytes weights;
  Bytes gradients;
  Bytes optimizer;
  Bytes total() const { return weights + gradients + optimizer; }
  friend bool operator==(const ParameterState&, const ParameterState&) = default;
};
// zero_stage 0: nothing is sharded over data_parallel, 1: the optimizer, 2: and the gradients, 3: and the weights.
ParameterState state_per_parameter(int zero_stage, int data_parallel, DataType gradients);

struct StateQuestion {
  int tensor_parallel = 1;
  int pipeline_parallel = 1;  // at most the number of layers
  int data_parallel = 1;
  int expert_parallel = 1;  // divides data_parallel; experts are replicated data_parallel / expert_parallel times
  int zero_stage = 1;
  DataType gradients = DataType::fp32;
};
struct TrainingState {
  int stage = 0;  // the pipeline stage that holds the most bytes; the first of several
  std::int64_t stage_layers = 0;
  LayerParameters parameters;  // of one rank of it
  ParameterState dense;        // per parameter
  ParameterState experts;      // per routed-expert parameter
  Bytes total;
};
// Layers are dealt evenly, the remainder to the first stages; embedding on the first stage, head, final norm and
// multi-token prediction on the last, which copies a tied embedding.
TrainingState training_state(const ModelShape& model, const StateQuestion& question);

// Keys and values of one token over all layers: 2 L g d elements, or L (r_kv + d_rope) for latent attention, which
// tensor parallelism cannot cut. Key-value heads are copied where tensor_parallel > kv_heads.
Bytes kv_cache_per_token(const ModelShape& model, DataType type, int tensor_parallel);
// A sequence of `tokens`; a sliding window keeps no more than its width.
Bytes kv_cache(const ModelShape& model, std::int64_t tokens, DataType type, int tensor_parallel);

}  // namespace trainyard
