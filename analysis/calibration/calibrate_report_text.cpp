#include <fmt/format.h>

#include "analysis/calibration/calibrate_report.hpp"

namespace trainyard {
namespace {

constexpr std::size_t longest_value = 30;  // columns; surfaces and curves have hundreds of numbers
constexpr std::size_t shortest_source = 24;

std::string short_value(const std::string& value) {
  if (value.empty()) return "–";
  if (columns(value) <= longest_value) return value;
  std::size_t end = longest_value - 1;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0U) == 0x80U) --end;
  return value.substr(0, end) + "…";
}

std::string constants_table(const CalibratedProfile& profile, const TextStyle& style) {
  const std::string_view word = profile.kind == ProfileKind::device ? "device" : "network";
  std::string text = painted(fmt::format("{} profile, from {}", word, profile.base), Ink::strong, style) + "\n";
  if (profile.constants.empty()) return text + "  the measurements determine none of its constants\n";
  TextTable table({{"constant", Align::left},
                   {"before", Align::right},
                   {"now", Align::right},
                   {"residual", Align::left, true, shortest_source},
                   {"source", Align::left, true, shortest_source}});
  for (const CalibratedConstant& c : profile.constants)
    table.add({c.fitted.name, short_value(c.before), short_value(c.fitted.value), c.fitted.residual, c.fitted.source});
  return text + table.text(style);
}

std::string residuals_table(const std::vector<Residuals>& residuals, const TextStyle& style) {
  if (residuals.empty()) return {};
  TextTable table({{"predicted / measured", Align::left, false, shortest_source},
                   {"samples"},
                   {"seen by the fit", Align::left},
                   {"median"},
                   {"p90"},
                   {"bias"}});
  for (const Residuals& r : residuals)
    table.add({r.of, std::to_string(r.samples), r.held_out ? "no" : "yes", percent(r.median), percent(r.p90),
               signed_percent(r.bias)});
  return "\n" + painted("residuals", Ink::strong, style) + "\n" + table.text(style);
}

std::string notes_text(const std::vector<std::string>& notes, const TextStyle& style) {
  if (notes.empty()) return {};
  std::string text = "\n" + painted("notes", Ink::strong, style) + "\n";
  for (const std::string& note : notes) text += "  " + wrapped("· " + note, style.width - 2, "    ") + "\n";
  return text;
}

}  // namespace

std::string calibration_text(const Calibration& calibration, const TextStyle& style) {
  std::string text = constants_table(calibration.device, style);
  if (calibration.network) text += "\n" + constants_table(*calibration.network, style);
  text += residuals_table(calibration.residuals, style);
  text += notes_text(calibration.notes, style);
  return finished(std::move(text), style);
}

}  // namespace trainyard
