#include "analysis/adaptation/leave_one_out.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "analysis/adaptation/each_row.hpp"
#include "analysis/adaptation/learnt.hpp"
#include "analysis/adaptation/map_fit.hpp"

namespace trainyard {
namespace {

using Rows = std::vector<std::size_t>;  // indices into the problem's rows

// Rows of one source share its machine, its code and its mistakes: together they are worth this many independent ones.
constexpr double independent_rows = 8;

bool counts(const AdaptationRow& row) { return row.tier == "A" || row.tier.empty() || row.tier == "-"; }

Rows by_size(const AdaptationProblem& problem, Rows rows) {
  std::stable_sort(rows.begin(), rows.end(),
                   [&](std::size_t a, std::size_t b) { return problem.rows[a].size < problem.rows[b].size; });
  return rows;
}

// At most `most` of the rows, evenly over their sizes.
Rows evenly(const AdaptationProblem& problem, const Rows& rows, std::size_t most) {
  const Rows sorted = by_size(problem, rows);
  if (sorted.size() <= most) return sorted;
  Rows chosen;
  for (std::size_t i = 0; i < most; ++i) chosen.push_back(sorted[(2 * i + 1) * sorted.size() / (2 * most)]);
  return chosen;
}

struct Source {
  std::string group;
  Rows rows;    // that count
  Rows fitted;  // an even choice of them
  std::set<std::string> publications;
};

std::vector<Source> sources_of(const AdaptationProblem& problem, std::size_t most) {
  std::vector<Source> sources;
  for (std::size_t i = 0; i < problem.rows.size(); ++i) {
    const AdaptationRow& row = problem.rows[i];
    if (!counts(row)) continue;
    auto source = std::find_if(sources.begin(), sources.end(), [&](const Source& s) { return s.group == row.group; });
    if (source == sources.end()) source = sources.insert(source, Source{row.group, {}, {}, {}});
    source->rows.push_back(i);
    if (!row.source.empty()) source->publications.insert(row.source);
  }
  for (Source& source : sources) source.fitted = evenly(problem, source.rows, most);
  return sources;
}

bool shares_publication(const Source& a, const Source& b) {
  return std::any_of(a.publications.begin(), a.publications.end(),
                     [&](const std::string& p) { return b.publications.contains(p); });
}

class Study {
 public:
  Study(const AdaptationProblem& problem, const Predictor& predictor, const LeaveOneOutOptions& options)
      : problem_(problem),
        predictor_(predictor),
        options_(options),
        sources_(sources_of(problem, static_cast<std::size_t>(std::max(1, options.rows_per_source)))),
        prior_(believed(problem, Belief::prior)),
        at_prior_(problem.rows.size()) {}

  LeaveOneOut run() {
    LeaveOneOut result;
    options_.progress("what each row feels of each constant");
    learn_jacobian();
    options_.progress("all sources together");
    const MapFit all = fitted_without(nullptr);
    result.constants = felt_constants(all);
    for (const Source& source : sources_) {
      options_.progress(fmt::format("without {}", source.group));
      result.groups.push_back(score(source, all));
    }
    return result;
  }

 private:
  LogResidual residual_of(const Rows& rows) const {
    return [this, &rows](std::size_t row, const std::vector<double>& x) {
      return log_residual(problem_, problem_.rows[rows[row]], x, predictor_);
    };
  }

  std::vector<MapRow> map_rows(const Rows& rows, double weight) const {
    std::vector<MapRow> all;
    for (const std::size_t row : rows) all.push_back({weight, problem_.rows[row].constants});
    return all;
  }

  MapOptions map_options() const { return {.threads = options_.threads}; }

  // At the prior it is the same for every source that is left out.
  void learn_jacobian() {
    Rows rows;
    for (const Source& source : sources_) rows.insert(rows.end(), source.fitted.begin(), source.fitted.end());
    const Jacobian jacobian =
        jacobian_at(prior_.centre, prior_, map_rows(rows, 1), residual_of(rows), options_.threads);
    for (std::size_t i = 0; i < rows.size(); ++i) at_prior_[rows[i]] = jacobian[i];
  }

  MapFit fitted_without(const Source* left_out) const {
    Rows rows;
    std::vector<MapRow> weighted;
    Jacobian jacobian;
    for (const Source& source : sources_) {
      if (left_out != nullptr && (&source == left_out || shares_publication(source, *left_out))) continue;
      const double weight = std::min(1.0, independent_rows / static_cast<double>(source.fitted.size()));
      const std::vector<MapRow> of_source = map_rows(source.fitted, weight);
      weighted.insert(weighted.end(), of_source.begin(), of_source.end());
      rows.insert(rows.end(), source.fitted.begin(), source.fitted.end());
      for (const std::size_t row : source.fitted) jacobian.push_back(at_prior_[row]);
    }
    return map_fit(prior_, weighted, residual_of(rows), map_options(), &jacobian);
  }

