#include "analysis/validation/score_json.hpp"

#include <nlohmann/json.hpp>

namespace trainyard {

using Json = nlohmann::ordered_json;

namespace {

Json number(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

Json verdicts_json(const FitVerdicts& verdicts) {
  return {{"caught", verdicts.caught},
          {"missed", verdicts.missed},
          {"false_alarms", verdicts.false_alarms},
          {"fits", verdicts.fits},
          {"precision", number(verdicts.precision())},
          {"recall", number(verdicts.recall())},
          {"balanced_accuracy", number(verdicts.balanced_accuracy())}};
}

Json ranking_json(const std::optional<RankingScore>& ranking) {
  if (!ranking) return nullptr;
  return {{"jobs", ranking->jobs},
          {"plans", ranking->plans},
          {"kendall_tau", ranking->kendall_tau},
          {"regret", ranking->regret},
          {"worst_regret", ranking->worst_regret},
          {"random_regret", ranking->random_regret},
          {"choices_out_of_memory", ranking->choices_out_of_memory}};
}

Json group_json(const GroupScore& score) {
  Json skipped = Json::object();
  for (const auto& [reason, count] : score.skipped) skipped[reason] = count;
  return {{"group", score.group},
          {"rows", score.rows},
          {"predicted", score.predicted},
          {"skipped", skipped},
          {"step_time", errors_json(score.time)},
          {"peak_memory", errors_json(score.memory)},
          {"out_of_memory", verdicts_json(score.verdicts)},
          {"ranking", ranking_json(score.ranking)}};
}

}  // namespace

Json errors_json(const std::optional<ErrorStatistics>& errors) {
  if (!errors) return nullptr;
  return {{"rows", errors->count}, {"mape", errors->mape},   {"median", errors->median},          {"p90", errors->p90},
          {"bias", errors->bias},  {"worst", errors->worst}, {"worst_error", errors->worst_error}};
}

Json score_object(const std::vector<GroupScore>& groups) {
  Json list = Json::array();
  for (const GroupScore& group : groups) list.push_back(group_json(group));
  return {{"schema_version", 1}, {"groups", list}, {"macro", group_json(macro_mean(groups))}};
}

std::string json_text(const Json& object) { return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string score_json(const std::vector<GroupScore>& groups) { return json_text(score_object(groups)); }

}  // namespace trainyard
