#include "analysis/validation/residual_json.hpp"

#include <nlohmann/json.hpp>

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

Json stack_json(const StackCoverage& c) {
  return {{"stack", c.stack},
          {"rows", c.rows},
          {"inside", c.inside},
          {"step_time_p10", c.p10},
          {"step_time_p90", c.p90},
          {"measured_p10", c.measured_p10},
          {"measured_p90", c.measured_p90}};
}

}  // namespace

Json patterns_json(const std::vector<ResidualPattern>& patterns) {
  Json list = Json::array();
  for (const ResidualPattern& p : patterns)
    list.push_back({{"group", p.group.empty() ? Json(nullptr) : Json(p.group)},
                    {"conditions", p.condition},
                    {"share", p.share},
                    {"bias", p.bias},
                    {"beyond", p.beyond},
                    {"mape", p.mape},
                    {"surprise", p.surprise},
                    {"rows", p.ids}});
  return list;
}

Json axes_json(const std::vector<AxisValue>& values) {
  Json list = Json::array();
  for (const AxisValue& v : values)
    list.push_back({{"axis", v.axis},
                    {"value", v.value},
                    {"rows", v.rows},
                    {"groups", v.groups},
                    {"mape", v.mape},
                    {"bias", v.bias},
                    {"within", v.within},
                    {"surprise", v.surprise}});
  return list;
}

Json coverage_json(const std::vector<ValidatedRun>& rows) {
  Json stacks = Json::array();
  for (const StackCoverage& c : coverage_by_stack(rows)) stacks.push_back(stack_json(c));
  const std::optional<StackCoverage> all = coverage(rows);
  return {{"all", all ? stack_json(*all) : Json(nullptr)}, {"stacks", stacks}};
}

}  // namespace trainyard
