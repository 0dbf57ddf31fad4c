// Precision, exchange, sharding and offloading of row_plan_parts.hpp.
#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <regex>

#include "analysis/validation/row_plan_parts.hpp"
#include "analysis/validation/row_words.hpp"

namespace trainyard::row {
namespace {

constexpr std::array sharding_words = std::to_array<Word<DataParallelKind>>({
    {"not resharded after forward", DataParallelKind::zero2},
    {"shard_grad_op", DataParallelKind::zero2},
    {"zero2", DataParallelKind::zero2},
    {"zero-2", DataParallelKind::zero2},
    {"hsdp", DataParallelKind::hsdp},
    {"hybrid_shard", DataParallelKind::hsdp},
    {"fsdp", DataParallelKind::fsdp},
    {"zero3", DataParallelKind::zero3},
    {"zero-3", DataParallelKind::zero3},
    {"zero1", DataParallelKind::zero1},
    {"zero-1", DataParallelKind::zero1},
    {"distributed", DataParallelKind::zero1},
    {"zero0", DataParallelKind::ddp},
    {"ddp", DataParallelKind::ddp},
    {"none", DataParallelKind::ddp},
});

// "mxfp4" first: it is not NVFP4.
constexpr std::array precision_words = std::to_array<Word<std::optional<DataType>>>({
    {"mxfp4", std::nullopt},
    {"fp4", DataType::nvfp4},
    {"fp8", DataType::fp8},
    {"bf16", DataType::bf16},
    {"bfloat16", DataType::bf16},
    {"fp16", DataType::fp16},
    {"float16", DataType::fp16},
    {"tf32", DataType::tf32},
    {"fp32", DataType::fp32},
});

constexpr std::array recipe_words = std::to_array<Word<Fp8Recipe>>({
    {"mxfp8", Fp8Recipe::mxfp8},
    {"blockwise", Fp8Recipe::blockwise},
    {"block-wise", Fp8Recipe::blockwise},
    {"tensorwise", Fp8Recipe::current},
    {"current scaling", Fp8Recipe::current},
    {"delayed", Fp8Recipe::delayed},
});

void set_fp8_recipe(Workload& workload, const PublishedRun& run, Notes& notes) {
  const auto recipe = first_word(recipe_words, run.precision + "; " + run.software + "; " + run.notes);
  if (recipe)
    workload.fp8_recipe = *recipe;
  else
    notes.emplace_back("fp8 recipe not published: delayed scaling");
}

// "fsdp group 128 x dp 4": 4 copies, each sharded over 128 ranks.
void set_sharding_groups(Plan& plan, const std::string& words, Notes& notes) {
  static const std::regex groups(R"(group\s+(\d{1,9})\s*x\s*dp\s*(\d{1,9})\b)", std::regex::icase);
  std::smatch found;
  if (!std::regex_search(words, found, groups)) {
    const std::string text = lower(words);
    if (text.find("+dp") != std::string::npos || text.find("+ dp") != std::string::npos)
      notes.emplace_back("size of the replicated sharding groups not published: one group");
    return;
  }
  const int group = std::stoi(found[1]), replicas = std::stoi(found[2]);
  if (replicas == 1) return;
  const std::int64_t ranks = static_cast<std::int64_t>(plan.data_parallel) * plan.context_parallel;
  if (group < 1 || static_cast<std::int64_t>(group) * replicas != ranks)
    throw RowSkipped{
        fmt::format("sharding groups {} x {} do not make up the {} data-parallel ranks", group, replicas, ranks)};
  plan.data_parallel_kind = DataParallelKind::hsdp;
  plan.sharding.group = group;
}

}  // namespace

Workload workload_of(const PublishedRun& run, Notes& notes) {
  if (!run.seq_len) throw RowSkipped{"sequence length not published"};
  Workload workload{.sequence_length = *run.seq_len, .precision = DataType::bf16};
  if (run.precision.empty()) {
    notes.emplace_back("precision not published: bf16");
    return workload;
  }
  const auto precision = first_word(precision_words, run.precision);
  if (!precision || !*precision) throw RowSkipped{fmt::format("precision {} is not modelled", run.precision)};
  workload.precision = **precision;
  if (workload.precision == DataType::fp8) set_fp8_recipe(workload, run, notes);
  return workload;
}

void set_context_parallel(Plan& plan, const PublishedRun& run, const SoftwareRule& rule) {
  static const std::regex said(R"(\bcp\s*[=:]\s*(a2a\s*\+\s*p2p|a2a|p2p|ring|all.?gather|ulysses)\b)",
                               std::regex::icase);
  if (plan.context_parallel == 1) return;
  plan.context_parallel_kind = rule.context_parallel;
  std::smatch found;
  if (!std::regex_search(run.notes, found, said)) return;
  const std::string word = lower(found[1]);
  if (word.find('+') != std::string::npos)
    plan.context_parallel_kind = ContextParallelKind::hierarchical;
  else if (word == "a2a" || word == "ulysses")
    plan.context_parallel_kind = ContextParallelKind::ulysses;
  else
    plan.context_parallel_kind = word.starts_with("all") ? ContextParallelKind::all_gather : ContextParallelKind::ring;
}

void set_experts(Plan& plan, const PublishedRun& run, const ModelShape& model) {
  static const std::regex capacity(R"(capacity.factor\s*[=:]?\s*(\d{1,3}(?:\.\d{1,6})?))", std::regex::icase);
  std::smatch found;
  if (model.moe && std::regex_search(run.notes, found, capacity)) {
    const std::string number = found[1];
    std::from_chars(number.data(), number.data() + number.size(), plan.routing.capacity_factor);
  }
}

void set_sharding(Plan& plan, const PublishedRun& run, const SoftwareRule& rule, Notes& notes) {
  const std::string& words = run.sharding.empty() ? rule.default_sharding : run.sharding;
  if (!words.empty()) {
    const auto kind = first_word(sharding_words, words);
    if (!kind) throw RowSkipped{fmt::format("sharding '{}' is not modelled", words)};
    plan.data_parallel_kind = *kind;
  }
  if (run.sharding.empty() && plan.data_parallel > 1)
    notes.push_back(fmt::format("optimizer sharding not published: {}", words.empty() ? "DDP" : words));
  set_sharding_groups(plan, words, notes);
}

void set_offload(Plan& plan, const PublishedRun& run) {
  if (!run.optimizer_offload.value_or(false)) return;
  const bool nvme = lower(run.notes).find("nvme") != std::string::npos;
  plan.optimizer_offload = nvme ? OffloadTarget::nvme : OffloadTarget::cpu;
}

}  // namespace trainyard::row
