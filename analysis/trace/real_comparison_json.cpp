#include <nlohmann/json.hpp>

#include "analysis/trace/real_comparison.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

constexpr int schema_version = 1;

Json relative(Seconds predicted, Seconds measured) {
  return predicted.value == 0 ? Json(nullptr) : Json((measured - predicted) / predicted);
}

Json trace_object(const RealTrace& trace) {
  return {{"file", trace.file},
          {"rank", trace.rank.value_or(0)},
          {"rank_known", trace.rank.has_value()},
          {"device", trace.device_name},
          {"steps", trace.steps.size()},
          {"annotated_steps", trace.annotated_steps},
          {"first_step_dropped", trace.first_step_dropped},
          {"simulated", trace.simulated}};
}

Json term_object(const MeasuredTerm& term) {
  return {{"term", term.key},
          {"predicted_s", term.predicted.value},
          {"measured_s", term.measured.value},
          {"difference_s", term.difference().value},
          {"relative", relative(term.predicted, term.measured)}};
}

Json collective_object(const MeasuredCollective& line) {
  return {{"collective", line.key},
          {"predicted_busy_s", line.predicted.busy.value},
          {"measured_busy_s", line.measured.busy.value},
          {"predicted_exposed_s", line.predicted.exposed.value},
          {"measured_exposed_s", line.measured.exposed.value},
          {"predicted_calls", line.predicted.calls},
          {"measured_calls", line.measured.calls},
          {"relative", relative(line.predicted.busy, line.measured.busy)}};
}

Json other_object(const NamedTime& kernel, Seconds all) {
  return {{"name", kernel.name},
          {"time_s", kernel.time.value},
          {"calls", kernel.calls},
          {"share", all.value > 0 ? kernel.time / all : 0.0}};
}

}  // namespace

std::string real_comparison_json(const RealComparison& comparison) {
  Json object = {{"schema_version", schema_version}, {"scenario", comparison.scenario}};
  for (const char* list : {"traces", "terms", "collectives", "other_kernels"}) object[list] = Json::array();
  for (const RealTrace& trace : comparison.traces) object["traces"].push_back(trace_object(trace));
  for (const MeasuredTerm& term : comparison.terms) object["terms"].push_back(term_object(term));
  for (const MeasuredCollective& line : comparison.collectives)
    object["collectives"].push_back(collective_object(line));
  for (const NamedTime& kernel : comparison.other_kernels)
    object["other_kernels"].push_back(other_object(kernel, comparison.kernel_time));
  object["largest"] = comparison.largest;
  object["notes"] = comparison.notes;
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace trainyard
