#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "analysis/job/job_report.hpp"
#include "analysis/job/job_words.hpp"
#include "analysis/version.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

// Nine significant digits: beyond that, mathematical libraries differ between machines.
Json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.9g}", value).c_str(), nullptr);
}
Json number(Seconds time) { return number(time.value); }
template <class Value>
Json number(const std::optional<Value>& value) {
  return value ? number(*value) : Json(nullptr);
}

Json step_object(const JobRequest& request, const JobResult& r) {
  return {{"predicted_s", number(request.step.step_time)},
          {"mean_s", number(r.step.mean)},
          {"p50_s", number(r.step.p50)},
          {"p95_s", number(r.step.p95)},
          {"tokens", number(request.step.tokens_per_step)},
          {"slowdown", number(r.step.mean / request.step.step_time)}};
}

Json checkpoint_object(const JobRequest& request, const JobResult& r) {
  return {{"mode", name(request.reliability.checkpoint_mode)},
          {"bytes", number(request.step.checkpoint_bytes.value)},
          {"stall_s", number(r.checkpoint.stall)},
          {"upload_s", number(r.checkpoint.upload)},
          {"load_s", number(r.checkpoint.load)},
          {"interval_rule", name(request.interval.rule)},
          {"interval_s", number(r.interval)},
          {"interval_steps", r.checkpoint_every_steps},
          {"young_interval_s", number(r.young)},
          {"daly_interval_s", number(r.daly)},
          {"optimal_interval_s", number(r.optimal)}};
}

Json times_object(const JobTimes& times) {
  return {{"useful", number(times.useful)},
          {"stragglers", number(times.stragglers)},
          {"checkpoint_stalls", number(times.checkpoint_stalls)},
          {"lost_work", number(times.lost_work)},
          {"restarts", number(times.restarts)},
          {"waiting_for_nodes", number(times.waiting_for_nodes)}};
}

Json intervals_array(const JobResult& r) {
  Json array = Json::array();
  for (const IntervalCost& cost : r.intervals)
    array.push_back({{"interval", cost.label},
                     {"work_s", number(cost.work)},
                     {"steps", cost.steps},
                     {"expected_duration_s", number(cost.duration)},
                     {"expected_goodput", number(cost.goodput)}});
  return array;
}

Json experiments_array(const JobResult& r) {
  Json array = Json::array();
  for (const JobExperiment& e : r.experiments)
    array.push_back({{"change", e.change}, {"setting", e.setting}, {"expected_duration_s", number(e.duration)}});
  return array;
}

Json profile_object(const ReliabilityProfile& profile) {
  Json constants = Json::array();
  for (const Provenance& p : profile.provenance)
    constants.push_back({{"constant", p.constant}, {"value", p.value}, {"source", p.source}, {"sources", p.sources}});
  return {{"name", profile.name}, {"constants", std::move(constants)}};
}

void add_answer(Json& object, const JobResult& r) {
  object["duration_days"] = number(in_days(r.duration));
  object["duration_p10_days"] = number(in_days(r.duration_p10));
  object["duration_p50_days"] = number(in_days(r.duration_p50));
  object["duration_p90_days"] = number(in_days(r.duration_p90));
  object["duration_standard_error_days"] = number(in_days(r.duration_standard_error));
  object["goodput"] = number(r.goodput);
  object["ettr"] = number(r.ettr);
  object["times_s"] = times_object(r.times);
  object["failures"] = number(r.failures);
  object["gpu_hours"] = number(r.gpu_hours);
  object["cost"] = number(r.cost);
  object["model_tflops_per_gpu"] = number(r.model_flops_per_gpu.value / 1e12);
  object["intervals"] = intervals_array(r);
  object["experiments"] = experiments_array(r);
  object["next_experiment"] = r.experiments.empty() ? Json(nullptr) : object["experiments"].front();
}

}  // namespace

std::string job_json(const JobHeading& heading, const JobRequest& request, const JobResult& result) {
  Json object = {{"schema_version", job_json_schema_version},
                 {"finishes", result.finishes},
                 {"why_not", result.finishes ? Json(nullptr) : Json(result.why_not)},
                 {"scenario", heading.scenario},
                 {"model", heading.model},
                 {"cluster", heading.cluster},
                 {"gpus", request.step.gpus},
                 {"tokens", number(request.tokens)},
                 {"steps", result.steps},
                 {"step", step_object(request, result)},
                 {"mttf_s", number(result.mttf)},
                 {"restart_s", number(result.restart)},
                 {"checkpoint", checkpoint_object(request, result)},
                 {"spare_nodes", result.spare_nodes ? Json(*result.spare_nodes) : Json(nullptr)},
                 {"node_shortage_probability", number(result.node_shortage)},
                 {"expected_duration_days", number(in_days(result.expected))},
                 {"expected_goodput", number(result.expected_goodput)}};
  if (result.finishes) add_answer(object, result);
  object["seed"] = request.seed;
  object["replicas"] = request.replicas;
  object["reliability"] = profile_object(request.reliability);
  object["warnings"] = heading.warnings;
  object["version"] = version();
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace trainyard
