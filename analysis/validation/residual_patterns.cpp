#include "analysis/validation/residual_patterns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "analysis/validation/residual_rows.hpp"

namespace trainyard {
namespace {

constexpr std::size_t fewest_rows = 3;
constexpr double least_surprise = 3;    // standard deviations
constexpr double least_share = 0.01;    // of the total squared error
constexpr double pair_handicap = 0.7;   // two conditions find a pattern more easily by chance than one
constexpr std::size_t finalists = 8;    // candidates to which other values are tried to be added
constexpr double extension_gain = 1.1;  // another value of the axis joins where it adds a tenth

constexpr double worth_saying = 0.03;  // between a bias and what other patterns leave of it

using Rows = std::vector<ResidualRow>;

struct Condition {
  std::size_t axis = 0;
  std::vector<std::string> values;
};

struct Candidate {
  std::string group;  // empty: several
  std::vector<Condition> conditions;
  ResidualIndices rows;
  double handicap = 1;
};

bool holds(const ResidualRow& row, const Condition& condition) {
  const std::optional<std::string>& value = row.values[condition.axis];
  return value && std::find(condition.values.begin(), condition.values.end(), *value) != condition.values.end();
}

ResidualIndices matching(const Rows& rows, const Candidate& candidate) {
  ResidualIndices found;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if ((candidate.group.empty() || rows[i].group == candidate.group) &&
        std::all_of(candidate.conditions.begin(), candidate.conditions.end(),
                    [&](const Condition& c) { return holds(rows[i], c); }))
      found.push_back(i);
  return found;
}

using Cells = std::map<std::pair<std::size_t, std::string>, ResidualIndices>;  // (axis, value) -> rows

Cells cells_of(const Rows& rows, const ResidualIndices& among) {
  Cells cells;
  for (const std::size_t i : among)
    for (std::size_t axis = 0; axis < rows[i].values.size(); ++axis)
      if (rows[i].values[axis]) cells[{axis, *rows[i].values[axis]}].push_back(i);
  return cells;
}

// Candidates with the rows of an earlier, simpler one are the same pattern by another name.
class Candidates {
 public:
  void add(Candidate candidate) {
    if (candidate.rows.size() < fewest_rows || !known_.insert(candidate.rows).second) return;
    list_.push_back(std::move(candidate));
  }
  std::vector<Candidate> take() { return std::move(list_); }

 private:
  std::set<ResidualIndices> known_;
  std::vector<Candidate> list_;
};

void add_pairs(Candidates& candidates, const std::string& group, const Cells& cells) {
  for (auto a = cells.begin(); a != cells.end(); ++a) {
    if (a->second.size() < fewest_rows) continue;
    for (auto b = std::next(a); b != cells.end(); ++b) {
      if (b->first.first == a->first.first || b->second.size() < fewest_rows) continue;
      ResidualIndices both;
      std::set_intersection(a->second.begin(), a->second.end(), b->second.begin(), b->second.end(),
                            std::back_inserter(both));
      candidates.add({group,
                      {{a->first.first, {a->first.second}}, {b->first.first, {b->first.second}}},
                      std::move(both),
                      pair_handicap});
    }
  }
}

// The rows of each group, in the order in which groups first occur.
std::vector<std::pair<std::string, ResidualIndices>> groups_of(const Rows& rows) {
  std::vector<std::pair<std::string, ResidualIndices>> groups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == rows[i].group; });
    if (group == groups.end()) group = groups.insert(group, {rows[i].group, {}});
    group->second.push_back(i);
  }
  return groups;
}

