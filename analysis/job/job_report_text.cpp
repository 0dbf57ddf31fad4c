#include <fmt/format.h>

#include <array>
#include <utility>

#include "analysis/job/job_report.hpp"
#include "analysis/job/job_words.hpp"
#include "analysis/version.hpp"

namespace trainyard {
namespace {

std::string entry(std::string_view label, std::string_view value, const TextStyle& style) {
  constexpr int label_width = 16;
  return fmt::format("  {:<14}{}\n", label, wrapped(value, style.width - label_width, std::string(label_width, ' ')));
}

std::string title(std::string_view text, const TextStyle& style) {
  return fmt::format("\n{}\n", painted(text, Ink::strong, style));
}

// "5.74 million", "12345", "3.20".
std::string large(double value) {
  if (value >= 1e6) return fmt::format("{:.4g} million", value / 1e6);
  return fmt::format("{:.{}f}", value, value < 10 ? 2 : 0);
}

std::string headline(const JobHeading& heading, const JobRequest& request, const TextStyle& style) {
  const std::string name = painted(heading.scenario, Ink::strong, style);
  return fmt::format("{}  {} · {} · {} GPUs · {} tokens\n\n", name, heading.model, heading.cluster, request.step.gpus,
                     token_text(request.tokens));
}

std::string step_words(const JobResult& r, const JobRequest& request) {
  const double slower = r.step.mean / request.step.step_time - 1.0;
  return fmt::format("{} steps of {} (predicted {}, {} by differing machines; p50 {}, p95 {})", r.steps,
                     to_text(r.step.mean), to_text(request.step.step_time), signed_percent(slower), to_text(r.step.p50),
                     to_text(r.step.p95));
}

std::string failure_words(const JobResult& r) {
  if (!r.mttf) return "never";
  return fmt::format("one in {}; a restart takes {}, {} of it loading", long_duration_text(*r.mttf),
                     long_duration_text(r.restart), long_duration_text(r.checkpoint.load));
}

std::string checkpoint_words(const JobResult& r, const JobRequest& request) {
  std::string text = fmt::format("{} every {} ({} {}, {}); stops training for {}",
                                 to_text(request.step.checkpoint_bytes), long_duration_text(r.interval),
                                 r.checkpoint_every_steps, r.checkpoint_every_steps == 1 ? "step" : "steps",
                                 name(request.interval.rule), long_duration_text(r.checkpoint.stall));
  if (r.checkpoint.upload.value > 0) text += fmt::format(", usable {} later", long_duration_text(r.checkpoint.upload));
  return text;
}

std::string spare_words(const JobResult& r) {
  std::string text = fmt::format("{} {}", *r.spare_nodes, *r.spare_nodes == 1 ? "node" : "nodes");
  if (r.node_shortage) text += fmt::format("; too few in {} of the time", percent(*r.node_shortage));
  return text;
}

std::string inputs_section(const JobRequest& request, const JobResult& r, const TextStyle& style) {
  std::string text = entry("step", step_words(r, request), style);
  text += entry("failures", failure_words(r), style);
  text += entry("checkpoint", checkpoint_words(r, request), style);
  if (r.mttf && r.spare_nodes) text += entry("spares", spare_words(r), style);
  return text + entry("reliability", request.reliability.name, style);
}

std::string answer_section(const JobRequest& request, const JobResult& r, const TextStyle& style) {
  std::string text =
      entry("duration",
            fmt::format("{} (p10–p90 {} – {} of {} runs)", long_duration_text(r.duration_p50),
                        long_duration_text(r.duration_p10), long_duration_text(r.duration_p90), request.replicas),
            style);
  text += entry("goodput", fmt::format("{} · effective training time {}", percent(r.goodput), percent(r.ettr)), style);
  text += entry("by formula",
                fmt::format("{} · goodput {} (mean of the runs {} ± {})", long_duration_text(r.expected),
                            percent(r.expected_goodput), long_duration_text(r.duration),
                            long_duration_text(r.duration_standard_error)),
                style);
  text += entry("interruptions", fmt::format("{:.{}f} failures expected", r.failures, r.failures < 10 ? 1 : 0), style);
  text += entry("GPU-hours", large(r.gpu_hours), style);
  if (r.cost) text += entry("cost", large(*r.cost), style);
  if (r.model_flops_per_gpu.value > 0)
    text += entry("model FLOPs", fmt::format("{}/GPU over the whole job", to_text(r.model_flops_per_gpu)), style);
  return text;
}

std::string times_section(const JobTimes& times, const TextStyle& style) {
  const std::array rows = {std::pair{"useful", times.useful},
                           std::pair{"stragglers and jitter", times.stragglers},
                           std::pair{"checkpoint stalls", times.checkpoint_stalls},
                           std::pair{"lost work", times.lost_work},
                           std::pair{"restarts", times.restarts},
                           std::pair{"waiting for nodes", times.waiting_for_nodes},
                           std::pair{"total", times.total()}};
  TextTable table({{"", Align::left}, {"hours"}, {"share"}, {"", Align::left}});
  constexpr int bar_cells = 24;
  for (const auto& [label, time] : rows) {
    const double share = time / times.total();
    const bool total = std::string_view(label) == "total";
    table.add({label, fmt::format("{:.1f}", in_hours(time)), percent(share), total ? "" : bar(share, bar_cells)});
  }
  return title("Where the time goes (mean run)", style) + table.text(style);
}

std::string intervals_section(const JobResult& r, const TextStyle& style) {
  if (r.intervals.empty()) return {};
  TextTable table({{"checkpoint interval", Align::left}, {"work"}, {"steps"}, {"duration"}, {"goodput"}});
  for (const IntervalCost& cost : r.intervals)
    table.add({cost.label, long_duration_text(cost.work), fmt::format("{}", cost.steps),
               long_duration_text(cost.duration), percent(cost.goodput)});
  return title("What another interval costs (by formula)", style) + table.text(style);
}

std::string experiments_section(const JobResult& r, const TextStyle& style) {
  std::string text = title("Next", style);
  if (r.experiments.empty()) return text + "  nothing tried here saves time; a faster step does\n";
  const Seconds now = r.expected + r.times.waiting_for_nodes;
  const char* label = "try";
  for (const JobExperiment& e : r.experiments) {
    text += entry(label,
                  fmt::format("{}: {} → {}  ({})  {}", e.setting, long_duration_text(now),
                              long_duration_text(e.duration), signed_percent(e.duration / now - 1.0), e.change),
                  style);
    label = "also";
  }
  return text;
}

std::string notes_section(const JobHeading& heading, const TextStyle& style) {
  std::string text = "\n";
  for (const std::string& warning : heading.warnings) text += entry("warning", warning, style);
  text += entry("note",
                "percentiles hold the luck of failures and machines, not the error of the predicted step; it may "
                "already hold a part of the stragglers",
                style);
  return text + fmt::format("\n{}\n", painted(fmt::format("trainyard {}", version()), Ink::faint, style));
}

}  // namespace

std::string job_text(const JobHeading& heading, const JobRequest& request, const JobResult& result,
                     const TextStyle& style) {
  std::string text = headline(heading, request, style);
  if (!result.finishes) {
    text += painted("  the job never finishes", Ink::bad, style) + "\n";
    text += entry("because", result.why_not, style) + inputs_section(request, result, style);
    return finished(text + notes_section(heading, style), style);
  }
  text += answer_section(request, result, style) + "\n" + inputs_section(request, result, style);
  text += times_section(result.times, style) + intervals_section(result, style) + experiments_section(result, style);
  return finished(text + notes_section(heading, style), style);
}

}  // namespace trainyard
