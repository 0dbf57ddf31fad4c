// A mixture-of-experts layer as Megatron-core's moe_layer.py and token_dispatcher.py run it.
#include <algorithm>
#include <cmath>

#include "models/operators_builder.hpp"

namespace trainyard {
namespace {

// Rows that fp8 kernels round an expert's share up to: Transformer Engine's 16, the blocks of MXFP8 and NVFP4,
// DeepGEMM's 128.
std::int64_t row_alignment(DataType type, Fp8Recipe recipe) {
  if (type == DataType::nvfp4) return 32;
  if (type != DataType::fp8) return 1;
  if (recipe == Fp8Recipe::blockwise) return 128;
  return recipe == Fp8Recipe::mxfp8 ? 32 : 16;
}

// One rank's part of the routed experts. A pair is a token with one of its experts.
struct ExpertShare {
  std::int64_t tokens = 0;   // that this rank routes
  double load = 1;           // pairs per rank over the mean
  std::int64_t experts = 0;  // on this rank
  std::int64_t rows = 0;     // pairs per expert
  std::int64_t inner = 0;    // width of an expert on this rank
  double pairs() const { return static_cast<double>(rows * experts); }
};

ExpertShare expert_share(const LayerBuilder& b) {
  const MixtureOfExperts& moe = *b.model().moe;
  const RankSlice& s = b.slice();
  ExpertShare share;
  // Tensor-parallel ranks route a part of the tokens each: sequence parallelism has cut them; without it every rank
  // drops the others' (DeepSpeed-MoE's drop_tokens) and gathers them afterwards.
  share.tokens = std::max<std::int64_t>(1, b.tokens() / s.tp);
  share.load = s.capacity_factor > 0 ? s.capacity_factor : s.expert_imbalance;
  share.experts = std::max<std::int64_t>(1, moe.experts / s.ep);
  const double received = static_cast<double>(share.tokens * moe.top_k) * share.load * s.etp;
  const std::int64_t align = row_alignment(b.linear_type(), s.fp8_recipe);
  const auto rows = static_cast<std::int64_t>(std::ceil(received / static_cast<double>(share.experts) - 1e-9));
  share.rows = std::max<std::int64_t>(1, (rows + align - 1) / align * align);
  share.inner = std::max<std::int64_t>(1, moe.expert_ffn / s.etp);
  return share;
}

class MoeBlock {
 public:
  explicit MoeBlock(LayerBuilder& b)
      : b_(b), slice_(b.slice()), moe_(*b.model().moe), share_(expert_share(b)), shared_(shared_expert_width(b) > 0) {}

  void forward() {
    router_forward();
    if (shared_ && !overlapped()) shared_experts_forward(b_);
    permute("permute");
    const int routed = b_.last();
    send_to_experts(routed_after(routed));
    if (overlapped()) shared_up_beside(b_, routed);
    arrange("expert_sort");
    experts_forward();
    arrange("expert_unsort");
    const int computed = b_.last();
    return_from_experts(routed_after(computed));
    if (overlapped()) shared_down_beside(b_, computed);
    permute("unpermute");
    if (!b_.sequence_parallel()) b_.tensor_collective(CollectiveKind::all_gather, b_.activation_bytes(b_.hidden()));
    if (shared_) b_.memory("shared_add", 3.0 * routed_activation());
  }

  void backward(const LayerRecompute& recompute) {
    if (shared_ && recompute.has(recompute_shared_experts)) shared_experts_forward(b_);
    if (shared_ && !overlapped()) shared_experts_backward(b_);
    // Weights applied here need what the experts returned for their own gradient.
    permute("unpermute_backward", b_.stack().expert_outputs_weighted ? pairs_per_token() : 0.0);
    const int routed = b_.last();
    send_to_experts(routed_after(routed));
    if (overlapped()) shared_down_backward_beside(b_, routed);
    arrange("expert_sort");
    experts_backward(recompute);
    arrange("expert_unsort");
    const int computed = b_.last();
    return_from_experts(routed_after(computed));
    if (overlapped()) shared_up_backward_beside(b_, computed);
    permute("permute_backward");
    router_backward();
    if (!b_.sequence_parallel()) b_.tensor_collective(CollectiveKind::all_gather, b_.activation_bytes(b_.hidden()));
  }