std::vector<Candidate> candidates_of(const Rows& rows) {
  Candidates candidates;
  const auto groups = groups_of(rows);
  std::vector<Cells> cells;
  for (const auto& [group, members] : groups) {
    candidates.add({group, {}, members, 1});
    cells.push_back(cells_of(rows, members));
    for (const auto& [cell, in_cell] : cells.back()) candidates.add({group, {{cell.first, {cell.second}}}, in_cell, 1});
  }
  if (groups.size() > 1) {
    ResidualIndices all(rows.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    for (auto& [cell, in_cell] : cells_of(rows, all))
      candidates.add({{}, {{cell.first, {cell.second}}}, std::move(in_cell), 1});
  }
  for (std::size_t g = 0; g < groups.size(); ++g) add_pairs(candidates, groups[g].first, cells[g]);
  return candidates.take();
}

// Over several groups, a value is to blame only where all of its groups err to the same side.
bool groups_agree(const Rows& rows, const Candidate& candidate, double mean) {
  if (!candidate.group.empty()) return true;
  std::map<std::string, double> sums;
  for (const std::size_t i : candidate.rows) sums[rows[i].group] += rows[i].left;
  return sums.size() >= 2 && std::all_of(sums.begin(), sums.end(), [&](const auto& s) { return s.second * mean > 0; });
}

// The candidates that explain most, the best first.
std::vector<Candidate> strongest(const Rows& rows, const std::vector<Candidate>& candidates) {
  std::vector<std::pair<double, const Candidate*>> order;
  for (const Candidate& candidate : candidates) {
    const ResidualMoments m = moments(rows, candidate.rows);
    if (m.surprise() >= least_surprise && groups_agree(rows, candidate, m.mean))
      order.emplace_back(m.gain * candidate.handicap, &candidate);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Candidate> best;
  for (std::size_t i = 0; i < std::min(order.size(), finalists); ++i) best.push_back(*order[i].second);
  return best;
}

std::set<std::string> other_values(const Rows& rows, const Candidate& candidate, std::size_t which) {
  std::set<std::string> values;
  for (const ResidualRow& row : rows)
    if (row.group == candidate.group && row.values[candidate.conditions[which].axis] &&
        !holds(row, candidate.conditions[which]))
      values.insert(*row.values[candidate.conditions[which].axis]);
  return values;
}

// Other values of its axes that err alike join the pattern: "tp 2" becomes "tp 2 and 4".
Candidate extended(const Rows& rows, Candidate candidate) {
  if (candidate.group.empty()) return candidate;
  for (std::size_t which = 0; which < candidate.conditions.size(); ++which)
    for (const std::string& value : other_values(rows, candidate, which)) {
      Candidate wider = candidate;
      wider.conditions[which].values.push_back(value);
      wider.rows = matching(rows, wider);
      if (moments(rows, wider.rows).gain > extension_gain * moments(rows, candidate.rows).gain)
        candidate = std::move(wider);
    }
  return candidate;
}

// Of the strongest, each with the values that join it, the one that explains most; nothing if none is surprising.
std::optional<Candidate> next_pattern(const Rows& rows, const std::vector<Candidate>& candidates) {
  std::optional<Candidate> best;
  double most = 0;
  for (const Candidate& candidate : strongest(rows, candidates)) {
    Candidate wider = extended(rows, candidate);
    const double gain = moments(rows, wider.rows).gain * wider.handicap;
    if (gain <= most || moments(rows, wider.rows).surprise() < least_surprise) continue;
    most = gain;
    best = std::move(wider);
  }
  return best;
}

bool shorter_or_before(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::string condition_text(Condition condition) {
  std::sort(condition.values.begin(), condition.values.end(), shorter_or_before);
  std::string text = fmt::format("{} {}", residual_axes()[condition.axis].name, condition.values.front());
  for (std::size_t i = 1; i < condition.values.size(); ++i)
    text += (i + 1 == condition.values.size() ? " and " : ", ") + condition.values[i];
  return text;
}

ResidualPattern pattern_of(const Rows& rows, const Candidate& candidate, double total) {
  const ResidualMoments m = moments(rows, candidate.rows);
  ResidualPattern pattern;
  pattern.group = candidate.group;
  for (const Condition& condition : candidate.conditions) pattern.condition.push_back(condition_text(condition));
  for (const std::size_t i : candidate.rows) {
    pattern.ids.push_back(rows[i].id);
    pattern.mape += std::abs(rows[i].error) / m.rows;
    pattern.bias += rows[i].error / m.rows;
  }
  pattern.beyond = std::expm1(m.mean);
  pattern.surprise = m.surprise();
  pattern.share = m.gain / total;
  return pattern;
}

double total_of(const Rows& rows) {
  double total = 0;
  for (const ResidualRow& row : rows) total += row.weight * row.left * row.left;
  return total;
}

}  // namespace

std::string to_text(const ResidualPattern& pattern) {
  std::string where = pattern.group.empty() ? "several groups" : pattern.group;
  for (const std::string& condition : pattern.condition) where += fmt::format(", {}", condition);
  const auto percents = [](double share) {
    return fmt::format("{}{:.0f} %", share < 0 ? "−" : "+", std::abs(share) * 100);
  };
  std::string text = fmt::format("{}: {} over {} rows", where, percents(pattern.bias), pattern.ids.size());
  if (std::abs(pattern.beyond - pattern.bias) > worth_saying)
    text += fmt::format(", {} beyond other patterns", percents(pattern.beyond));
  return text;
}

std::vector<ResidualPattern> residual_patterns(const std::vector<ValidatedRun>& validated, int most) {
  Rows rows = residual_rows(validated);
  const double total = total_of(rows);
  const std::vector<Candidate> candidates = candidates_of(rows);
  std::vector<ResidualPattern> patterns;
  while (static_cast<int>(patterns.size()) < most) {
    const std::optional<Candidate> found = next_pattern(rows, candidates);
    if (!found) break;
    const ResidualMoments m = moments(rows, found->rows);
    if (m.gain < least_share * total) break;
    patterns.push_back(pattern_of(rows, *found, total));
    for (const std::size_t i : found->rows) rows[i].left -= m.mean;
  }
  std::stable_sort(patterns.begin(), patterns.end(),
                   [](const ResidualPattern& a, const ResidualPattern& b) { return a.share > b.share; });
  return patterns;
}

}  // namespace trainyard
