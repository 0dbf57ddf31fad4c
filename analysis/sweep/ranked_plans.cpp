#include "analysis/sweep/ranked_plans.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "analysis/plan_words.hpp"
#include "analysis/simulate.hpp"
#include "analysis/sweep/skeleton.hpp"
#include "analysis/sweep/tied_plans.hpp"
#include "sim/engine/shared_network.hpp"
#include "sim/plan/plan_yaml.hpp"

namespace trainyard {
namespace {

// Instructions at layer granularity beyond which a step is too long for the fluid engine to see every operator, which
// are ten to fifteen times as many: for ten plans, beyond some seconds.
constexpr std::size_t most_layer_instructions = 10'000;

std::vector<std::string> plan_lines(const Plan& plan, const Workload& workload) {
  std::istringstream yaml(to_yaml(plan, workload));
  std::vector<std::string> lines;
  bool in_plan = false;
  for (std::string line; std::getline(yaml, line);) {
    if (in_plan && line.starts_with("  ")) lines.push_back(line.substr(2));
    if (!line.starts_with(' ')) in_plan = line == "plan:";
  }
  return lines;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What not all of them have.
std::vector<std::string> beyond_common(const std::vector<std::string>& settings,
                                       const std::vector<const std::vector<std::string>*>& others) {
  std::vector<std::string> own;
  for (const std::string& setting : settings) {
    const bool common = std::all_of(others.begin(), others.end(), [&](const auto* s) { return contains(*s, setting); });
    if (!common) own.push_back(setting);
  }
  return own;
}

Seconds fluid_step(const Job& job, const Routes& routes, double layer_instructions) {
  const bool operators = layer_instructions <= static_cast<double>(most_layer_instructions);
  return simulate_step(job, routes, operators ? Granularity::operator_ : Granularity::layer, {EngineKind::fluid})
      .result.step_time;
}

// A long step from two short ones: what another group of micro-batches adds in the steady state is added for the rest.
Seconds extended_fluid_step(const Job& job, const Routes& routes, const SimulatedStep& layers) {
  const int all = layers.program.micro_batches;
  const ShortStep lengths = shortened(layers.plan, all);
  const double per_micro_batch = static_cast<double>(layers.program.instruction_count()) / all;
  if (lengths.skeleton + lengths.group >= all) return fluid_step(job, routes, per_micro_batch * all);
  const auto step_of = [&](int micro_batches) {
    Job shorter = job;
    shorter.plan = with_micro_batches(layers.plan, micro_batches);
    return fluid_step(shorter, routes, per_micro_batch * micro_batches);
  };
  const Seconds first = step_of(lengths.skeleton), second = step_of(lengths.skeleton + lengths.group);
  return first + (static_cast<double>(all - lengths.skeleton) / lengths.group) * (second - first);
}

// Nothing, and a warning, where the engine cannot be had.
std::optional<Seconds> fluid_step_time(const Job& job, const Routes& routes, const SimulatedStep& layers,
                                       std::vector<std::string>& warnings) {
  const std::size_t instructions = layers.program.instruction_count();
  const bool short_enough = instructions <= most_layer_instructions;
  if (!short_enough)
    warnings.push_back(fmt::format(
        "the fluid engine's step times continue the steady state of the first micro-batches: a whole step of more than "
        "{} layers' passes would take it minutes",
        most_layer_instructions));
  try {
    return short_enough ? fluid_step(job, routes, static_cast<double>(instructions))
                        : extended_fluid_step(job, routes, layers);
  } catch (const NetworkError& error) {
    warnings.push_back(fmt::format("no fluid engine: {}", error.what()));
    return std::nullopt;
  }
}

RankedPlan ranked(const EvaluatedPlan& plan, const std::string& line, const SimulatedStep& layers) {
  const StepResult& r = layers.result;
  RankedPlan out;
  out.index = plan.index;
  out.line = line;
  out.key = plan.key;
  out.step_time = plan.step_time;
  // The profile's factors on this step.
  out.step_time_p10 = (r.step_time_p10 / r.step_time) * plan.step_time;
  out.step_time_p90 = (r.step_time_p90 / r.step_time) * plan.step_time;
  out.layer_step_time = r.step_time;
  out.mfu = plan.mfu;
  out.tokens_per_second_per_gpu = r.tokens_per_second_per_gpu * (r.step_time / plan.step_time);
  out.peak = plan.peak;
  out.reserved = plan.reserved;
  out.breakdown = r.breakdown;
  return out;
}

}  // namespace

Job job_of(const Sweep& sweep, PlanIndex index) {
  Job job = sweep.job;
  job.plan = sweep.space.plan(index);
  return job;
}

std::string line_of(const Sweep& sweep, PlanIndex index) {
  return plan_line(resolved(sweep.space.plan(index), sweep.job.model, sweep.job.cluster));
}

std::vector<std::string> lines_of(const Sweep& sweep, const std::vector<EvaluatedPlan>& plans) {
  std::vector<std::string> lines;
  std::vector<std::vector<std::string>> settings;
  std::map<std::string, std::vector<const std::vector<std::string>*>> alike;
  settings.reserve(plans.size());  // `alike` points into it
  for (const EvaluatedPlan& plan : plans) {
    lines.push_back(line_of(sweep, plan.index));
    settings.push_back(settings_beyond(sweep.job.plan, sweep.space.plan(plan.index), sweep.job.workload));
    alike[lines.back()].push_back(&settings.back());
  }
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const std::string plain = lines[i];
    for (const std::string& setting : beyond_common(settings[i], alike[plain]))
      lines[i] += " · " + setting.substr(setting.find('.') + 1);
  }
  return lines;
}

std::vector<std::string> settings_beyond(const Plan& base, const Plan& plan, const Workload& workload) {
  const std::vector<std::string> known = plan_lines(base, workload);
  const std::set<std::string> had(known.begin(), known.end());
  std::vector<std::string> settings;
  for (const std::string& line : plan_lines(plan, workload)) {
    if (had.contains(line)) continue;
    const std::size_t colon = line.find(": ");
    settings.push_back(fmt::format("plan.{}={}", line.substr(0, colon), line.substr(colon + 2)));
  }
  return settings;
}

RankedPlans ranked_plans(const Sweep& sweep, const Routes& routes, const std::vector<EvaluatedPlan>& best,
                         const std::atomic<bool>* stop) {
  RankedPlans out;
  const std::vector<std::string> lines = lines_of(sweep, best);
  for (std::size_t i = 0; i < best.size(); ++i) {
    if (stop != nullptr && stop->load()) break;
    const EvaluatedPlan& plan = best[i];
    const Job job = job_of(sweep, plan.index);
    const SimulatedStep layers = simulate_step(job, routes, Granularity::layer);
    RankedPlan& row = out.plans.emplace_back(ranked(plan, lines[i], layers));
    row.settings = settings_beyond(sweep.job.plan, job.plan, job.workload);
    row.fluid_step_time = fluid_step_time(job, routes, layers, out.warnings);
    row.ties = i > 0 && ties(out.plans.front().step_time, row.step_time);
    out.timed.push_back({layers.plan, lines[i], layers.result.step_time, layers.result.breakdown, plan.peak});
    if (i > 0) continue;
    out.memory_limit = layers.result.memory.limit;
    out.warnings.insert(out.warnings.end(), layers.result.warnings.begin(), layers.result.warnings.end());
  }
  return out;
}

}  // namespace trainyard
