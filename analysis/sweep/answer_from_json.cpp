// answer_from_json of answer.hpp: the reader beside the writer in answer_json.cpp.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/report_json.hpp"
#include "analysis/sweep/answer.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::json;

// Every at() and get() throws a Json::exception where a key is missing or its value of another type; numbers of another
// kind would be converted, so they are asked for.
double number(const Json& object, const char* key) {
  const Json& value = object.at(key);
  if (!value.is_number()) throw InputError({}, fmt::format("'{}' is no number", key));
  return value.get<double>();
}

std::int64_t whole(const Json& object, const char* key) {
  const Json& value = object.at(key);
  if (!value.is_number_integer()) throw InputError({}, fmt::format("'{}' is no whole number", key));
  return value.get<std::int64_t>();
}

std::string text(const Json& object, const char* key) { return object.at(key).get<std::string>(); }
Seconds seconds(const Json& object, const char* key) { return Seconds(number(object, key)); }
Bytes bytes(const Json& object, const char* key) { return Bytes(number(object, key)); }
std::string line(const Json& object) { return text(object.at("plan"), "line"); }

std::optional<Seconds> optional_seconds(const Json& object, const char* key) {
  if (object.at(key).is_null()) return std::nullopt;
  return seconds(object, key);
}

// The elements of an array; an object has none.
const Json& array(const Json& object, const char* key) {
  const Json& value = object.at(key);
  if (!value.is_array()) throw InputError({}, fmt::format("'{}' is no list", key));
  return value;
}

Breakdown breakdown(const Json& b) {
  return {.compute = seconds(b, "compute"),
          .exposed_tp = seconds(b, "exposed_tp"),
          .exposed_cp = seconds(b, "exposed_cp"),
          .exposed_ep = seconds(b, "exposed_ep"),
          .exposed_pp = seconds(b, "exposed_pp"),
          .exposed_dp = seconds(b, "exposed_dp"),
          .bubble = seconds(b, "bubble"),
          .optimizer = seconds(b, "optimizer"),
          .other = seconds(b, "other")};
}

SweepCounts counts(const Json& object) {
  SweepCounts counts;
  counts.excluded = whole(object, "excluded");
  counts.infeasible = whole(object, "infeasible");
  counts.out_of_memory = whole(object, "out_of_memory");
  counts.same_placement = whole(object, "same_placement");
  counts.pruned = whole(object, "pruned");
  counts.evaluated = whole(object, "evaluated");
  const Json& reasons = object.at("infeasible_reasons");
  if (!reasons.is_object()) throw InputError({}, "'infeasible_reasons' is no object");
  for (const auto& [reason, plans] : reasons.items())
    counts.infeasible_reasons[reason] = whole(reasons, reason.c_str());
  return counts;
}

RankedPlan ranked(const Json& p) {
  return {.index = whole(p, "index"),
          .line = line(p),
          .key = text(p, "key"),
          .settings = array(p.at("plan"), "settings").get<std::vector<std::string>>(),
          .step_time = seconds(p, "step_time_s"),
          .step_time_p10 = seconds(p, "step_time_p10_s"),
          .step_time_p90 = seconds(p, "step_time_p90_s"),
          .layer_step_time = seconds(p, "layer_step_time_s"),
          .fluid_step_time = optional_seconds(p, "fluid_step_time_s"),
          .mfu = number(p, "mfu"),
          .tokens_per_second_per_gpu = number(p, "tokens_per_s_per_gpu"),
          .peak = bytes(p, "peak_bytes"),
          .reserved = bytes(p, "reserved_bytes"),
          .breakdown = breakdown(p.at("breakdown_s")),
          .ties = p.at("ties").get<bool>()};
}

ParetoPlan pareto(const Json& p) {
  return {whole(p, "index"), line(p), seconds(p, "step_time_s"), bytes(p, "peak_bytes"), bytes(p, "reserved_bytes")};
}

std::optional<PlacementWorth> placement(const Json& p) {
  if (p.is_null()) return std::nullopt;
  return PlacementWorth{static_cast<int>(whole(p, "different_variants")), text(p, "best"), text(p, "worst"),
                        seconds(p, "best_step_time_s"), seconds(p, "worst_step_time_s")};
}

Sensitivity sensitivity(const Json& s) {
  return {.change = text(s, "change"),
          .best_line = text(s, "best"),
          .step_time = optional_seconds(s, "step_time_s"),
          .gain = number(s, "gain"),
          .same_plan = s.at("same_plan").get<bool>(),
          .kept_plan_step = optional_seconds(s, "kept_plan_step_time_s")};
}

std::optional<ClosestPlan> closest(const Json& c) {
  if (c.is_null()) return std::nullopt;
  return ClosestPlan{line(c), bytes(c, "reserved_bytes")};
}

SweepAnswer answer_of(const Json& object) {
  if (whole(object, "schema_version") != json_schema_version) throw InputError({}, "of another schema_version");
  SweepAnswer answer;
  answer.name = text(object, "sweep");
  answer.model = text(object, "model");
  answer.cluster = text(object, "cluster");
  answer.gpus = static_cast<int>(whole(object, "gpus"));
  answer.memory_limit = bytes(object, "memory_limit_bytes");
  answer.counts = counts(object);
  for (const Json& p : array(object, "best")) answer.best.push_back(ranked(p));
  for (const Json& p : array(object, "pareto")) answer.pareto.push_back(pareto(p));
  answer.closest = closest(object.at("closest_to_fitting"));
  for (const Json& l : array(object, "launch_arguments"))
    answer.launch.push_back({text(l, "framework"), text(l, "text")});
  answer.runner_up = array(object, "why_runner_up_loses").get<std::vector<std::string>>();
  answer.placement = placement(object.at("placement"));
  for (const Json& s : array(object, "sensitivity")) answer.sensitivity.push_back(sensitivity(s));
  answer.warnings = array(object, "warnings").get<std::vector<std::string>>();
  answer.hash = text(object, "inputs_hash");
  answer.version = text(object, "version");
  return answer;
}

}  // namespace

SweepAnswer answer_from_json(const std::string& json) {
  const std::string what = "this is not the answer of a sweep";
  try {
    return answer_of(Json::parse(json));
  } catch (const Json::exception& error) {
    throw InputError({}, fmt::format("{}: {}", what, error.what()));
  } catch (const InputError& error) {
    throw InputError({}, fmt::format("{}: {}", what, error.message()));
  }
}

}  // namespace trainyard
