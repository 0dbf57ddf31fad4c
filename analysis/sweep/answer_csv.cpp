#include <fmt/format.h>

#include "analysis/sweep/answer.hpp"

namespace trainyard {
namespace {

constexpr std::string_view header =
    "list,rank,index,plan,step_time_s,step_time_p10_s,step_time_p90_s,layer_step_time_s,fluid_step_time_s,mfu,"
    "tokens_per_s_per_gpu,peak_bytes,reserved_bytes,ties,key\n";

// RFC 4180: a field with a comma, a quote or a line break stands in quotes, its quotes doubled.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string best_row(const RankedPlan& p, std::size_t rank) {
  const std::string fluid = p.fluid_step_time ? fmt::format("{}", p.fluid_step_time->value) : "";
  return fmt::format("best,{},{},{},{},{},{},{},{},{},{},{:.0f},{:.0f},{},{}\n", rank, p.index, field(p.line),
                     p.step_time.value, p.step_time_p10.value, p.step_time_p90.value, p.layer_step_time.value, fluid,
                     p.mfu, p.tokens_per_second_per_gpu, p.peak.value, p.reserved.value, p.ties, field(p.key));
}

std::string pareto_row(const ParetoPlan& p, std::size_t rank) {
  return fmt::format("pareto,{},{},{},{},,,,,,,{:.0f},{:.0f},,\n", rank, p.index, field(p.line), p.step_time.value,
                     p.peak.value, p.reserved.value);
}

}  // namespace

std::string answer_csv(const SweepAnswer& answer) {
  std::string csv(header);
  for (std::size_t i = 0; i < answer.best.size(); ++i) csv += best_row(answer.best[i], i + 1);
  for (std::size_t i = 0; i < answer.pareto.size(); ++i) csv += pareto_row(answer.pareto[i], i + 1);
  return csv;
}

}  // namespace trainyard
