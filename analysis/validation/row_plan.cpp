#include <fmt/format.h>

#include <array>
#include <limits>
#include <regex>

#include "analysis/validation/row_parts.hpp"
#include "sim/plan/layer_split.hpp"

namespace trainyard::row {
namespace {

template <class Kind>
struct Word {
  std::string_view text;  // anywhere in the lower-case cell; the first of a table that occurs decides
  Kind kind;
};

template <class Kind, std::size_t size>
std::optional<Kind> first_word(const std::array<Word<Kind>, size>& words, const std::string& cell) {
  const std::string text = lower(cell);
  for (const Word<Kind>& word : words)
    if (text.find(word.text) != std::string::npos) return word.kind;
  return std::nullopt;
}

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

// Zero Bubble's automatic schedules with the memory of one and two 1F1B pipelines are the hand-written H1 and H2.
constexpr std::array schedule_words = std::to_array<Word<ScheduleKind>>({
    {"interleaved", ScheduleKind::interleaved},
    {"zb-1p", ScheduleKind::zb_h1},
    {"zb-h1", ScheduleKind::zb_h1},
    {"zb-2p", ScheduleKind::zb_h2},
    {"zb-h2", ScheduleKind::zb_h2},
    {"zb-v", ScheduleKind::zb_v},
    {"zbv", ScheduleKind::zb_v},
    {"dualpipe", ScheduleKind::dualpipe},
    {"gpipe", ScheduleKind::gpipe},
    {"1f1b", ScheduleKind::one_f_one_b},
    {"none", ScheduleKind::one_f_one_b},
});

constexpr std::array recompute_words = std::to_array<Word<Recompute>>({
    {"none", Recompute::none},
    {"false", Recompute::none},
    {"selective", Recompute::selective},
    {"full", Recompute::full},
    {"true", Recompute::full},
});

// fp4 first: "nvfp4" must not pass for anything wider.
constexpr std::array precision_words = std::to_array<Word<std::optional<DataType>>>({
    {"fp4", std::nullopt},
    {"fp8", DataType::fp8},
    {"bf16", DataType::bf16},
    {"bfloat16", DataType::bf16},
    {"fp16", DataType::fp16},
    {"float16", DataType::fp16},
    {"tf32", DataType::tf32},
    {"fp32", DataType::fp32},
});

int degree(const std::optional<std::int64_t>& cell) { return static_cast<int>(cell.value_or(1)); }

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
  return workload;
}

void set_degrees(Plan& plan, const PublishedRun& run, const SoftwareRule& rule, Notes& notes) {
  if (!run.gpus) throw RowSkipped{"number of GPUs not published"};
  if (!run.tp || !run.pp) throw RowSkipped{"tensor or pipeline parallel size not published"};
  plan.tensor_parallel = degree(run.tp);
  plan.pipeline_parallel = degree(run.pp);
  plan.context_parallel = degree(run.cp);
  plan.expert_parallel = degree(run.ep);
  plan.expert_tensor_parallel = static_cast<int>(run.etp.value_or(0));
  const std::int64_t replica = *run.tp * *run.pp * run.cp.value_or(1);
  if (*run.gpus % replica != 0)
    throw RowSkipped{fmt::format("tp x pp x cp = {} does not divide {} GPUs", replica, *run.gpus)};
  plan.data_parallel = static_cast<int>(*run.gpus / replica);
  if (run.dp && *run.dp != plan.data_parallel)
    notes.push_back(fmt::format("published dp {} does not fit {} GPUs: {}", *run.dp, *run.gpus, plan.data_parallel));
  plan.sequence_parallel = run.sp.value_or(rule.sequence_parallel) && plan.tensor_parallel > 1;
  if (!run.sp && plan.tensor_parallel > 1)
    notes.push_back(fmt::format("sequence parallelism not published: {}", plan.sequence_parallel ? "on" : "off"));
}

// Interleaving without a published chunk count: the fewest chunks that the layers allow.
int fewest_chunks(std::int64_t layers, int pipeline) {
  for (int chunks = 2; static_cast<std::int64_t>(chunks) * pipeline <= layers; ++chunks)
    if (splits_by_itself(layers, static_cast<std::int64_t>(chunks) * pipeline)) return chunks;
  return 1;
}

void set_schedule(Plan& plan, const PublishedRun& run, const ModelShape& model, Notes& notes) {
  if (plan.pipeline_parallel == 1) return;
  const auto published = run.schedule.empty() ? ScheduleKind::one_f_one_b : first_word(schedule_words, run.schedule);
  if (!published) throw RowSkipped{fmt::format("schedule '{}' is not modelled", run.schedule)};
  plan.schedule = *published;
  plan.virtual_stages = degree(run.vpp);
  const bool v_shaped = plan.schedule == ScheduleKind::zb_v || plan.schedule == ScheduleKind::dualpipe;
  if (v_shaped && !run.vpp) plan.virtual_stages = 2;
  if (plan.schedule == ScheduleKind::interleaved && !run.vpp) {
    plan.virtual_stages = fewest_chunks(model.layers, plan.pipeline_parallel);
    notes.push_back(fmt::format("virtual stages not published: {}", plan.virtual_stages));
  }
  if (plan.schedule == ScheduleKind::one_f_one_b && plan.virtual_stages > 1) plan.schedule = ScheduleKind::interleaved;
  if (plan.schedule == ScheduleKind::interleaved && plan.virtual_stages == 1) plan.schedule = ScheduleKind::one_f_one_b;
  if (run.schedule.empty() && !run.vpp) notes.emplace_back("schedule not published: 1f1b without virtual stages");
}

// Layers that do not divide: the middle chunks, which hold neither embedding nor head, carry one more.
void set_layers(Plan& plan, const ModelShape& model, Notes& notes) {
  const std::int64_t chunks = static_cast<std::int64_t>(plan.pipeline_parallel) * plan.virtual_stages;
  if (chunks > model.layers || splits_by_itself(model.layers, chunks)) return;
  const std::int64_t extra = model.layers % chunks;
  const std::int64_t first = (chunks - extra) / 2;
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
    plan.layers_per_chunk.push_back(
        static_cast<int>(model.layers / chunks + (chunk >= first && chunk < first + extra ? 1 : 0)));
  notes.push_back(fmt::format("{} layers over {} chunks: one more on the middle {}", model.layers, chunks, extra));
}

void set_recompute(Plan& plan, const PublishedRun& run, const SoftwareRule& rule, Notes& notes) {
  static const std::regex partly(R"(\b\d+\s*(of\s*\d+\s*)?layers?\b|num.layers|every\s)", std::regex::icase);
  static const std::regex layer_modules(R"(modules\s*:[^;|]*\b(mlp|moe)\b)", std::regex::icase);
  if (run.recompute.empty()) {
    notes.emplace_back("recomputation not published: none");
    return;
  }
  const auto published = first_word(recompute_words, run.recompute);
  if (!published) throw RowSkipped{fmt::format("recomputation '{}' is not modelled", run.recompute)};
  plan.recompute = *published;
  if (plan.recompute == Recompute::none) return;
  if (std::regex_search(run.recompute_detail, partly))
    throw RowSkipped{fmt::format("recomputation of part of the layers is not modelled ({})", run.recompute_detail)};
  if (plan.recompute == Recompute::full) return;
  if (std::regex_search(run.recompute_detail + "; " + run.notes, layer_modules)) {
    plan.recompute = Recompute::full;
    notes.emplace_back("recomputes the MLP or experts as well: taken as full");
  } else if (rule.selective == SelectiveRecompute::not_comparable) {
    throw RowSkipped{"'selective' recomputation of this software is not Megatron's"};
  }
}

void set_sharding(Plan& plan, const PublishedRun& run, const SoftwareRule& rule, Notes& notes) {
  static const std::regex replicated(R"(group\s+(\d+)\s*x\s*dp\s*([2-9]|[1-9]\d+)\b)", std::regex::icase);
  const std::string& words = run.sharding.empty() ? rule.default_sharding : run.sharding;
  if (!words.empty()) {
    const auto kind = first_word(sharding_words, words);
    if (!kind) throw RowSkipped{fmt::format("sharding '{}' is not modelled", words)};
    plan.data_parallel_kind = *kind;
  }
  if (run.sharding.empty() && plan.data_parallel > 1)
    notes.push_back(fmt::format("optimizer sharding not published: {}", words.empty() ? "DDP" : words));
  if (std::regex_search(words, replicated)) notes.emplace_back("replicated sharding groups taken as one group");
}

void set_batch(RowPlan& row, const PublishedRun& run, Notes& notes) {
  Plan& plan = row.plan;
  plan.micro_batch_size = degree(run.micro_batch);
  if (!run.micro_batch) notes.emplace_back("micro-batch not published: 1");
  const std::int64_t slice = static_cast<std::int64_t>(plan.micro_batch_size) * plan.data_parallel;
  std::optional<std::int64_t> batch = run.global_batch;
  if (!batch && run.grad_accum) batch = slice * *run.grad_accum;
  if (!batch && !run.measured_step_time()) {
    // Enough micro-batches to fill the pipeline, which is what decides the memory peak.
    batch = slice * plan.pipeline_parallel;
    notes.push_back(fmt::format("global batch not published: {}, which fills the pipeline", *batch));
  }
  if (!batch) throw RowSkipped{"global batch not published"};
  const std::int64_t micro_batches = *batch / slice;
  if (micro_batches == 0)
    throw RowSkipped{fmt::format("global batch {} is smaller than micro-batch {} x dp {}", *batch,
                                 plan.micro_batch_size, plan.data_parallel)};
  if (micro_batches * slice > std::numeric_limits<int>::max()) throw RowSkipped{"global batch is too large"};
  plan.global_batch_size = static_cast<int>(micro_batches * slice);
  row.time_scale = static_cast<double>(*batch) / static_cast<double>(micro_batches * slice);
  if (*batch != micro_batches * slice)
    notes.push_back(fmt::format("global batch {} is not a multiple of {}: time of {} scaled", *batch, slice,
                                plan.global_batch_size));
}

// Only what a row states is set; everything else is the stack's default.
void set_overlap(Plan& plan, const PublishedRun& run) {
  const std::string words = lower(run.comm_overlap);
  const auto says = [&](std::string_view word) { return words.find(word) != std::string::npos; };
  if (says("userbuffer") || says("tp-comm-overlap") || says("tp overlap")) plan.tp_comm_overlap = true;
  if (says("p2p") || words.ends_with(", pp")) plan.overlap_p2p = true;
  if (says("grad/param") || says("grad-reduce") || says("grad_reduce")) plan.overlap_grad_reduce = true;
  if (says("grad/param") || says("param-gather") || says("param_gather")) plan.overlap_param_gather = true;
  if (says("grad_sync bf16")) plan.grad_reduce_type = DataType::bf16;
  if (says("grad_sync fp32")) plan.grad_reduce_type = DataType::fp32;
}

}  // namespace

RowPlan plan_of(const PublishedRun& run, const SoftwareRule& rule, const ModelShape& model, Notes& notes) {
  if (run.optimizer_offload.value_or(false)) throw RowSkipped{"optimizer offload is not modelled"};
  RowPlan row{.plan = {}, .workload = workload_of(run, notes), .time_scale = 1.0};
  set_degrees(row.plan, run, rule, notes);
  set_schedule(row.plan, run, model, notes);
  set_layers(row.plan, model, notes);
  set_sharding(row.plan, run, rule, notes);
  set_recompute(row.plan, run, rule, notes);
  set_batch(row, run, notes);
  set_overlap(row.plan, run);
  return row;
}

}  // namespace trainyard::row
