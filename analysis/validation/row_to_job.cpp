#include "analysis/validation/row_to_job.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "analysis/validation/row_parts.hpp"

namespace trainyard {
namespace {

const SoftwareRule& software_of(const PublishedRun& run, const std::vector<SoftwareRule>& rules, row::Notes& notes) {
  const SoftwareRule* rule = software_rule_for(rules, run);
  if (!rule) throw row::RowSkipped{fmt::format("no stack profile for software '{}'", run.software)};
  if (!rule->skip.empty()) throw row::RowSkipped{rule->skip};
  if (!rule->note.empty()) notes.push_back(rule->note);
  return *rule;
}

// GPT models are trained with dropout where their stack does so; gated (Llama-like) ones and those whose preset has no
// linear biases (MPT) never are.
void settle_dropout(ModelShape& model, StackProfile& stack) {
  const bool dropout = stack.dropout && !model.gated_mlp && model.linear_bias;
  model.dropout = dropout ? 0.1 : 0.0;
  stack.dropout = dropout;
}

MappedRun mapped(const PublishedRun& run, const MappingRules& rules, const Presets& presets) {
  row::Notes notes;
  const SoftwareRule& software = software_of(run, rules.software, notes);
  ModelShape model = row::model_of(run, presets, notes);
  row::RowPlan plan = row::plan_of(run, software, model, notes);
  Cluster cluster = row::cluster_of(run, rules.hardware, presets, notes);
  Profile profile = row::profile_of(run, software, cluster, presets, notes);
  settle_dropout(model, profile.stack);
  return {.job = {.name = run.id,
                  .model = std::move(model),
                  .cluster = std::move(cluster),
                  .workload = plan.workload,
                  .plan = std::move(plan.plan),
                  .profile = std::move(profile),
                  .warnings = std::move(notes)},
          .time_scale = plan.time_scale};
}

}  // namespace

std::variant<MappedRun, Skipped> job_of(const PublishedRun& run, const MappingRules& rules, const Presets& presets) {
  try {
    return mapped(run, rules, presets);
  } catch (const row::RowSkipped& skipped) {
    return Skipped{skipped.reason};
  }
}

std::string published_plan(const PublishedRun& run) {
  const std::array<std::pair<std::string_view, std::optional<std::int64_t>>, 7> degrees = {{{"tp", run.tp},
                                                                                            {"pp", run.pp},
                                                                                            {"vpp", run.vpp},
                                                                                            {"cp", run.cp},
                                                                                            {"ep", run.ep},
                                                                                            {"dp", run.dp},
                                                                                            {"mbs", run.micro_batch}}};
  std::string words;
  for (const auto& [name, value] : degrees)
    if (value.value_or(1) > 1) words += fmt::format("{}{} {}", words.empty() ? "" : " ", name, *value);
  if (!run.recompute.empty() && run.recompute != "none") words += fmt::format(" {}", run.recompute);
  return words;
}

}  // namespace trainyard
