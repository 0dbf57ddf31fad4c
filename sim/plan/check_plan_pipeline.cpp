// The rules of plan_checker.hpp about layers, their chunks and the order of micro-batches.
#include <fmt/format.h>

#include "sim/plan/layer_split.hpp"
#include "sim/plan/plan_checker.hpp"

namespace trainyard {

void PlanChecker::check_layers() {
  if (plan_.virtual_stages > 1 && plan_.pipeline_parallel == 1)
    add("pp", fmt::format("num_virtual_stages_per_pipeline_rank {} needs pipeline_model_parallel_size > 1",
                          plan_.virtual_stages));
  check_prediction_chunk();
  if (!plan_.layers_per_chunk.empty()) return check_layers_per_chunk();
  if (ends_are_said()) return check_pipeline_ends();
  if (model_.layers <= 0 || splits_by_itself(model_.layers, model_chunks())) return;
  add("pp", fmt::format("{0} layers do not split over pipeline_model_parallel_size {1} * "
                        "num_virtual_stages_per_pipeline_rank {2} = {3} chunks: neither {0} nor {0} + 2 is divisible "
                        "by {3}; give layers_per_chunk{4}",
                        model_.layers, plan_.pipeline_parallel, plan_.virtual_stages, count_text(model_chunks()),
                        fitting_pipelines()));
}

// The nearest pipeline sizes with the same number of virtual stages that would split the layers.
std::string PlanChecker::fitting_pipelines() const {
  const std::int64_t virtual_stages = plan_.virtual_stages;
  const std::int64_t most = std::min<std::int64_t>(model_.layers, 4096) / virtual_stages + 1;
  std::vector<std::int64_t> fitting;
  for (std::int64_t pp = std::min<std::int64_t>(plan_.pipeline_parallel, most) - 1; pp >= 1 && fitting.empty(); --pp)
    if ((pp > 1 || virtual_stages == 1) && splits_by_itself(model_.layers, pp * virtual_stages)) fitting.push_back(pp);
  for (std::int64_t pp = std::int64_t{plan_.pipeline_parallel} + 1; pp <= most; ++pp) {
    if (!splits_by_itself(model_.layers, pp * virtual_stages)) continue;
    fitting.push_back(pp);
    break;
  }
  if (fitting.empty()) return {};
  return fmt::format(", or use pipeline_model_parallel_size {}", fmt::join(fitting, " or "));
}

void PlanChecker::check_layers_per_chunk() {
  const std::vector<int>& layers = plan_.layers_per_chunk;
  if (static_cast<std::int64_t>(layers.size()) != model_chunks())
    add("pp", fmt::format("layers_per_chunk has {} entries, but pipeline_model_parallel_size {} * "
                          "num_virtual_stages_per_pipeline_rank {} needs {}",
                          layers.size(), plan_.pipeline_parallel, plan_.virtual_stages, count_text(model_chunks())));
  check_empty_chunks(layers);
  std::int64_t sum = 0;
  for (int count : layers) sum += count;
  if (sum != model_.layers)
    add("pp", fmt::format("layers_per_chunk sums to {}, but the model has {} layers", sum, model_.layers));
}

// Chunks without decoder layers must hold something else: embedding, head or prediction modules.
void PlanChecker::check_empty_chunks(const std::vector<int>& layers) {
  for (std::size_t chunk = 0; chunk < layers.size(); ++chunk) {
    const bool predicts = model_.multi_token_prediction_layers > 0 && plan_.prediction_chunk >= 0 &&
                          chunk == static_cast<std::size_t>(plan_.prediction_chunk);
    const bool may_be_empty = chunk == 0 || chunk + 1 == layers.size() || predicts;
    if (layers[chunk] < 0 || (layers[chunk] == 0 && !may_be_empty))
      add("pp", fmt::format("layers_per_chunk gives chunk {} of {} {} layers; only the first and the last may be empty",
                            chunk, layers.size(), layers[chunk]));
  }
}

void PlanChecker::check_pipeline_ends() {
  if (model_.layers <= 0) return;
  const std::optional<std::vector<int>> split =
      split_layers(model_.layers, plan_.pipeline_parallel, plan_.virtual_stages, plan_.pipeline_ends);
  if (split) return check_empty_chunks(*split);
  const PipelineEnds& ends = plan_.pipeline_ends;
  std::string wishes;
  if (ends.first_layers) wishes += fmt::format(", decoder_first_pipeline_num_layers {}", *ends.first_layers);
  if (ends.last_layers) wishes += fmt::format(", decoder_last_pipeline_num_layers {}", *ends.last_layers);
  if (ends.embedding_counts) wishes += ", account_for_embedding_in_pipeline_split";
  if (ends.loss_counts) wishes += ", account_for_loss_in_pipeline_split";
  add("pp", fmt::format("{} layers do not split evenly over pipeline_model_parallel_size {} * "
                        "num_virtual_stages_per_pipeline_rank {} with {}; give layers_per_chunk",
                        model_.layers, plan_.pipeline_parallel, plan_.virtual_stages, wishes.substr(2)));
}

void PlanChecker::check_prediction_chunk() {
  if (plan_.prediction_chunk == -1) return;
  if (plan_.prediction_chunk < -1 || plan_.prediction_chunk >= model_chunks())
    add("pp", fmt::format("mtp_chunk {} is outside 0 to {}, the last model chunk", plan_.prediction_chunk,
                          model_chunks() - 1));
  else if (model_.multi_token_prediction_layers == 0)
    add("pp", fmt::format("mtp_chunk {} needs a model with mtp_num_layers", plan_.prediction_chunk));
}

void PlanChecker::check_schedule() {
  const ScheduleRow* row = find_schedule(plan_.schedule);
  if (!row)
    return add("schedule", fmt::format("there is no schedule '{}'; it is one of {}", plan_.schedule,
                                       fmt::join(schedule_names(), ", ")));
  schedule_fits_virtual_stages_ = check_virtual_stages(*row);
  if (row->sends_both_ways() && !plan_.overlap_p2p.value_or(true))
    add("schedule", fmt::format("schedule {} has neighbours send to each other at once; overlap_p2p_comm cannot be off",
                                row->name));
  const bool rank_ends = plan_.pipeline_ends.first_layers || plan_.pipeline_ends.last_layers;
  constexpr int v_shape = 2;  // a stage's second chunk lies at the other end of the model
  if (rank_ends && row->virtual_stages == v_shape)
    add("schedule", fmt::format("decoder_first/last_pipeline_num_layers do not say how schedule {} folds the layers; "
                                "give layers_per_chunk",
                                row->name));
}

bool PlanChecker::check_virtual_stages(const ScheduleRow& row) {
  const int given = plan_.virtual_stages, needed = row.virtual_stages;
  if (needed == 0 ? given > 1 : given == needed) return true;
  if (needed == 0)
    add("schedule", fmt::format("schedule {} needs num_virtual_stages_per_pipeline_rank > 1; with 1 it is {}", row.name,
                                row.name == "breadth-first" ? "gpipe" : "1f1b"));
  else if (needed == 1)
    add("schedule",
        fmt::format("num_virtual_stages_per_pipeline_rank {} needs schedule interleaved, not {}", given, row.name));
  else
    add("schedule",
        fmt::format("schedule {} needs num_virtual_stages_per_pipeline_rank {}, not {}", row.name, needed, given));
  return false;
}

void PlanChecker::check_pipeline_shape(int micro_batches) {
  const ScheduleRow& row = *find_schedule(plan_.schedule);
  const PipelineShape shape{.stages = plan_.pipeline_parallel,
                            .chunks = row.chunks(plan_.virtual_stages),
                            .micro_batches = micro_batches,
                            .group = plan_.interleave_group,
                            .pairs = plan_.overlap_expert_parallel};
  const std::string problem = row.problem(shape);
  if (problem.empty()) return;
  add("schedule", fmt::format("schedule {}: {} (micro-batches: global_batch_size {} / {} = {})", row.name, problem,
                              plan_.global_batch_size, plan_.global_batch_size / micro_batches, micro_batches));
}

}  // namespace trainyard
