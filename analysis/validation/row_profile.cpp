#include <fmt/format.h>

#include "analysis/validation/row_parts.hpp"

namespace trainyard::row {
namespace {

enum class FlashAttention { no, yes, not_published };

FlashAttention flash_attention_of(const std::string& cell) {
  const std::string word = lower(cell);
  if (word == "false" || word == "no" || word == "0") return FlashAttention::no;
  if (word.empty() || word == "unknown") return FlashAttention::not_published;
  return FlashAttention::yes;  // True, or the name of a kernel
}

AttentionKernel attention_of(FlashAttention published, const SoftwareRule& rule, AttentionKernel stack_default,
                             Notes& notes) {
  switch (published) {
    case FlashAttention::no:
      return AttentionKernel::materialised;
    case FlashAttention::yes:
      if (rule.flash_kernel) return *rule.flash_kernel;
      return stack_default == AttentionKernel::materialised ? AttentionKernel::flash2 : stack_default;
    case FlashAttention::not_published:
      break;
  }
  notes.emplace_back("attention kernel not published: that of the software stack");
  return rule.attention.value_or(stack_default);
}

}  // namespace

Profile profile_of(const PublishedRun& run, const SoftwareRule& rule, const Cluster& cluster, const Presets& presets,
                   Notes& notes) {
  std::optional<Profile> profile = presets.profile(cluster.gpu, cluster.fabric.network, rule.stack);
  if (!profile)
    throw RowSkipped{
        fmt::format("no profile for {}, network '{}', stack {}", cluster.gpu, cluster.fabric.network, rule.stack)};
  StackProfile& stack = profile->stack;
  stack.attention = attention_of(flash_attention_of(run.flash_attention), rule, stack.attention, notes);
  if (run.cuda_graph.value_or(false)) {
    stack.host_forward = Seconds(0);  // one launch replays the whole forward or backward
    stack.host_backward = Seconds(0);
  }
  return *std::move(profile);
}

}  // namespace trainyard::row
