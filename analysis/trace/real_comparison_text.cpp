#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/trace/real_comparison.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_other_kernels = 5;
constexpr std::size_t longest_name = 60;
constexpr double worth_listing = 0.001;  // of the kernels' time

std::string difference(Seconds predicted, Seconds measured, const TimeScale& scale) {
  const Seconds size(std::fabs((measured - predicted).value));
  if (scale.with_unit(size) == scale.with_unit(Seconds(0))) return "=";
  return fmt::format("{}{}", measured < predicted ? "−" : "+", scale.with_unit(size));
}

std::string relative(Seconds predicted, Seconds measured, const TimeScale& scale) {
  if (predicted.value == 0 || difference(predicted, measured, scale) == "=") return {};
  return signed_percent((measured - predicted) / predicted);
}

std::string heading(const RealComparison& comparison, const TextStyle& style) {
  std::string text = comparison.scenario + " against ";
  for (std::size_t i = 0; i < comparison.traces.size(); ++i) {
    const RealTrace& trace = comparison.traces[i];
    text += fmt::format("{}{} (rank {}{}{})", i == 0 ? "" : ", ", trace.file, trace.rank.value_or(0),
                        trace.device_name.empty() ? "" : ", ", trace.device_name);
  }
  return wrapped(text, style.width, "  ") + "\n\n";
}

std::string terms_table(const RealComparison& comparison, const TimeScale& scale, const TextStyle& style) {
  TextTable table({{"", Align::left}, {"predicted"}, {"measured"}, {"difference"}, {""}});
  for (const MeasuredTerm& term : comparison.terms)
    table.add({std::string(2 * static_cast<std::size_t>(term.level), ' ') + term.title, scale.with_unit(term.predicted),
               scale.with_unit(term.measured), difference(term.predicted, term.measured, scale),
               relative(term.predicted, term.measured, scale)},
              term.level == 0 ? Ink::strong : Ink::plain);
  return table.text(style);
}

std::string collectives_table(const RealComparison& comparison, const TimeScale& scale, const TextStyle& style) {
  if (comparison.collectives.empty()) return {};
  TextTable table({{"communication, hidden or not", Align::left},
                   {"predicted"},
                   {"measured"},
                   {"difference"},
                   {""},
                   {"calls predicted", Align::right, true},
                   {"calls measured", Align::right, true}});
  for (const MeasuredCollective& line : comparison.collectives)
    table.add({line.title, scale.with_unit(line.predicted.busy), scale.with_unit(line.measured.busy),
               difference(line.predicted.busy, line.measured.busy, scale),
               relative(line.predicted.busy, line.measured.busy, scale), fmt::format("{:g}", line.predicted.calls),
               fmt::format("{:g}", line.measured.calls)});
  return "\n" + table.text(style);
}

std::string other_kernels(const RealComparison& comparison, const TextStyle& style) {
  TextTable table({{"kernels of no family known here", Align::left}, {"of all kernel time"}, {"calls"}});
  bool any = false;
  for (std::size_t i = 0; i < std::min(most_other_kernels, comparison.other_kernels.size()); ++i) {
    const NamedTime& kernel = comparison.other_kernels[i];
    const double share = comparison.kernel_time.value > 0 ? kernel.time / comparison.kernel_time : 0.0;
    if (share < worth_listing) break;
    any = true;
    std::string title = kernel.name.substr(0, longest_name);
    for (char& c : title)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    table.add({title, percent(share), fmt::format("{}", kernel.calls)});
  }
  return any ? "\n" + table.text(style) : std::string{};
}

std::string notes(const RealComparison& comparison, const TextStyle& style) {
  std::string text = "\n";
  for (const std::string& note : comparison.notes) text += wrapped("· " + note, style.width, "  ") + "\n";
  const bool real = std::any_of(comparison.traces.begin(), comparison.traces.end(),
                                [](const RealTrace& trace) { return !trace.simulated; });
  if (real)
    text += wrapped(
                "· a real collective's kernel also spins while it waits for its peers: what the prediction calls idle "
                "(the bubble, slower ranks) may be measured as exposed communication",
                style.width, "  ") +
            "\n";
  return painted(text, Ink::faint, style);
}

}  // namespace

std::string real_comparison_text(const RealComparison& comparison, const TextStyle& style) {
  Seconds longest{};
  for (const MeasuredTerm& term : comparison.terms) longest = std::max({longest, term.predicted, term.measured});
  const TimeScale scale = TimeScale::at_most_milliseconds(longest);
  std::string text = heading(comparison, style) + terms_table(comparison, scale, style) +
                     collectives_table(comparison, scale, style) + other_kernels(comparison, style);
  text += "\n" + painted(wrapped(comparison.largest, style.width, ""), Ink::strong, style) + "\n";
  text += notes(comparison, style);
  return finished(std::move(text), style);
}

}  // namespace trainyard
