#include "analysis/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/memory_text.hpp"
#include "analysis/plan_words.hpp"

namespace trainyard {
namespace {

std::string number(TermKind kind, double value, const TimeScale& scale) {
  switch (kind) {
    case TermKind::time:
    case TermKind::part_of_time:
      return scale.with_unit(Seconds(value));
    case TermKind::gibibytes:
      return fmt::format("{:.2f} GiB", value);
    case TermKind::rate:
      return fmt::format("{:.1f}", value);
    case TermKind::fraction:
      return percent(value);
  }
  return {};
}

// "=" where both sides print alike.
std::string difference(const ComparedTerm& term, const TimeScale& scale) {
  if (number(term.kind, std::fabs(term.delta()), scale) == number(term.kind, 0.0, scale)) return "=";
  if (term.kind == TermKind::fraction) {
    const double points = term.delta() * 100.0;
    return fmt::format("{}{:.1f} points", points < 0 ? "−" : "+", std::fabs(points));
  }
  return fmt::format("{}{}", term.delta() < 0 ? "−" : "+", number(term.kind, std::fabs(term.delta()), scale));
}

std::string scenario_line(std::string_view letter, const ComparedStep& side, const TextStyle& style) {
  const std::string text = fmt::format("{}: {} on {} × {}, {}", side.job->name, side.job->model.name,
                                       side.job->cluster.nodes, side.job->cluster.name, plan_line(side.step->plan));
  const MemoryLedger& memory = side.step->result.memory;
  std::string lines =
      fmt::format("{}  {}\n", painted(letter, Ink::accent, style), wrapped(text, style.width - 3, "   "));
  if (!memory.fits) lines += fmt::format("   {}\n", painted(memory_verdict(memory), Ink::bad, style));
  return lines;
}

std::string verdict(Seconds a, Seconds b) {
  if (!(a.value > 0) || !(b.value > 0)) return "no verdict: a step time is zero";
  const double ratio = a / b;
  if (std::fabs(ratio - 1.0) < 5e-4) return "both take the same time";
  return ratio > 1.0 ? fmt::format("B is {:.2f}× as fast as A", ratio)
                     : fmt::format("A is {:.2f}× as fast as B", 1.0 / ratio);
}

}  // namespace

std::optional<double> ComparedTerm::relative() const {
  if (a == 0.0) return std::nullopt;
  return (b - a) / a;
}

std::vector<ComparedTerm> comparison(const StepResult& a, const StepResult& b) {
  const auto part = [&](std::string key, std::string title, Seconds Breakdown::*field) {
    return ComparedTerm{std::move(key), std::move(title), TermKind::part_of_time, (a.breakdown.*field).value,
                        (b.breakdown.*field).value};
  };
  return {
      {"step_time_s", "step time", TermKind::time, a.step_time.value, b.step_time.value},
      part("compute_s", "compute", &Breakdown::compute),
      part("exposed_tp_s", "exposed tensor parallel", &Breakdown::exposed_tp),
      part("exposed_cp_s", "exposed context parallel", &Breakdown::exposed_cp),
      part("exposed_ep_s", "exposed expert parallel", &Breakdown::exposed_ep),
      part("exposed_pp_s", "exposed pipeline transfers", &Breakdown::exposed_pp),
      part("exposed_dp_s", "exposed data parallel", &Breakdown::exposed_dp),
      part("bubble_s", "pipeline bubble", &Breakdown::bubble),
      part("optimizer_s", "optimizer", &Breakdown::optimizer),
      part("other_s", "host and other", &Breakdown::other),
      {"tokens_per_s_per_gpu", "tokens/s/GPU", TermKind::rate, a.tokens_per_second_per_gpu,
       b.tokens_per_second_per_gpu},
      {"model_tflops_per_gpu", "model TFLOP/s/GPU", TermKind::rate, a.model_flops_per_gpu.value / 1e12,
       b.model_flops_per_gpu.value / 1e12},
      {"mfu", "MFU", TermKind::fraction, a.mfu, b.mfu},
      {"peak_gib", "peak memory", TermKind::gibibytes, in_gib(a.memory.peak()), in_gib(b.memory.peak())},
  };
}

std::string compare_text(const ComparedStep& a, const ComparedStep& b, const TextStyle& style) {
  const StepResult& left = a.step->result;
  const StepResult& right = b.step->result;
  const TimeScale scale(std::max(left.step_time, right.step_time));
  std::string text = scenario_line("A", a, style) + scenario_line("B", b, style) + "\n";
  TextTable table({{"", Align::left}, {"A"}, {"B"}, {"B − A"}, {"", Align::right}});
  for (const ComparedTerm& term : comparison(left, right)) {
    const bool silent = term.kind == TermKind::part_of_time && term.a == 0.0 && term.b == 0.0;
    if (silent) continue;
    const std::string title = (term.kind == TermKind::part_of_time ? "  " : "") + term.title;
    const std::string change = difference(term, scale);
    const std::optional<double> relative =
        term.kind == TermKind::fraction || change == "=" ? std::nullopt : term.relative();
    table.add({title, number(term.kind, term.a, scale), number(term.kind, term.b, scale), change,
               relative ? signed_percent(*relative) : ""},
              term.kind == TermKind::time ? Ink::strong : Ink::plain);
  }
  text += table.text(style);
  text += fmt::format("\n{}\n", painted(verdict(left.step_time, right.step_time), Ink::strong, style));
  return finished(std::move(text), style);
}

}  // namespace trainyard
