// The table of ranks that are not like the others of their stage.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/rank_words.hpp"
#include "analysis/report_text_sections.hpp"

namespace trainyard {
namespace {

constexpr std::size_t most_rows = 16;

Seconds exposed(const Breakdown& b) { return b.exposed_tp + b.exposed_cp + b.exposed_ep + b.exposed_pp + b.exposed_dp; }

// How far a rank is from the mean of its stage, in any part of its step.
double oddity(const RankResult& rank, const std::vector<Breakdown>& stages) {
  const Breakdown& mean = stages[static_cast<std::size_t>(rank.stage)];
  const auto distance = [](Seconds a, Seconds b) { return std::abs((a - b).value); };
  return std::max({distance(rank.breakdown.compute, mean.compute), distance(exposed(rank.breakdown), exposed(mean)),
                   distance(rank.breakdown.bubble, mean.bubble)});
}

}  // namespace

std::string ranks_section(const Job& job, const StepResult& result, const TextStyle& style) {
  constexpr double visible = 1e-3;  // of the step time
  std::vector<std::pair<double, const RankResult*>> odd;
  for (const RankResult& r : result.ranks) {
    const double distance = oddity(r, result.per_stage);
    if (distance > visible * result.step_time.value) odd.emplace_back(distance, &r);
  }
  if (odd.empty()) return {};
  std::stable_sort(odd.begin(), odd.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  const std::size_t shown = std::min(most_rows, odd.size());
  const TimeScale scale(result.step_time);
  std::string text = heading(fmt::format("Ranks unlike their stage, {}", scale.unit()), style);
  TextTable table({{"rank", Align::left}, {"GPU", Align::left}, {"stage"}, {"compute"}, {"exposed"}, {"bubble"}});
  for (std::size_t i = 0; i < shown; ++i) {
    const RankResult& r = *odd[i].second;
    table.add({rank_words(r), device_words(r.device, job.cluster.gpus_per_node()), fmt::format("{}", r.stage),
               scale.number(r.breakdown.compute), scale.number(exposed(r.breakdown)),
               scale.number(r.breakdown.bubble)});
  }
  text += table.text(style);
  if (odd.size() > shown) text += fmt::format("  and {} more; --json has all\n", odd.size() - shown);
  return text;
}

}  // namespace trainyard
