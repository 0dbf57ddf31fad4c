#include "analysis/validation/score_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "analysis/validation/row_to_job.hpp"

namespace trainyard {
namespace {

constexpr std::string_view absent = "–";
constexpr std::size_t most_ids = 8;  // of a list in running text

std::string percent_or_absent(std::optional<double> fraction) {
  return fraction ? fmt::format("{:.1f}", *fraction * 100) : std::string(absent);
}

std::string signed_or_absent(std::optional<double> fraction) {
  return fraction ? fmt::format("{:+.1f}", *fraction * 100) : std::string(absent);
}

std::optional<double> figure(const std::optional<ErrorStatistics>& errors, double ErrorStatistics::*field) {
  return errors ? std::optional((*errors).*field) : std::nullopt;
}

std::string verdict_text(const FitVerdicts& verdicts) {
  if (verdicts.caught + verdicts.missed > 0)
    return fmt::format("{} / {} / {}", percent_or_absent(verdicts.precision()), percent_or_absent(verdicts.recall()),
                       percent_or_absent(verdicts.balanced_accuracy()));
  return std::string(absent);
}

constexpr std::array<std::string_view, 13> titles = {"group",
                                                     "rows",
                                                     "predicted",
                                                     "timed",
                                                     "MAPE %",
                                                     "median %",
                                                     "p90 %",
                                                     "bias %",
                                                     "worst %",
                                                     "memory MAPE %",
                                                     "OOM precision / recall / balanced %",
                                                     "false OOM",
                                                     "tau · regret (random) %"};

std::vector<std::string> cells_of(const GroupScore& score) {
  const std::optional<ErrorStatistics>& time = score.time;
  return {score.group,
          fmt::format("{}", score.rows),
          fmt::format("{}", score.predicted),
          fmt::format("{}", time ? time->count : 0),
          percent_or_absent(figure(time, &ErrorStatistics::mape)),
          percent_or_absent(figure(time, &ErrorStatistics::median)),
          percent_or_absent(figure(time, &ErrorStatistics::p90)),
          signed_or_absent(figure(time, &ErrorStatistics::bias)),
          time ? fmt::format("{} {:+.0f}", time->worst, time->worst_error * 100) : std::string(absent),
          percent_or_absent(figure(score.memory, &ErrorStatistics::mape)),
          verdict_text(score.verdicts),
          fmt::format("{}", score.verdicts.false_alarms),
          score.ranking ? fmt::format("{:.2f} · {:.1f} ({:.0f})", score.ranking->kendall_tau,
                                      score.ranking->regret * 100, score.ranking->random_regret * 100)
                        : std::string(absent)};
}

std::vector<GroupScore> with_macro(std::vector<GroupScore> groups) {
  if (groups.size() > 1) groups.push_back(macro_mean(groups));
  return groups;
}

bool has_memory(const GroupScore& score) {
  return score.memory || score.verdicts.caught + score.verdicts.missed + score.verdicts.false_alarms > 0;
}
bool has_ranking(const GroupScore& score) { return score.ranking.has_value(); }

bool any(const std::vector<GroupScore>& groups, bool (*has)(const GroupScore&)) {
  return std::any_of(groups.begin(), groups.end(), has);
}

Ink ink_of(const GroupScore& score) { return score.group == "macro" ? Ink::strong : Ink::plain; }

std::string time_table(const std::vector<GroupScore>& lines, const TextStyle& style) {
  TextTable table({{"step time", Align::left},
                   {"rows"},
                   {"predicted"},
                   {"timed"},
                   {"MAPE %"},
                   {"median %"},
                   {"p90 %"},
                   {"bias %"},
                   {"worst %"}});
  for (const GroupScore& score : lines) {
    std::vector<std::string> cells = cells_of(score);
    cells.resize(9);
    table.add(std::move(cells), ink_of(score));
  }
  return table.text(style);
}

std::string memory_table(const std::vector<GroupScore>& lines, const TextStyle& style) {
  TextTable table({{"memory", Align::left},
                   {"measured"},
                   {"MAPE %"},
                   {"bias %"},
                   {"OOM rows"},
                   {"precision %"},
                   {"recall %"},
                   {"balanced %"},
                   {"false alarms"}});
  for (const GroupScore& score : lines) {
    if (!has_memory(score)) continue;
    const FitVerdicts& v = score.verdicts;
    table.add(
        {score.group, fmt::format("{}", score.memory ? score.memory->count : 0),
         percent_or_absent(figure(score.memory, &ErrorStatistics::mape)),
         signed_or_absent(figure(score.memory, &ErrorStatistics::bias)), fmt::format("{}", v.caught + v.missed),
         percent_or_absent(v.caught + v.missed > 0 ? v.precision() : std::nullopt), percent_or_absent(v.recall()),
         percent_or_absent(v.balanced_accuracy()), fmt::format("{} of {}", v.false_alarms, v.false_alarms + v.fits)},
        ink_of(score));
  }
  return table.text(style);
}

std::string ranking_table(const std::vector<GroupScore>& lines, const TextStyle& style) {
  TextTable table({{"choice of plan", Align::left},
                   {"jobs"},
                   {"plans"},
                   {"Kendall tau"},
                   {"regret %"},
                   {"worst %"},
                   {"blind pick %"},
                   {"chose OOM"}});
  for (const GroupScore& score : lines) {
    if (!score.ranking) continue;
    const RankingScore& r = *score.ranking;
    table.add({score.group, fmt::format("{}", r.jobs), fmt::format("{}", r.plans), fmt::format("{:.2f}", r.kendall_tau),
               percent_or_absent(r.regret), percent_or_absent(r.worst_regret), percent_or_absent(r.random_regret),
               fmt::format("{}", r.choices_out_of_memory)},
              ink_of(score));
  }
  return table.text(style);
}

std::string seconds_text(std::optional<double> seconds) {
  return seconds ? fmt::format("{:.4g}", *seconds) : std::string(absent);
}

std::vector<std::string> detail_cells(const ValidatedRun& row) {
  const Prediction* prediction = std::get_if<Prediction>(&row.prediction);
  const auto measured = row.run.measured_step_time();
  std::string verdict = row.run.outcome == Outcome::oom ? "OOM" : row.run.outcome == Outcome::error ? "error" : "ok";
  verdict += prediction ? (prediction->out_of_memory ? " > OOM" : " > fits") : " > skipped";
  return {row.run.id,
          row.run.split_group,
          row.run.model.empty() ? row.run.model_label : row.run.model,
          fmt::format("{}", row.run.gpus.value_or(0)),
          published_plan(row.run),
          seconds_text(measured ? std::optional(measured->value) : std::nullopt),
          seconds_text(prediction ? std::optional(prediction->step_time.value) : std::nullopt),
          signed_or_absent(step_time_error(row)),
          seconds_text(row.run.peak_memory_gib),
          seconds_text(prediction ? std::optional(in_gib(prediction->peak_memory)) : std::nullopt),
          signed_or_absent(memory_error(row)),
          verdict};
}

std::string id_list(const std::vector<std::string>& ids) {
  std::string text = fmt::format(
      "{}", fmt::join(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), most_ids)), ", "));
  if (ids.size() > most_ids) text += fmt::format(" and {} more", ids.size() - most_ids);
  return text;
}

