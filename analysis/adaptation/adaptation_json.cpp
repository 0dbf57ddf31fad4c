#include "analysis/adaptation/adaptation_json.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/adaptation/own_runs_text.hpp"
#include "analysis/validation/score_json.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

Json score_of(const LeftOutScore& score) {
  return {{"group", score.group},
          {"rows", score.rows},
          {"tuned", errors_json(score.tuned)},
          {"prior", errors_json(score.prior)},
          {"left_out", errors_json(score.left_out)},
          {"three_rows", errors_json(score.three_rows)},
          {"learnt_here_only", score.learnt_here_only}};
}

Json constant_json(const AdaptableConstant& c) {
  return {{"part", std::string(name(c.id.part))},
          {"set_by", c.id.set_by},
          {"constant", c.id.constant},
          {"value", c.value},
          {"unit", c.unit},
          {"sources", c.sources},
          {"prior", c.value * std::exp(c.centre)},
          {"spread", c.spread}};
}

}  // namespace

Json leave_one_out_json(const LeaveOneOut& study) {
  Json groups = Json::array(), constants = Json::array();
  for (const LeftOutScore& score : study.groups) groups.push_back(score_of(score));
  for (const FittedToAll& c : study.constants) {
    Json& one = constants.emplace_back(constant_json(c.constant));
    one["fitted"] = c.constant.value * std::exp(c.fitted);
    one["fitted_spread"] = c.posterior;
  }
  return {{"groups", groups},
          {"mean", study.groups.empty() ? Json(nullptr) : score_of(mean_of(study.groups))},
          {"constants", constants}};
}

Json own_runs_json(const OwnRuns& result) {
  Json rows = Json::array(), constants = Json::array();
  for (const OwnRow& row : result.rows)
    rows.push_back({{"id", row.id},
                    {"measured_s", row.measured.value},
                    {"before_s", row.before.value},
                    {"after_s", row.after.value},
                    {"taught", row.taught ? Json(to_text(*row.taught)) : Json(nullptr)},
                    {"taught_factor", std::exp(row.taught_change)}});
  for (const OwnConstant& c : result.constants) {
    Json& one = constants.emplace_back(constant_json(c.constant));
    one["adapted"] = c.constant.value * std::exp(c.adapted);
    one["adapted_spread"] = c.posterior;
    one["rows"] = c.rows;
    one["learnt"] = c.learnt;
    one["moved"] = c.moved;
    one["reason"] = c.learnt ? Json(nullptr) : Json(not_learnt_because(c));
  }
  return {{"schema_version", 1}, {"rows", rows}, {"constants", constants}, {"notes", result.notes}};
}

}  // namespace trainyard
