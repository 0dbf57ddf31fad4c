#include "analysis/sweep/tied_plans.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "analysis/sweep/answer_text_plans.hpp"

namespace trainyard {
namespace {

struct Candidate {
  const std::string* line = nullptr;
  Seconds step_time{};
  Bytes peak{};
};

// Of those listed and those on the front, which has the smallest plan of every step time. The best comes first.
std::vector<Candidate> tied_plans(const SweepAnswer& answer) {
  std::vector<Candidate> tied;
  const Seconds best = answer.best.front().step_time;
  for (const RankedPlan& p : answer.best)
    if (ties(best, p.step_time)) tied.push_back({&p.line, p.step_time, p.peak});
  for (const ParetoPlan& p : answer.pareto)
    if (ties(best, p.step_time)) tied.push_back({&p.line, p.step_time, p.peak});
  return tied;
}

// "tp 2", "vpp 5" and the like: ways in which the model is cut.
std::ptrdiff_t axes_of(const Candidate& plan) {
  constexpr std::array<std::string_view, 6> axes = {"tp", "pp", "vpp", "cp", "ep", "etp"};
  const std::vector<std::string> words = plan_words(*plan.line);
  return std::count_if(words.begin(), words.end(), [&](const std::string& word) {
    const std::string_view axis = std::string_view(word).substr(0, word.find(' '));
    return std::find(axes.begin(), axes.end(), axis) != axes.end() && !word.ends_with(" 1");
  });
}

std::string description(const Candidate& plan, Seconds best) {
  return fmt::format("{} in {} ({}): {}", to_text(plan.peak), to_text(plan.step_time),
                     signed_percent(plan.step_time / best - 1.0), *plan.line);
}

std::string evidence(const SweepAnswer& answer) {
  const auto listed = static_cast<std::ptrdiff_t>(answer.best.size()) - 1;
  const auto tied = std::count_if(answer.best.begin(), answer.best.end(), [](const RankedPlan& p) { return p.ties; });
  const std::string who = tied < listed ? fmt::format("{} of the next {}", tied, listed)
                          : tied == 1   ? std::string("the next plan")
                                        : fmt::format("all of the next {}", listed);
  return fmt::format("{}: of measured plans predicted less than {:.0f} % apart, only {:.0f} % ran in that order", who,
                     100 * (tie_ratio - 1), 100 * tied_in_order);
}

}  // namespace

bool ties(Seconds best, Seconds other) { return other < tie_ratio * best; }

std::vector<TieLine> tie_lines(const SweepAnswer& answer) {
  if (std::none_of(answer.best.begin(), answer.best.end(), [](const RankedPlan& p) { return p.ties; })) return {};
  const std::vector<Candidate> tied = tied_plans(answer);
  const Seconds best = tied.front().step_time;
  std::vector<TieLine> lines = {{"ties with", evidence(answer)}};
  const auto smallest = std::min_element(tied.begin(), tied.end(),
                                         [](const Candidate& a, const Candidate& b) { return a.peak < b.peak; });
  const auto simplest = std::min_element(
      tied.begin(), tied.end(), [](const Candidate& a, const Candidate& b) { return axes_of(a) < axes_of(b); });
  if (*smallest->line != *tied.front().line) lines.push_back({"least memory", description(*smallest, best)});
  if (*simplest->line != *tied.front().line && *simplest->line != *smallest->line)
    lines.push_back({"fewest axes", description(*simplest, best)});
  return lines;
}

}  // namespace trainyard
