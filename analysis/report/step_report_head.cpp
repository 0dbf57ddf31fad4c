#include <fmt/format.h>

#include "analysis/memory_text.hpp"
#include "analysis/plan_words.hpp"
#include "analysis/report/report_cells.hpp"
#include "analysis/report/step_report_sections.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {
namespace {

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

// What the experiments promise at best.
void add_proposal(Element verdict, const StepResult& r) {
  if (r.diagnosis.experiments.empty()) return;
  const Experiment& best = r.diagnosis.experiments.front();
  if (!best.fits || best.predicted_step >= r.step_time) {
    add_text(verdict,
             fmt::format(" None of the {} changes that were tried is faster.", r.diagnosis.experiments.size()));
    return;
  }
  add_text(verdict, " With ");
  add(verdict, "code", best.setting);
  add_text(verdict, fmt::format(" it would take {} ({}).", to_text(best.predicted_step),
                                signed_percent((best.predicted_step - r.step_time) / r.step_time)));
}

void add_verdict(Element header, const StepResult& r) {
  if (!r.memory.fits) {
    add(header, "p", fmt::format("This plan {}.", memory_verdict(r.memory)), "verdict bad");
    return;
  }
  Element verdict = add(header, "p",
                        fmt::format("A step takes {} and is bound by {}. The plan {}.", to_text(r.step_time),
                                    name(r.diagnosis.bound), memory_verdict(r.memory)),
                        "verdict");
  add_proposal(verdict, r);
}

std::string range(const StepResult& r) {
  if (r.step_time_p90 <= r.step_time_p10) return "";
  const TimeScale scale(r.step_time);
  return fmt::format("p10–p90 {}–{}", scale.number(r.step_time_p10), scale.with_unit(r.step_time_p90));
}

}  // namespace

void add_step_headline(Element header, const Job& job, const SimulatedStep& step) {
  const StepResult& r = step.result;
  add(header, "h1", fmt::format("{}: {} per step", job.model.name, TimeScale(r.step_time).with_unit(r.step_time)));
  add(header, "p",
      fmt::format("{} × {} · {} GPUs · sequence {} · {} · {}", job.cluster.nodes, job.cluster.name,
                  step.layout.world_size(), job.workload.sequence_length, name(job.workload.precision),
                  plan_line(step.plan)),
      "subject");
  add_verdict(header, r);
  Element tiles = add(header, "dl", {}, "tiles");
  add_tile(tiles, "step time", TimeScale(r.step_time).with_unit(r.step_time), range(r));
  add_tile(tiles, "tokens/s per GPU",
           fmt::format("{:.{}f}", r.tokens_per_second_per_gpu, r.tokens_per_second_per_gpu < 100 ? 2 : 0), "");
  add_tile(tiles, "MFU", percent(r.mfu),
           fmt::format("{:.1f} TFLOP/s per GPU{}", r.model_flops_per_gpu.value / 1e12,
                       r.hfu > 0 ? fmt::format(" · HFU {}", percent(r.hfu)) : std::string()));
  add_tile(tiles, "peak memory", fmt::format("{:.1f} GiB", in_gib(r.memory.peak())),
           fmt::format("{} of the limit of {:.1f} GiB", percent(share(r.memory.peak().value, r.memory.limit.value)),
                       in_gib(r.memory.limit)));
  add_tile(tiles, "bound by", name(r.diagnosis.bound),
           fmt::format("bubble {}", percent(share(r.breakdown.bubble.value, r.step_time.value))));
  if (!r.flops_convention.empty())
    add(header, "p", fmt::format("Model FLOPs are counted as {}.", r.flops_convention), "note");
}

}  // namespace trainyard
