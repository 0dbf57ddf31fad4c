// Choices that both a plan and the operators of its layers know: how context and experts are exchanged, what is
// recomputed, which low-precision recipe runs. Words are Megatron's.
#pragma once

#include <cstdint>

namespace trainyard {

// Megatron's cp_comm_type: p2p (ring attention), all_gather (of K and V, as Llama 3), a2a (Ulysses: heads for
// sequence), a2a+p2p (Ulysses inside, ring across).
enum class ContextParallelKind { ring, all_gather, ulysses, hierarchical };

// How a tensor-parallel collective is cut up beside its GEMM (Transformer Engine's userbuffers): ring_exchange sends a
// tp-th at a time around the ring while the local piece is multiplied first, pipeline splits both into four. `measured`
// takes the stack's measured exposed share instead.
enum class TpOverlapMethod { measured, ring_exchange, pipeline };

// Megatron's moe_token_dispatcher_type: alltoall, allgather, flex with DeepEP (each token crosses to a node once).
enum class ExpertDispatcher { all_to_all, all_gather, deepep };

enum class Recompute { none, selective, full };

// Modules of selective recomputation (Megatron's recompute_modules), a bit set.
enum RecomputeModule : std::uint32_t {
  recompute_core_attn = 1,
  recompute_layernorm = 2,
  recompute_moe_act = 4,
  recompute_mla_up_proj = 8,
  recompute_mlp = 16,
  recompute_moe = 32,
  recompute_shared_experts = 64
};

// What of one layer is computed again in its backward.
struct LayerRecompute {
  Recompute kind = Recompute::none;
  std::uint32_t modules = recompute_core_attn;  // of selective
  bool has(RecomputeModule module) const { return kind == Recompute::selective && (modules & module) != 0; }
  friend bool operator==(const LayerRecompute&, const LayerRecompute&) = default;
};

// Scaling of fp8 training (Transformer Engine): delayed (amax history), current (per tensor, an extra pass),
// blockwise (DeepSeek-V3's 1x128 and 128x128 tiles), mxfp8 (Blackwell's 1x32 blocks).
enum class Fp8Recipe { delayed, current, blockwise, mxfp8 };

}  // namespace trainyard
