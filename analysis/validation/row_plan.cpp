#include <fmt/format.h>

#include <limits>

#include "analysis/validation/row_plan_parts.hpp"
#include "analysis/validation/row_words.hpp"
#include "sim/plan/layer_split.hpp"
#include "sim/plan/schedule.hpp"

namespace trainyard::row {
namespace {

// Zero Bubble's automatic schedules with the memory of one and two 1F1B pipelines are the hand-written H1 and H2.
constexpr std::array schedule_words = std::to_array<Word<std::string_view>>({
    {"breadth", "breadth-first"},
    {"interleaved", "interleaved"},
    {"zb-1p", "zb-h1"},
    {"zb1p", "zb-h1"},
    {"zb-h1", "zb-h1"},
    {"zb-2p", "zb-h2"},
    {"zb2p", "zb-h2"},
    {"zb-h2", "zb-h2"},
    {"zb-v", "zb-v"},
    {"zbv", "zb-v"},
    {"dualpipev", "dualpipev"},
    {"dualpipe", "dualpipe"},
    {"gpipe", "gpipe"},
    {"1f1b", "1f1b"},
    {"none", "1f1b"},
});

int degree(const std::optional<std::int64_t>& cell) { return static_cast<int>(cell.value_or(1)); }

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
  const auto published = run.schedule.empty() ? "1f1b" : first_word(schedule_words, run.schedule);
  if (!published) throw RowSkipped{fmt::format("schedule '{}' is not modelled", run.schedule)};
  plan.schedule = *published;
  plan.virtual_stages = degree(run.vpp);
  const ScheduleRow* row = find_schedule(plan.schedule);
  if (!row) throw RowSkipped{fmt::format("schedule '{}' is not modelled", run.schedule)};
  const bool interleaves = row->virtual_stages == 0;
  if (interleaves && !run.vpp) {
    plan.virtual_stages = fewest_chunks(model.layers, plan.pipeline_parallel);
    notes.push_back(fmt::format("virtual stages not published: {}", plan.virtual_stages));
  }
  if (plan.schedule == "1f1b" && plan.virtual_stages > 1) plan.schedule = "interleaved";
  if (plan.schedule == "interleaved" && plan.virtual_stages == 1) plan.schedule = "1f1b";
  if (plan.schedule == "breadth-first" && plan.virtual_stages == 1) plan.schedule = "gpipe";
  constexpr int v_shape = 2;  // two chunks per stage are part of the schedule, whatever a table counts
  if (row->virtual_stages == v_shape) plan.virtual_stages = v_shape;
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
  // Composer's mixed precision PURE reduces in the parameters' bf16, DEFAULT in fp32.
  const bool pure = run.notes.find("mixed precision PURE") != std::string::npos;
  if (says("grad_sync bf16") || pure) plan.grad_reduce_type = DataType::bf16;
  if (says("grad_sync fp32")) plan.grad_reduce_type = DataType::fp32;
}

}  // namespace

RowPlan plan_of(const PublishedRun& run, const SoftwareRule& rule, const ModelShape& model, Notes& notes) {
  RowPlan row{.plan = {}, .workload = workload_of(run, notes), .time_scale = 1.0};
  set_degrees(row.plan, run, rule, notes);
  set_schedule(row.plan, run, model, notes);
  set_layers(row.plan, model, notes);
  set_context_parallel(row.plan, run, rule);
  set_experts(row.plan, run, model);
  set_sharding(row.plan, run, rule, notes);
  set_recompute(row.plan, run, rule, model, notes);
  set_offload(row.plan, run);
  set_batch(row, run, notes);
  set_overlap(row.plan, run);
  return row;
}

}  // namespace trainyard::row