 private:
  // Shared experts run beside the exchanges.
  bool overlapped() const { return shared_ && slice_.shared_expert_overlap && exchanges(); }
  bool exchanges() const { return slice_.ep > 1; }
  bool gathers() const { return slice_.dispatcher == ExpertDispatcher::all_gather; }
  bool fused() const { return slice_.dispatcher == ExpertDispatcher::deepep && exchanges(); }
  // A collective beside which shared experts run waits for what it sends; any other one for everything.
  int routed_after(int step) const { return overlapped() ? step : after_everything; }
  Bytes routed_activation() const { return Bytes(b_.beta() * b_.elements(share_.tokens, b_.hidden())); }
  Bytes pair_activation() const { return Bytes(b_.beta() * share_.pairs() * static_cast<double>(b_.hidden())); }
  // Tokens of all ranks between which the all-gather dispatcher exchanges them, as activations of this rank.
  double gathered_ranks() const { return static_cast<double>(slice_.ep) * slice_.etp; }

  // --- router: 16-bit GEMM, then top-k, softmax, counting and the auxiliary loss in fp32 ---
  std::int64_t router_rows() const { return b_.sequence_parallel() ? share_.tokens : b_.tokens(); }
  void router_kernels(std::string_view name, double share_of_passes) {
    const StackProfile& stack = b_.stack();
    const double table = 4.0 * b_.elements(router_rows(), moe_.experts);
    const int launches = std::max(1, static_cast<int>(std::lround(stack.moe_router_kernels * share_of_passes)));
    b_.memory(name, Bytes(stack.moe_router_passes * share_of_passes * table), MemoryKind::layout, launches);
  }
  void router_forward() {
    b_.gemm("router", {.m = router_rows(), .n = moe_.experts, .k = b_.hidden()});
    router_kernels("router_topk", 1.0);
  }
  void router_backward() {
    router_kernels("router_topk_backward", 0.5);
    b_.gemm("router_dgrad", {.m = router_rows(), .n = b_.hidden(), .k = moe_.experts});
    b_.wgrad("router_wgrad", {.m = moe_.experts, .n = b_.hidden(), .k = router_rows()});
  }

  // --- copies: one token per expert of it, in the order of the experts ---
  // The fused dispatcher reads tokens in place, the all-gather one selects after the gather.
  void permute(std::string_view name, double extra_passes = 0) {
    if (fused() || gathers()) return;
    b_.memory(name, (1.0 + pairs_per_token() + extra_passes) * routed_activation(), MemoryKind::permute);
  }
  double pairs_per_token() const {
    // Without an exchange the copies are already those of this rank's experts, padding included.
    return static_cast<double>(moe_.top_k) * (slice_.capacity_factor > 0 ? slice_.capacity_factor : 1.0);
  }
  // What arrived by source rank is reordered by expert: one read and one write of every pair.
  void arrange(std::string_view name) {
    const bool reorders = fused() || gathers() || (exchanges() && share_.experts > 1);
    if (reorders) b_.memory(name, 2.0 * pair_activation(), MemoryKind::permute);
  }

  // --- exchange ---
  int collective(LayerGroup group, CollectiveKind kind, Bytes bytes, std::string_view label, int after) {
    LayerCollective c;
    c.group = group;
    c.kind = kind;
    c.bytes = bytes;
    c.label = label;
    return b_.push(c, after);
  }
  // DeepEP casts what it dispatches to fp8 with a scale per 128 elements; what it combines stays 16 bit.
  double dispatch_bytes_per_element(bool to_experts) const {
    constexpr double fp8_with_scales = 1.0 + 4.0 / 128;
    return to_experts && fused() && b_.linear_type() == DataType::fp8 ? fp8_with_scales : b_.beta();
  }
  void all_to_all(bool to_experts, std::string_view label, int after) {
    LayerCollective c;
    c.group = LayerGroup::ep;
    c.kind = CollectiveKind::all_to_all;
    c.label = label;
    const double one_copy =
        dispatch_bytes_per_element(to_experts) * b_.elements(share_.tokens, b_.hidden()) * share_.load;
    c.bytes = Bytes(one_copy * static_cast<double>(moe_.top_k));
    if (fused()) {
      // Once to every rank that holds one of the token's experts, over the network once to every such node.
      c.bytes = Bytes(one_copy * expected_destinations(moe_, slice_.ep));
      const double nodes = std::max(1, slice_.ep_nodes);
      c.outside = Bytes(one_copy * expected_destinations(moe_, nodes) * (nodes - 1) / nodes);
    }
    b_.push(c, after);
  }
  void send_to_experts(int after) {
    if (gathers()) {
      if (slice_.etp > 1)
        after = collective(LayerGroup::etp, CollectiveKind::all_gather, slice_.etp * routed_activation(),
                           "expert tokens", after);
      if (exchanges())
        collective(LayerGroup::ep, CollectiveKind::all_gather, gathered_ranks() * routed_activation(),
                   "dispatched tokens", after);
      return;
    }
    if (exchanges()) all_to_all(true, "dispatched tokens", after);
  }
  void return_from_experts(int after) {
    if (!gathers()) {
      if (exchanges()) all_to_all(false, "combined tokens", after);
      return;
    }
    if (exchanges())
      after = collective(LayerGroup::ep, CollectiveKind::reduce_scatter, gathered_ranks() * routed_activation(),
                         "combined tokens", after);
    if (slice_.etp > 1)
      collective(LayerGroup::etp, CollectiveKind::reduce_scatter, slice_.etp * routed_activation(), "expert tokens",
                 after);
  }
  // The ranks that share an expert's matrices see each other's tokens.
  void expert_tensor_collective(CollectiveKind kind) {
    if (slice_.etp > 1 && !gathers())
      collective(LayerGroup::etp, kind, pair_activation(), "expert tokens", after_everything);
  }

