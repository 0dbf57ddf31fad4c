// The pipeline and recomputation keys of plan_yaml_parts.hpp.
#include <fmt/format.h>

#include <limits>

#include "models/check_shape.hpp"
#include "sim/plan/megatron_patterns.hpp"
#include "sim/plan/plan_yaml_parts.hpp"
#include "sim/plan/schedule.hpp"

namespace trainyard::plan_keys {
namespace {

constexpr int largest_size = std::numeric_limits<int>::max();

void read_layer_list(const YamlValue& layers, Plan& plan) {
  for (const YamlValue& entry : layers.as_sequence())
    plan.layers_per_chunk.push_back(static_cast<int>(entry.as_int(0, largest_size)));
  if (plan.layers_per_chunk.empty()) layers.fail(fmt::format("{} is empty", layers.path()), "leave it out");
}

// Megatron's layout says the number of chunks, so that the virtual stages follow from it.
void read_layout(const YamlValue& text, bool virtual_stages_given, Plan& plan) {
  const std::optional<PipelineLayout> layout = pipeline_layout(text.as_string());
  if (!layout)
    text.fail(fmt::format("{} '{}' is no pipeline layout", text.path(), text.as_string()),
              "E, t per layer, m per prediction layer, L, a bar between chunks, as in \"Et|(tt|)*3,t||L\"");
  const auto chunks = static_cast<std::int64_t>(layout->layers.size());
  if (chunks % plan.pipeline_parallel != 0)
    text.fail(fmt::format("{} has {} chunks, which is no multiple of pipeline_model_parallel_size {}", text.path(),
                          chunks, plan.pipeline_parallel));
  const std::int64_t virtual_stages = chunks / plan.pipeline_parallel;
  if (virtual_stages_given && virtual_stages != plan.virtual_stages)
    text.fail(fmt::format("{} has {} chunks for each of {} pipeline ranks, but num_virtual_stages_per_pipeline_rank is "
                          "{}",
                          text.path(), virtual_stages, plan.pipeline_parallel, plan.virtual_stages),
              "the layout alone is enough");
  plan.virtual_stages = static_cast<int>(virtual_stages);
  plan.layers_per_chunk = layout->layers;
  const std::optional<int> predictions = layout->prediction_chunk();
  if (!predictions)
    text.fail(fmt::format("{} has prediction layers in several chunks, which is not expressible", text.path()),
              "put every m into one chunk");
  plan.prediction_chunk = *predictions;
}

void read_ends(YamlMapping& mapping, Plan& plan) {
  PipelineEnds& ends = plan.pipeline_ends;
  std::optional<YamlValue> last_given;
  const auto layers = [&](std::string_view key, std::optional<int>& count) {
    const auto value = mapping.optional(key);
    if (!value) return;
    count = static_cast<int>(value->as_int(0, max_model_layers));
    last_given = value;
  };
  const auto flag = [&](std::string_view key, bool& counts) {
    const auto value = mapping.optional(key);
    if (!value) return;
    counts = value->as_bool();
    if (counts) last_given = value;
  };
  layers("decoder_first_pipeline_num_layers", ends.first_layers);
  layers("decoder_last_pipeline_num_layers", ends.last_layers);
  flag("account_for_embedding_in_pipeline_split", ends.embedding_counts);
  flag("account_for_loss_in_pipeline_split", ends.loss_counts);
  if (last_given && !plan.layers_per_chunk.empty())
    last_given->fail(fmt::format("{} beside a list of the layers of each chunk", last_given->path()),
                     "the list says it all");
  if ((ends.first_layers || ends.last_layers) && (ends.embedding_counts || ends.loss_counts))
    last_given->fail("decoder_first/last_pipeline_num_layers and account_for_… exclude each other",
                     "give the layers of the ends, or let embedding and loss count");
}

void read_prediction_chunk(YamlMapping& mapping, Plan& plan) {
  const auto chunk = mapping.optional("mtp_chunk");
  if (!chunk) return;
  const int given = static_cast<int>(chunk->as_int(0, largest_size));
  if (plan.prediction_chunk >= 0 && plan.prediction_chunk != given)
    chunk->fail(
        fmt::format("{} is {}, but the layout has its m in chunk {}", chunk->path(), given, plan.prediction_chunk));
  plan.prediction_chunk = given;
}

void read_layers(YamlMapping& mapping, bool virtual_stages_given, Plan& plan) {
  const auto list = mapping.optional_of({"layers_per_chunk", "pipeline_layout"});
  const auto layout = mapping.optional("pipeline_model_parallel_layout");
  if (list && layout)
    layout->fail(fmt::format("{} and {} say the same", layout->path(), list->path()), "one of the two is enough");
  if (list) read_layer_list(*list, plan);
  if (layout) read_layout(*layout, virtual_stages_given, plan);
  read_prediction_chunk(mapping, plan);
  read_ends(mapping, plan);
}

void read_schedule(YamlMapping& mapping, bool virtual_stages_given, Plan& plan) {
  if (const auto word = mapping.optional("schedule")) {
    plan.schedule = word->as_choice(schedule_names());
    constexpr int v_shape = 2;  // schedules whose stages hold exactly two chunks leave no choice
    if (!virtual_stages_given && plan.virtual_stages == 1 && find_schedule(plan.schedule)->virtual_stages == v_shape)
      plan.virtual_stages = v_shape;
  } else {
    plan.schedule = plan.virtual_stages > 1 ? "interleaved" : "1f1b";
  }
  read_size(mapping, {"microbatch_group_size_per_vp_stage"}, plan.interleave_group);
  read_switch(mapping, "optimizer_post_validation", plan.optimizer_post_validation);
}

std::uint32_t modules_of(const YamlValue& list) {
  std::uint32_t modules = 0;
  for (const YamlValue& word : list.as_sequence()) {
    const RecomputeModule module = *recompute_module_from(word.as_choice(recompute_module_names()));
    if ((modules & module) != 0) word.fail(fmt::format("{} names {} twice", list.path(), name(module)));
    modules |= module;
  }
  if (modules == 0) list.fail(fmt::format("{} is empty", list.path()), "recompute_granularity: none says that");
  return modules;
}

}  // namespace

void read_pipeline(YamlMapping& mapping, Plan& plan) {
  const auto virtual_stages = mapping.optional_of({"num_virtual_stages_per_pipeline_rank", "vpp"});
  if (virtual_stages) plan.virtual_stages = size_of(*virtual_stages);
  read_layers(mapping, virtual_stages.has_value(), plan);
  read_schedule(mapping, virtual_stages.has_value(), plan);
}

void read_recompute(YamlMapping& mapping, Plan& plan) {
  if (const auto kind = mapping.optional("recompute_granularity"))
    plan.recompute = *recompute_from(kind->as_choice(recompute_names()));
  if (const auto modules = mapping.optional("recompute_modules")) plan.recompute_modules = modules_of(*modules);
  if (const auto method = mapping.optional("recompute_method"))
    plan.recompute_method = *recompute_method_from(method->as_choice(recompute_method_names()));
  if (const auto layers = mapping.optional("recompute_num_layers"))
    plan.recompute_layers = static_cast<int>(layers->as_int(1, max_model_layers));
}

}  // namespace trainyard::plan_keys
