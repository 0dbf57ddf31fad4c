#include "analysis/report_text_sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/memory_text.hpp"
#include "analysis/plan_words.hpp"
#include "analysis/version.hpp"

namespace trainyard {
namespace {

std::string labelled(std::string_view label, std::string_view text, const TextStyle& style) {
  return fmt::format("  {}{}\n", painted(fmt::format("{:<14}", label), Ink::faint, style),
                     wrapped(text, style.width - 16, std::string(16, ' ')));
}

// 1f1b's 16 stages often look alike: neighbours whose printed cells agree share a row.
void add_folded(TextTable& table, const std::vector<std::vector<std::string>>& rows) {
  for (std::size_t first = 0; first < rows.size();) {
    std::size_t last = first;
    while (last + 1 < rows.size() && rows[last + 1] == rows[first]) ++last;
    std::vector<std::string> cells = {first == last ? fmt::format("{}", first) : fmt::format("{}–{}", first, last)};
    cells.insert(cells.end(), rows[first].begin(), rows[first].end());
    table.add(std::move(cells));
    first = last + 1;
  }
}

Seconds exposed(const Breakdown& b) { return b.exposed_tp + b.exposed_cp + b.exposed_ep + b.exposed_pp + b.exposed_dp; }

double share(Seconds part, Seconds whole) { return whole.value > 0 ? part / whole : 0.0; }

std::string fixed(double value, int digits) { return fmt::format("{:.{}f}", value, digits); }

std::string effect_of(const Experiment& experiment, Seconds step, const TextStyle& style) {
  if (!experiment.fits) return "does not fit in memory";
  const TimeScale scale(step);
  const std::string text =
      fmt::format("{} → {}  ({})", scale.with_unit(step), scale.with_unit(experiment.predicted_step),
                  signed_percent(share(experiment.predicted_step - step, step)));
  return painted(text, experiment.predicted_step < step ? Ink::good : Ink::plain, style);
}

// The proposal and the runners-up; the rest is in the JSON.
std::string experiments_lines(const std::vector<Experiment>& experiments, Seconds step, const TextStyle& style) {
  constexpr std::size_t most = 5;
  const std::size_t shown = std::min(most, experiments.size());
  std::size_t width = 0;
  for (std::size_t i = 0; i < shown; ++i) width = std::max(width, columns(experiments[i].setting));
  std::string text;
  for (std::size_t i = 0; i < shown; ++i)
    text += fmt::format("  {}{:<{}}  {}\n",
                        painted(fmt::format("{:<14}", i == 0   ? "try"
                                                      : i == 1 ? "also tried"
                                                               : ""),
                                Ink::faint, style),
                        experiments[i].setting, width, effect_of(experiments[i], step, style));
  if (shown < experiments.size())
    text +=
        labelled("", fmt::format("and {} more that are slower still or do not fit", experiments.size() - shown), style);
  return text;
}

}  // namespace

std::string heading(std::string_view title, const TextStyle& style) {
  return fmt::format("\n{}\n", painted(title, Ink::strong, style));
}

std::string headline_section(const Job& job, const SimulatedStep& step, const TextStyle& style) {
  const StepResult& r = step.result;
  const TimeScale scale(r.step_time);
  std::string text = fmt::format("{}  {} × {} · {} GPUs · sequence {} · {}\n\n",
                                 painted(job.model.name, Ink::strong, style), job.cluster.nodes, job.cluster.name,
                                 step.layout.world_size(), job.workload.sequence_length, name(job.workload.precision));
  std::string time = painted(scale.with_unit(r.step_time), Ink::strong, style);
  if (r.step_time_p90 > r.step_time_p10)
    time += fmt::format(" (p10–p90 {}–{})", scale.number(r.step_time_p10), scale.with_unit(r.step_time_p90));
  text += labelled("step time", time, style);
  text += labelled(
      "throughput",
      fmt::format("{} tokens/s/GPU", fixed(r.tokens_per_second_per_gpu, r.tokens_per_second_per_gpu < 100 ? 2 : 0)),
      style);
  std::string utilisation =
      fmt::format("{:.1f} TFLOP/s/GPU · MFU {}", r.model_flops_per_gpu.value / 1e12, percent(r.mfu));
  if (r.hfu > 0) utilisation += fmt::format(" · HFU {}", percent(r.hfu));
  if (!r.flops_convention.empty()) utilisation += fmt::format(" · counted as {}", r.flops_convention);
  text += labelled("model FLOPs", utilisation, style);
  text += labelled("memory", painted(memory_verdict(r.memory), r.memory.fits ? Ink::good : Ink::bad, style), style);
  text += labelled("plan", plan_line(step.plan), style);
  text += labelled(
      "profile", fmt::format("{} · {} · {}", job.profile.device.name, job.profile.network.name, job.profile.stack.name),
      style);
  return text;
}

std::string placement_section(const SimulatedStep& step, const TextStyle& style) {
  if (!step.result.placement) return {};
  const PlacementGain& gain = *step.result.placement;
  const TimeScale scale(gain.packed_step);
  std::string text = heading("Placement", style);
  text += labelled("vs packed",
                   fmt::format("{} step ({} → {}), exposed communication {} → {}", signed_percent(-gain.saved()),
                               scale.with_unit(gain.packed_step), scale.with_unit(gain.step),
                               to_text(gain.packed_exposed), to_text(gain.exposed)),
                   style);
  text += labelled("searched",
                   fmt::format("{} distinct placements simulated, {} more recognised as equivalent to one of them",
                               gain.evaluated, gain.equivalent),
                   style);
  text += labelled("plan", fmt::format("rank_order: {}", step.plan.rank_order), style);
  text += labelled("", placement_setting(step.plan), style);
  return text;
}

std::string breakdown_section(const StepResult& result, const TextStyle& style) {
  const Breakdown& b = result.breakdown;
  const TimeScale scale(result.step_time);
  TextTable table({{"", Align::left}, {std::string(scale.unit())}, {"share"}, {"", Align::left}});
  const auto add = [&](const std::string& term, Seconds t, bool always) {
    const double part = share(t, result.step_time);
    if (always || std::fabs(part) >= 0.0005) table.add({term, scale.number(t), percent(part), bar(part, 28)});
  };
  const auto add_part = [&](const std::string& term, Seconds t) {
    const double part = share(t, result.step_time);
    if (std::fabs(part) >= 0.0005) table.add({"  " + term, scale.number(t), percent(part), ""}, Ink::faint);
  };
  add("compute", b.compute, true);
  add_part("GEMM", result.compute.gemm);
  add_part("attention", result.compute.attention);
  add_part("memory-bound kernels", result.compute.memory_bound);
  add_part("slowed by overlap", result.compute.contention);
  add("exposed tensor parallel", b.exposed_tp, false);
  add("exposed context parallel", b.exposed_cp, false);
  add("exposed expert parallel", b.exposed_ep, false);
  add("exposed pipeline transfers", b.exposed_pp, false);
  add("exposed data parallel", b.exposed_dp, false);
  add("pipeline bubble", b.bubble, false);
  add("optimizer", b.optimizer, false);
  add("host and other", b.other, false);
  table.add({"step", scale.number(b.total()), percent(share(b.total(), result.step_time)), ""}, Ink::strong);
  return heading("Where the step goes (average GPU)", style) + table.text(style);
}

std::string stages_section(const SimulatedStep& step, const TextStyle& style) {
  const StepResult& r = step.result;
  if (r.per_stage.size() < 2) return {};
  const TimeScale scale(r.step_time);
  TextTable table(
      {{"stage"}, {"GPUs"}, {"layers"}, {"compute"}, {"exposed"}, {"bubble"}, {"rest"}, {"busy"}, {"", Align::left}});
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < r.per_stage.size(); ++i) {
    const Breakdown& b = r.per_stage[i];
    const double busy = share(b.compute + b.optimizer, r.step_time);
    rows.push_back({i < step.program.kinds.size() ? fmt::format("{}", step.program.kinds[i].ranks) : "",
                    i < r.memory.stages.size() ? fmt::format("{}", r.memory.stages[i].layers) : "",
                    scale.number(b.compute), scale.number(exposed(b)), scale.number(b.bubble),
                    scale.number(b.optimizer + b.other), percent(busy), bar(busy, 20)});
  }
  add_folded(table, rows);
  return heading(fmt::format("Pipeline stages, {}", scale.unit()), style) + table.text(style);
}

