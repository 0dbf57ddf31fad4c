#include "analysis/report/sweep_data_json.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "analysis/report/chart_number.hpp"
#include "analysis/report/picture_svg.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

Json point(Bytes memory, Seconds time, const TimeUnit& unit, const std::string& name) {
  return {rounded(in_gib(memory)), rounded(time.value / unit.seconds), name};
}

// Without the words that say nothing of a plan but that it is one like the others.
std::string short_key(const std::string& key) {
  const std::size_t end = key.find(" order=");
  return key.substr(0, end);
}

Json pareto_object(const SweepAnswer& answer, const std::vector<EvaluatedPlan>& simulated, const TimeUnit& unit) {
  Json plans = Json::array(), front = Json::array();
  std::set<PlanIndex> on_front;
  for (const ParetoPlan& p : answer.pareto) {
    on_front.insert(p.index);
    front.push_back(point(p.peak, p.step_time, unit, p.line));
  }
  for (const EvaluatedPlan& p : simulated)
    if (!on_front.contains(p.index)) plans.push_back(point(p.peak, p.step_time, unit, short_key(p.key)));
  Json object = {{"unit", unit.name}, {"limit", in_gib(answer.memory_limit)}, {"plans", plans}, {"front", front}};
  if (!answer.best.empty()) {
    const RankedPlan& best = answer.best.front();
    object["best"] = point(best.peak, best.step_time, unit, best.line);
  }
  return object;
}

Json axes_object(const std::vector<EvaluatedPlan>& simulated, const std::vector<SweptSetting>& settings,
                 const TimeUnit& unit) {
  if (settings.size() < 2) return nullptr;
  Json axes = Json::array(), plans = Json::array();
  for (const SweptSetting& s : settings) axes.push_back({{"name", s.name}, {"values", s.values}});
  for (std::size_t i = 0; i < simulated.size(); ++i) {
    Json plan = {rounded(simulated[i].step_time.value / unit.seconds)};
    for (const SweptSetting& s : settings) plan.push_back(s.of_plan[i]);
    plans.push_back(std::move(plan));
  }
  const SettingPair shown = first_pair(settings);
  return {{"unit", unit.name}, {"row", shown.row}, {"column", shown.column}, {"axes", axes}, {"plans", plans}};
}

}  // namespace

std::string sweep_chart_data(const SweepAnswer& answer, const std::vector<EvaluatedPlan>& simulated,
                             const std::vector<SweptSetting>& settings) {
  if (answer.pareto.empty()) return {};
  const TimeUnit unit = unit_for(answer.best.empty() ? answer.pareto.front().step_time : answer.best.front().step_time);
  const Json data = {{"pareto", pareto_object(answer, simulated, unit)},
                     {"axes", axes_object(simulated, settings, unit)}};
  return data.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace trainyard