  // --- routed experts ---
  Gemm expert_gemm(std::int64_t n, std::int64_t k) const {
    return {.m = share_.rows, .n = n, .k = k, .groups = share_.experts, .type = b_.linear_type()};
  }
  Gemm expert_wgrad(std::int64_t n, std::int64_t k) const {
    return {.m = n, .n = k, .k = share_.rows, .groups = share_.experts, .type = b_.linear_type()};
  }
  void quantise(std::string_view name, std::int64_t width) {
    b_.quantise(name, share_.pairs() * static_cast<double>(width));
  }
  void experts_forward() {
    expert_tensor_collective(CollectiveKind::all_gather);
    quantise("quantise_input", b_.hidden());
    b_.gemm("expert_up", expert_gemm(b_.up_width(share_.inner), b_.hidden()));
    b_.activation_forward("expert_activation", share_.pairs(), share_.inner);
    quantise("quantise_input", share_.inner);
    b_.gemm("expert_down", expert_gemm(b_.hidden(), share_.inner));
    expert_tensor_collective(CollectiveKind::reduce_scatter);
  }
  void experts_backward(const LayerRecompute& recompute) {
    expert_tensor_collective(CollectiveKind::all_gather);
    quantise("quantise_gradient", b_.hidden());
    b_.gemm("expert_down_dgrad", expert_gemm(share_.inner, b_.hidden()));
    if (recompute.has(recompute_moe_act)) b_.activation_forward("expert_activation", share_.pairs(), share_.inner);
    b_.wgrad("expert_down_wgrad", expert_wgrad(b_.hidden(), share_.inner));
    b_.activation_backward("expert_activation_backward", share_.pairs(), share_.inner);
    const std::int64_t up = b_.up_width(share_.inner);
    quantise("quantise_gradient", up);
    b_.gemm("expert_up_dgrad", expert_gemm(b_.hidden(), up));
    b_.wgrad("expert_up_wgrad", expert_wgrad(up, b_.hidden()));
    expert_tensor_collective(CollectiveKind::reduce_scatter);
  }

  LayerBuilder& b_;
  const RankSlice& slice_;
  const MixtureOfExperts& moe_;
  ExpertShare share_;
  bool shared_;
};

}  // namespace

double expected_destinations(const MixtureOfExperts& moe, double members) {
  double experts = static_cast<double>(moe.experts);
  const double groups = static_cast<double>(moe.routing_groups);
  const double chosen = static_cast<double>(moe.routing_top_groups);
  if (groups > 0 && chosen > 0 && chosen < groups) {
    experts *= chosen / groups;
    members = std::min(members, std::max(chosen, members * chosen / groups));
  }
  const double each = experts / members;
  double none = 1;  // no expert of the token on a given member
  for (std::int64_t i = 0; i < moe.top_k; ++i) {
    const double drawn = static_cast<double>(i);
    none *= std::max(0.0, experts - each - drawn) / std::max(1.0, experts - drawn);
  }
  return members * (1.0 - none);
}

void moe_block_forward(LayerBuilder& b) {
  b.norm_forward();
  MoeBlock(b).forward();
  b.residual_forward();
}

void moe_block_backward(LayerBuilder& b, const LayerRecompute& recompute) {
  MoeBlock block(b);
  b.residual_backward();
  if (recompute.has(recompute_layernorm)) b.norm_forward();
  if (recompute.has(recompute_moe)) block.forward();
  block.backward(recompute);
  b.norm_backward();
}

}  // namespace trainyard