std::string communication_section(const StepResult& result, const TextStyle& style) {
  if (result.communication.empty()) return {};
  const TimeScale scale = TimeScale::at_most_milliseconds(result.step_time);
  TextTable table({{"axis", Align::left},
                   {"collective", Align::left, false, 14},
                   {"of", Align::left, true, 11},
                   {"GPUs"},
                   {"message"},
                   {"calls"},
                   {"busy"},
                   {"exposed"},
                   {"link", Align::left},
                   {"busbw"}});
  for (const CommunicationLine& line : result.communication)
    table.add(
        {name(line.axis), line.collective, line.purpose, fmt::format("{}", line.group_size), to_text(line.bytes),
         fmt::format("{}", line.count), scale.number(line.busy), scale.number(line.exposed),
         std::string(name(line.slowest_link)),
         line.bus_bandwidth.value > 0 ? fmt::format("{:.1f}", line.bus_bandwidth.value / 1e9) : std::string("-")});
  return heading(fmt::format("Communication per GPU and step, {} (busbw in GB/s)", scale.unit()), style) +
         table.text(style);
}

std::string diagnosis_section(const StepResult& result, const TextStyle& style) {
  const Diagnosis& d = result.diagnosis;
  std::string text = heading("Diagnosis", style);
  text += labelled("bound by", painted(name(d.bound), Ink::accent, style), style);
  bool first = true;
  for (const std::string& sentence : d.evidence) {
    text += labelled(first ? "because" : "", sentence, style);
    first = false;
  }
  if (!d.slow_path.empty()) text += labelled("slow path", d.slow_path, style);
  if (!d.reason.empty() && !d.experiments.empty()) text += labelled("next", d.reason, style);
  text += experiments_lines(d.experiments, result.step_time, style);
  return text;
}

std::string warnings_section(const StepResult& result, const TextStyle& style) {
  if (result.warnings.empty()) return {};
  std::string text = heading("Warnings", style);
  for (const std::string& warning : result.warnings)
    text += fmt::format("  {}\n", wrapped(warning, style.width - 4, "    "));
  return text;
}

std::string footer_section(const StepResult& result, const TextStyle& style) {
  const std::string text = fmt::format("trainyard {} · {} · {} events in {} · inputs {}", version(), result.engine,
                                       result.events, to_text(result.wall_time), result.inputs_hash);
  return fmt::format("\n{}\n", painted(wrapped(text, style.width, ""), Ink::faint, style));
}

}  // namespace trainyard
