// What the memory formulas know of one rank: widths of its tensors, in elements per token, and bytes per element.
// Used by activation_memory.cpp and memory_cost.cpp only.
#pragma once

#include "models/model_shape.hpp"
#include "models/operators.hpp"
#include "models/profile.hpp"

namespace trainyard {

struct MemoryWidths {
  MemoryWidths(const ModelShape& model, const RankSlice& slice);

  double element;   // bytes of an activation's element
  bool narrow;      // linear layers compute in 8 bit or less
  double operand;   // bytes kept of an element that only the weight gradient of one linear layer reads
  double attended;  // bytes of an element of Q, K, V as the attention core keeps them

  double t = 1;     // tensor-parallel degree
  double t_sp = 1;  // the same where sequence parallelism cuts the norms' tokens too
  double tokens = 0;
  double hidden = 0;
  double heads = 0;
  double q = 0, k = 0, v = 0;
  double context = 0;      // attention output
  double query_rank = 0;   // of latent attention; 0 = the query is not compressed
  double kv_rank = 0;      // of latent attention
  double rope_heads = 0;   // d_rope of latent attention
  double latent_down = 0;  // outputs of latent attention's down-projections
  double latent_up = 0;    // keys (without their rotated part) and values of the up-projection
  double up = 2;           // first MLP matrices: 2 gated, 1 plain
  double ffn = 0;
  double expert_ffn = 0;
  double shared_ffn = 0;
  double experts = 0;
  double dispatched = 0;  // token copies that this rank sends to experts
  double routed = 0;      // token copies that this rank's experts compute
  double vocabulary = 0;

  double local_tokens() const { return tokens / t_sp; }
};

}  // namespace trainyard
