#include "analysis/sweep/runner_up.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "analysis/comparison.hpp"
#include "analysis/sweep/tied_plans.hpp"

namespace trainyard {
namespace {

// A term below this share of the step explains nothing.
constexpr double visible_share = 0.002;

StepResult result_of(const TimedPlan& timed) {
  StepResult result;
  result.step_time = timed.step_time;
  result.breakdown = timed.breakdown;
  return result;
}

std::string pipeline_words(const Plan& plan) {
  std::string words = fmt::format("pp {}", plan.pipeline_parallel);
  if (plan.virtual_stages > 1) words += fmt::format(" vpp {}", plan.virtual_stages);
  if (plan.pipeline_parallel > 1) words += " " + plan.schedule;
  return words + fmt::format(" mbs {}", plan.micro_batch_size);
}

std::string compute_words(const Plan& plan) {
  return fmt::format("tp {} cp {} mbs {} recompute {}", plan.tensor_parallel, plan.context_parallel,
                     plan.micro_batch_size, name(plan.recompute));
}

std::string data_words(const Plan& plan) {
  return fmt::format("dp {} {}", plan.data_parallel, name(plan.data_parallel_kind));
}

// The settings that a term of the step follows from.
struct TermCause {
  const char* key;  // ComparedTerm::key
  std::string (*words)(const Plan& plan);
};
constexpr std::array causes = {
    TermCause{"compute_s", compute_words},
    TermCause{"exposed_tp_s", [](const Plan& p) { return fmt::format("tp {}", p.tensor_parallel); }},
    TermCause{"exposed_cp_s", [](const Plan& p) { return fmt::format("cp {}", p.context_parallel); }},
    TermCause{"exposed_ep_s", [](const Plan& p) { return fmt::format("ep {}", p.expert_parallel); }},
    TermCause{"exposed_pp_s", pipeline_words},
    TermCause{"exposed_dp_s", data_words},
    TermCause{"bubble_s", pipeline_words},
    TermCause{"optimizer_s", data_words},
};

// "(pp 8 vpp 3 against pp 4 vpp 6)"; empty where the settings are the same.
std::string because(const std::string& key, const Plan& best, const Plan& other) {
  for (const TermCause& cause : causes) {
    if (cause.key != key) continue;
    const std::string ours = cause.words(other), theirs = cause.words(best);
    return ours == theirs ? "" : fmt::format(" ({} against {})", ours, theirs);
  }
  return "";
}

std::vector<ComparedTerm> visible_terms(const TimedPlan& best, const TimedPlan& other) {
  std::vector<ComparedTerm> terms;
  for (ComparedTerm& term : comparison(result_of(best), result_of(other))) {
    const bool part = term.kind == TermKind::part_of_time;
    if (part && std::fabs(term.delta()) >= visible_share * best.step_time.value) terms.push_back(std::move(term));
  }
  std::stable_sort(terms.begin(), terms.end(), [](const ComparedTerm& a, const ComparedTerm& b) {
    return std::fabs(a.delta()) > std::fabs(b.delta());
  });
  return terms;
}

std::string verdict(const TimedPlan& best, const TimedPlan& other) {
  const Seconds more = other.step_time - best.step_time;
  if (std::fabs(more.value) < 5e-4 * best.step_time.value) return fmt::format("{} takes as long", other.line);
  const bool tied = more.value > 0 && ties(best.step_time, other.step_time);
  return fmt::format("{} takes {} {} ({}){}", other.line, to_text(Seconds(std::fabs(more.value))),
                     more.value > 0 ? "longer" : "less at layer granularity", signed_percent(more / best.step_time),
                     tied ? ", which the data cannot tell from a tie" : "");
}

std::string memory_sentence(const TimedPlan& best, const TimedPlan& other) {
  constexpr double visible = 0.1 * bytes_per_gib;
  const double more = other.peak.value - best.peak.value;
  if (std::fabs(more) < visible) return "";
  return fmt::format("it needs {} {} memory per GPU", to_text(Bytes(std::fabs(more))), more > 0 ? "more" : "less");
}

}  // namespace

bool cut_alike(const Plan& a, const Plan& b) {
  const auto cut = [](const Plan& p) {
    return std::tuple(p.tensor_parallel, p.pipeline_parallel, p.virtual_stages, p.context_parallel, p.expert_parallel,
                      p.expert_tensor_parallel, p.micro_batch_size, p.schedule, p.data_parallel_kind);
  };
  return cut(a) == cut(b);
}

std::vector<std::string> why_it_loses(const TimedPlan& best, const TimedPlan& other) {
  std::vector<std::string> sentences{verdict(best, other)};
  for (const ComparedTerm& term : visible_terms(best, other))
    sentences.push_back(fmt::format("{} {} {}{}", term.title, to_text(Seconds(std::fabs(term.delta()))),
                                    term.delta() > 0 ? "longer" : "shorter", because(term.key, best.plan, other.plan)));
  if (std::string memory = memory_sentence(best, other); !memory.empty()) sentences.push_back(std::move(memory));
  return sentences;
}

}  // namespace trainyard
