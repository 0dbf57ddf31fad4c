#include <nlohmann/json.hpp>

#include "analysis/calibration/calibrate_report.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

Json profile_json(const CalibratedProfile& profile) {
  Json constants = Json::array();
  for (const CalibratedConstant& c : profile.constants)
    constants.push_back({{"name", c.fitted.name},
                         {"before", c.before.empty() ? Json() : Json(c.before)},
                         {"value", c.fitted.value},
                         {"source", c.fitted.source},
                         {"residual", c.fitted.residual}});
  return {{"base", profile.base}, {"constants", std::move(constants)}};
}

Json residuals_json(const std::vector<Residuals>& residuals) {
  Json list = Json::array();
  for (const Residuals& r : residuals)
    list.push_back({{"of", r.of},
                    {"samples", r.samples},
                    {"held_out", r.held_out},
                    {"median", r.median},
                    {"p90", r.p90},
                    {"bias", r.bias}});
  return list;
}

}  // namespace

std::string calibration_json(const Calibration& calibration) {
  const Json json{{"schema_version", 1},
                  {"device", profile_json(calibration.device)},
                  {"network", calibration.network ? profile_json(*calibration.network) : Json()},
                  {"residuals", residuals_json(calibration.residuals)},
                  {"notes", calibration.notes}};
  // Names of files and of GPUs may hold bytes that are not UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace trainyard
