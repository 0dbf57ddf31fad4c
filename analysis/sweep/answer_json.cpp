#include <nlohmann/json.hpp>

#include "analysis/report_json.hpp"
#include "analysis/sweep/answer.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

Json seconds(const std::optional<Seconds>& time) { return time ? Json(time->value) : Json(nullptr); }

Json breakdown_object(const Breakdown& b) {
  return {{"compute", b.compute.value},       {"exposed_tp", b.exposed_tp.value}, {"exposed_cp", b.exposed_cp.value},
          {"exposed_ep", b.exposed_ep.value}, {"exposed_pp", b.exposed_pp.value}, {"exposed_dp", b.exposed_dp.value},
          {"bubble", b.bubble.value},         {"optimizer", b.optimizer.value},   {"other", b.other.value}};
}

void add_counts(Json& object, const SweepCounts& counts) {
  object["enumerated"] = counts.total();
  object["excluded"] = counts.excluded;
  object["infeasible"] = counts.infeasible;
  object["infeasible_reasons"] = Json::object();
  for (const auto& [reason, plans] : counts.infeasible_reasons) object["infeasible_reasons"][reason] = plans;
  object["out_of_memory"] = counts.out_of_memory;
  object["same_placement"] = counts.same_placement;
  object["pruned"] = counts.pruned;
  object["evaluated"] = counts.evaluated;
}

Json ranked_object(const RankedPlan& plan, std::size_t rank) {
  return {{"rank", rank},
          {"index", plan.index},
          {"plan", {{"line", plan.line}, {"settings", plan.settings}}},
          {"step_time_s", plan.step_time.value},
          {"step_time_p10_s", plan.step_time_p10.value},
          {"step_time_p90_s", plan.step_time_p90.value},
          {"layer_step_time_s", plan.layer_step_time.value},
          {"fluid_step_time_s", seconds(plan.fluid_step_time)},
          {"mfu", plan.mfu},
          {"tokens_per_s_per_gpu", plan.tokens_per_second_per_gpu},
          {"peak_bytes", plan.peak.value},
          {"reserved_bytes", plan.reserved.value},
          {"breakdown_s", breakdown_object(plan.breakdown)},
          {"ties", plan.ties},
          {"key", plan.key}};
}

Json best_array(const std::vector<RankedPlan>& best) {
  Json array = Json::array();
  for (std::size_t i = 0; i < best.size(); ++i) array.push_back(ranked_object(best[i], i + 1));
  return array;
}

Json pareto_array(const std::vector<ParetoPlan>& front) {
  Json array = Json::array();
  for (const ParetoPlan& plan : front)
    array.push_back({{"index", plan.index},
                     {"plan", {{"line", plan.line}}},
                     {"step_time_s", plan.step_time.value},
                     {"peak_bytes", plan.peak.value},
                     {"reserved_bytes", plan.reserved.value}});
  return array;
}

Json launch_array(const std::vector<LaunchArguments>& launch) {
  Json array = Json::array();
  for (const LaunchArguments& l : launch) array.push_back({{"framework", l.framework}, {"text", l.text}});
  return array;
}

Json placement_object(const std::optional<PlacementWorth>& worth) {
  if (!worth) return nullptr;
  return {{"different_variants", worth->variants},
          {"best", worth->best},
          {"best_step_time_s", worth->best_step.value},
          {"worst", worth->worst},
          {"worst_step_time_s", worth->worst_step.value}};
}

Json sensitivity_array(const std::vector<Sensitivity>& sensitivity) {
  Json array = Json::array();
  for (const Sensitivity& s : sensitivity)
    array.push_back({{"change", s.change},
                     {"best", s.best_line},
                     {"step_time_s", seconds(s.step_time)},
                     {"gain", s.gain},
                     {"same_plan", s.same_plan},
                     {"kept_plan_step_time_s", seconds(s.kept_plan_step)}});
  return array;
}

Json closest_object(const std::optional<ClosestPlan>& closest) {
  if (!closest) return nullptr;
  return {{"plan", {{"line", closest->line}}}, {"reserved_bytes", closest->reserved.value}};
}

}  // namespace

std::string answer_json(const SweepAnswer& answer) {
  Json object = {{"schema_version", json_schema_version},
                 {"sweep", answer.name},
                 {"model", answer.model},
                 {"cluster", answer.cluster},
                 {"gpus", answer.gpus},
                 {"memory_limit_bytes", answer.memory_limit.value}};
  add_counts(object, answer.counts);
  object["tie_ratio"] = tie_ratio;
  object["best"] = best_array(answer.best);
  object["pareto"] = pareto_array(answer.pareto);
  object["closest_to_fitting"] = closest_object(answer.closest);
  object["launch_arguments"] = launch_array(answer.launch);
  object["why_runner_up_loses"] = answer.runner_up;
  object["placement"] = placement_object(answer.placement);
  object["sensitivity"] = sensitivity_array(answer.sensitivity);
  object["warnings"] = answer.warnings;
  object["inputs_hash"] = answer.hash;
  object["version"] = answer.version;
  // Names of the user's files may hold bytes that are not UTF-8.
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace trainyard