// Reasons by falling number of rows, then by their text.
std::string counted(const std::map<std::string, std::vector<std::string>>& ids_of, bool with_ids) {
  std::vector<std::pair<std::string, std::vector<std::string>>> order(ids_of.begin(), ids_of.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  std::string text;
  for (const auto& [reason, ids] : order) {
    text += fmt::format("  {:>5}  {}\n", ids.size(), reason);
    if (with_ids) text += fmt::format("         {}\n", id_list(ids));
  }
  return text;
}

}  // namespace

std::string score_table(const std::vector<GroupScore>& groups, const TextStyle& style) {
  const std::vector<GroupScore> lines = with_macro(groups);
  std::string text = time_table(lines, style);
  if (any(groups, has_memory)) text += fmt::format("\n{}", memory_table(lines, style));
  if (any(groups, has_ranking)) text += fmt::format("\n{}", ranking_table(lines, style));
  int skipped = 0;
  for (const GroupScore& score : groups) skipped += score.rows - score.predicted;
  if (skipped > 0) text += fmt::format("\n{} rows without a prediction (--explain-skips says why)\n", skipped);
  return text;
}

std::string score_markdown(const std::vector<GroupScore>& groups) {
  std::string text = fmt::format("| {} |\n|---|", fmt::join(titles, " | "));
  for (std::size_t i = 1; i < titles.size(); ++i) text += "---:|";
  text += '\n';
  for (const GroupScore& score : with_macro(groups)) text += fmt::format("| {} |\n", fmt::join(cells_of(score), " | "));
  return text;
}

std::string details_table(const std::vector<ValidatedRun>& rows, const TextStyle& style) {
  TextTable table({{"id", Align::left},
                   {"group", Align::left},
                   {"model", Align::left},
                   {"GPUs"},
                   {"plan", Align::left},
                   {"measured s"},
                   {"predicted s"},
                   {"error %"},
                   {"measured GiB"},
                   {"predicted GiB"},
                   {"error %"},
                   {"outcome", Align::left}});
  for (const ValidatedRun& row : rows) table.add(detail_cells(row));
  return table.text(style);
}

std::string skips_text(const std::vector<ValidatedRun>& rows) {
  std::map<std::string, std::vector<std::string>> ids_of;
  for (const ValidatedRun& row : rows)
    if (const Skipped* skipped = std::get_if<Skipped>(&row.prediction)) ids_of[skipped->reason].push_back(row.run.id);
  if (ids_of.empty()) return "Every row has a prediction.\n";
  return "Rows without a prediction, by reason\n" + counted(ids_of, true);
}

std::string assumptions_text(const std::vector<ValidatedRun>& rows) {
  std::map<std::string, std::vector<std::string>> ids_of;
  for (const ValidatedRun& row : rows) {
    if (!std::holds_alternative<Prediction>(row.prediction)) continue;
    for (const std::string& note : row.notes) ids_of[note].push_back(row.run.id);
  }
  if (ids_of.empty()) return "Nothing had to be assumed.\n";
  return "Assumed where a row does not say, by number of rows\n" + counted(ids_of, false);
}

}  // namespace trainyard
