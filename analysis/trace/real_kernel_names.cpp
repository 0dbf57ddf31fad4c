#include "analysis/trace/real_kernel_names.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace trainyard {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

template <std::size_t N>
bool has_any(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

// Kernels that communicate without NCCL.
struct CommunicationFamily {
  std::string_view word;  // in the lower-case name
  std::optional<CollectiveKind> kind;
  std::optional<Axis> axis;
};
constexpr std::array communication_families = {
    CommunicationFamily{"deep_ep::", CollectiveKind::all_to_all, Axis::ep},    // notify_dispatch, dispatch, combine
    CommunicationFamily{"hybrid_ep::", CollectiveKind::all_to_all, Axis::ep},  // DeepEP's kernels of NVLink domains
    CommunicationFamily{"userbuffers", std::nullopt, Axis::tp},                // Transformer Engine
    CommunicationFamily{"cross_device_reduce", CollectiveKind::all_reduce, std::nullopt},
    CommunicationFamily{"multimem_all_reduce", CollectiveKind::all_reduce, std::nullopt},
    CommunicationFamily{"one_shot_all_reduce", CollectiveKind::all_reduce, std::nullopt},
    CommunicationFamily{"two_shot_all_reduce", CollectiveKind::all_reduce, std::nullopt},
    CommunicationFamily{"nvshmem", std::nullopt, std::nullopt},
};

// NCCL names its kernels ncclKernel_… until 2.18 and ncclDevKernel_… since; RCCL has rcclGenericKernel.
bool is_nccl(std::string_view kernel) {
  return kernel.starts_with("nccl") || kernel.find("nccldevkernel") != std::string_view::npos ||
         kernel.find("rcclgenerickernel") != std::string_view::npos || kernel.starts_with("mscclkernel");
}

// Inductor: triton_{poi, red, per}_fused_… are pointwise and reductions, whatever operators the name goes on to list;
// triton_for_… is a foreach, which is an optimizer's; triton_tem_… a template: a matrix product or attention.
constexpr std::array<std::string_view, 3> inductor_loops = {"triton_poi_", "triton_red_", "triton_per_"};

constexpr std::array<std::string_view, 6> optimizer_words = {
    "multi_tensor_apply", "multi_tensor_l2norm", "fusedoptimizer", "adam", "lamb_", "triton_for_"};
constexpr std::array<std::string_view, 8> attention_words = {"flash", "fmha",         "attention",   "attn",
                                                             "sdpa",  "batchprefill", "aiter::fmha", "mha_varlen"};
constexpr std::array<std::string_view, 17> gemm_words = {
    "gemm",    "nvjet",  "cutlass", "xmma", "cublas", "splitkreduce", "ampere_", "volta_",  "turing_",
    "hopper_", "matmul", "_mm_",    "gemv", "cijk_",  "bmm_",         "wgmma",   "tinygemm"};
constexpr std::array<std::string_view, 46> memory_bound_words = {
    "at::native", "elementwise", "reduce_kernel", "norm",       "softmax",    "cross_entropy", "dropout",
    "copy",       "catarray",    "transpose",     "rope",       "rotary",     "embedding",     "indexselect",
    "index_",     "gather",      "scatter",       "permute",    "sort",       "topk",          "scan",
    "fill",       "cast",        "quantize",      "silu",       "gelu",       "swiglu",        "gated",
    "bias",       "amax",        "triton_",       "arange",     "vectorized", "unrolled",      "nll_loss",
    "cub::",      "thrust::",    "cudafunctor",   "activation", "sum_kernel", "mul_kernel",    "add_kernel",
    "nvfuser",    "dequant",     "memory_bound",  "router"};

WorkCategory compute_category(std::string_view kernel) {
  if (has_any(kernel, inductor_loops)) return WorkCategory::memory_bound;
  if (has_any(kernel, optimizer_words)) return WorkCategory::optimizer;
  if (has_any(kernel, attention_words)) return WorkCategory::attention;
  if (has_any(kernel, gemm_words)) return WorkCategory::gemm;
  if (has_any(kernel, memory_bound_words)) return WorkCategory::memory_bound;
  return WorkCategory::other;
}

std::optional<GpuWork> communication_without_nccl(std::string_view kernel) {
  for (const CommunicationFamily& family : communication_families)
    if (kernel.find(family.word) != std::string_view::npos)
      return GpuWork{WorkCategory::collective, family.kind, family.axis};
  return std::nullopt;
}

bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const auto letter = [&](std::size_t i) {
      return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i]));
    };
    if ((at == 0 || !letter(at - 1)) && !letter(at + word.size())) return true;
  }
  return false;
}

}  // namespace

std::optional<CollectiveKind> traced_collective(std::string_view name) {
  std::string text = lower(name);
  std::erase_if(text, [](char c) { return c == '_' || c == '-' || c == ' '; });
  const auto has = [&](std::string_view word) { return text.find(word) != std::string::npos; };
  if (has("allreduce") || has("barrier")) return CollectiveKind::all_reduce;  // a barrier is one of a single element
  if (has("allgather")) return CollectiveKind::all_gather;
  if (has("reducescatter")) return CollectiveKind::reduce_scatter;
  if (has("alltoall")) return CollectiveKind::all_to_all;
  if (has("broadcast")) return CollectiveKind::broadcast;
  if (has("send") || has("recv")) return CollectiveKind::send_receive;
  return std::nullopt;
}

std::optional<Axis> axis_from_description(std::string_view description) {
  const std::string text = lower(description);
  const auto has = [&](std::string_view word) { return has_word(text, word); };
  const bool data = has("data") || has("dp") || has("fsdp") || has("shard") || has("replicate");
  if (has("expert") || has("ep") || has("etp") || has("edp")) {
    if (data || has("edp")) return Axis::dp;
    return (has("tensor") && !has("model") && !has("and")) || has("etp") ? Axis::tp : Axis::ep;
  }
  if (has("pipeline") || has("pp") || has("embedding")) return Axis::pp;
  if (data || has("optimizer")) return Axis::dp;
  if (has("tensor") || has("tp")) return Axis::tp;
  if (has("context") || has("cp")) return Axis::cp;
  return std::nullopt;
}

GpuWork work_of_kernel(std::string_view category, std::string_view kernel, std::string_view collective,
                       std::string_view description) {
  if (category.ends_with("memcpy") || category.ends_with("memset") || kernel.starts_with("Memcpy") ||
      kernel.starts_with("Memset"))
    return {WorkCategory::copy};
  const std::string text = lower(kernel);
  if (is_nccl(text)) {
    std::optional<CollectiveKind> kind = traced_collective(collective);
    if (!kind) kind = traced_collective(kernel);
    return {WorkCategory::collective, kind, axis_from_description(description)};
  }
  if (const std::optional<GpuWork> work = communication_without_nccl(text)) return *work;
  return {compute_category(text)};
}

}  // namespace trainyard