  // Three rows of the left-out source join what the others taught.
  std::vector<double> with_three(const MapFit& others, const Rows& three) const {
    const MapPrior prior{others.x, others.precision, prior_.lowest, prior_.highest};
    return frugal_fit(prior, map_rows(three, 1), residual_of(three), map_options()).fit.x;
  }

  std::vector<std::pair<std::string, double>> errors(const Rows& rows, const std::vector<double>& x) const {
    std::vector<std::optional<double>> residuals(rows.size());
    for_each_row(rows.size(), options_.threads,
                 [&](std::size_t i) { residuals[i] = log_residual(problem_, problem_.rows[rows[i]], x, predictor_); });
    std::vector<std::pair<std::string, double>> known;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (residuals[i]) known.emplace_back(problem_.rows[rows[i]].id, std::exp(*residuals[i]) - 1.0);
    return known;
  }

  static ErrorStatistics statistics(const std::vector<std::pair<std::string, double>>& list) {
    return list.empty() ? ErrorStatistics{} : error_statistics(list);
  }

  std::optional<ErrorStatistics> three_row_errors(const Source& source, const MapFit& others) const {
    std::vector<std::pair<std::string, double>> all;
    for (int draw = 0; draw < options_.draws; ++draw) {
      const Rows three = three_rows_of(problem_, source.rows, draw, options_.draws);
      Rows rest;
      for (const std::size_t row : source.rows)
        if (std::find(three.begin(), three.end(), row) == three.end()) rest.push_back(row);
      if (three.size() < 3 || rest.empty()) return std::nullopt;
      const auto list = errors(rest, with_three(others, three));
      all.insert(all.end(), list.begin(), list.end());
    }
    if (all.empty()) return std::nullopt;
    return error_statistics(all);
  }

  LeftOutScore score(const Source& source, const MapFit& all) const {
    const MapFit others = fitted_without(&source);
    const auto tuned = errors(source.rows, {});
    return {.group = source.group,
            .rows = static_cast<int>(tuned.size()),
            .tuned = statistics(tuned),
            .prior = statistics(errors(source.rows, prior_.centre)),
            .left_out = statistics(errors(source.rows, others.x)),
            .three_rows = three_row_errors(source, others),
            .learnt_here_only = only_in(all, others)};
  }

  std::vector<std::string> only_in(const MapFit& all, const MapFit& others) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < problem_.constants.size(); ++i) {
      const AdaptableConstant& constant = problem_.constants[i];
      if (is_learnt(all.spread[i], constant.spread) && !is_learnt(others.spread[i], constant.spread))
        names.push_back(to_text(constant.id));
    }
    return names;
  }

  std::vector<FittedToAll> felt_constants(const MapFit& all) const {
    std::vector<FittedToAll> felt;
    for (std::size_t i = 0; i < problem_.constants.size(); ++i)
      if (all.spread[i] < 0.999 * problem_.constants[i].spread)
        felt.push_back({problem_.constants[i], all.x[i], all.spread[i]});
    return felt;
  }

  const AdaptationProblem& problem_;
  const Predictor& predictor_;
  const LeaveOneOutOptions& options_;
  std::vector<Source> sources_;
  MapPrior prior_;
  Jacobian at_prior_;  // of the rows that are fitted
};

void add(ErrorStatistics& sum, const ErrorStatistics& part) {
  sum.count += part.count;
  sum.mape += part.mape;
  sum.median += part.median;
  sum.p90 += part.p90;
  sum.bias += part.bias;
  if (std::abs(part.worst_error) <= std::abs(sum.worst_error)) return;
  sum.worst = part.worst;
  sum.worst_error = part.worst_error;
}

void divide(ErrorStatistics& sum, double by) {
  for (double* figure : {&sum.mape, &sum.median, &sum.p90, &sum.bias}) *figure /= by;
}

}  // namespace

LeaveOneOut leave_one_out(const AdaptationProblem& problem, const Predictor& predictor,
                          const LeaveOneOutOptions& options) {
  return Study(problem, predictor, options).run();
}

LeftOutScore mean_of(const std::vector<LeftOutScore>& groups) {
  LeftOutScore mean;
  mean.group = "mean";
  int with_three = 0;
  for (const LeftOutScore& group : groups) {
    mean.rows += group.rows;
    add(mean.tuned, group.tuned);
    add(mean.prior, group.prior);
    add(mean.left_out, group.left_out);
    if (!group.three_rows) continue;
    ++with_three;
    if (!mean.three_rows) mean.three_rows = ErrorStatistics{};
    add(*mean.three_rows, *group.three_rows);
  }
  const auto count = static_cast<double>(groups.size());
  divide(mean.tuned, count);
  divide(mean.prior, count);
  divide(mean.left_out, count);
  if (with_three > 0) divide(*mean.three_rows, with_three);
  return mean;
}

}  // namespace trainyard
