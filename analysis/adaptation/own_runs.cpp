#include "analysis/adaptation/own_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/adaptation/each_row.hpp"
#include "analysis/adaptation/learnt.hpp"
#include "analysis/adaptation/map_fit.hpp"

namespace trainyard {
namespace {

constexpr double felt = 1e-3;          // |d ln t / d ln constant| below which a row does not feel a constant
constexpr double least_taught = 5e-3;  // change of a constant by one row alone that is worth naming
constexpr double incredible = 4;       // factor of a prediction beyond which a measurement is rather a mistake

using Residuals = std::vector<std::optional<double>>;

class OwnFit {
 public:
  OwnFit(const AdaptationProblem& problem, const Predictor& predictor, unsigned threads)
      : problem_(problem), predictor_(predictor), prior_(believed(problem, Belief::value)) {
    options_.threads = threads;
  }

  OwnRuns run() {
    OwnRuns result;
    usable_rows(result);
    if (rows_.empty()) return result;
    std::vector<MapRow> rows;
    for (const std::size_t row : rows_) rows.push_back({1, problem_.rows[row].constants});
    const FrugalFit frugal = frugal_fit(prior_, rows, residual(), options_);
    add_rows(result, frugal);
    add_constants(result, frugal);
    add_profiles(result);
    return result;
  }

 private:
  LogResidual residual() const {
    return [this](std::size_t row, const std::vector<double>& x) {
      return log_residual(problem_, problem_.rows[rows_[row]], x, predictor_);
    };
  }

  void usable_rows(OwnRuns& result) {
    std::vector<Skipped> why(problem_.rows.size());
    std::vector<char> usable(problem_.rows.size());
    for_each_row(problem_.rows.size(), options_.threads, [&](std::size_t row) {
      const std::variant<Prediction, Skipped> answer = predictor_(problem_.rows[row].job);
      if (const Skipped* skipped = std::get_if<Skipped>(&answer)) why[row] = *skipped;
      usable[row] = std::holds_alternative<Prediction>(answer) && std::get<Prediction>(answer).step_time.value > 0;
    });
    for (std::size_t row = 0; row < problem_.rows.size(); ++row)
      if (usable[row])
        rows_.push_back(row);
      else
        result.notes.push_back(fmt::format("{}: no prediction: {}", problem_.rows[row].id, why[row].reason));
    for (const Skipped& skipped : problem_.skipped) result.notes.push_back(skipped.reason);
  }

  void add_rows(OwnRuns& result, const FrugalFit& frugal) const {
    const MapFit& fit = frugal.fit;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const AdaptationRow& row = problem_.rows[rows_[i]];
      OwnRow& own = result.rows.emplace_back();
      own.id = row.id;
      own.measured = row.measured;
      own.before = row.measured * std::exp(fit.first[i]);
      own.after = row.measured * std::exp(fit.residual[i]);
      if (std::abs(fit.first[i]) > std::log(incredible))
        result.notes.push_back(fmt::format(
            "{}: measured {:.3g} s, predicted {:.3g} s: so far off that it hardly counts; is the row right, "
            "and its time in seconds?",
            row.id, own.measured.value, own.before.value));
      find_lesson(own, frugal, i);
    }
  }

  // What the row would do alone, the constants being independent: its error is shared out by the squared spreads,
  // change_i = -s_i² J_i r / (noise² + Σ s_j² J_j²). It taught most what it would move by the most spreads.
  void find_lesson(OwnRow& own, const FrugalFit& frugal, std::size_t row) const {
    const std::vector<std::size_t>& felt_by_row = problem_.rows[rows_[row]].constants;
    const std::vector<double>& slopes = frugal.fit.jacobian[row];
    double uncertainty = options_.noise * options_.noise;
    for (std::size_t a = 0; a < felt_by_row.size(); ++a) uncertainty += squared(spread(felt_by_row[a]) * slopes[a]);
    double most = 0;
    for (std::size_t a = 0; a < felt_by_row.size(); ++a) {
      const double spreads = std::abs(spread(felt_by_row[a]) * slopes[a]);
      if (!frugal.adapted[felt_by_row[a]] || spreads <= most) continue;
      most = spreads;
      own.taught = problem_.constants[felt_by_row[a]].id;
      const double change = -squared(spread(felt_by_row[a])) * slopes[a] * frugal.fit.first[row] / uncertainty;
      own.taught_change = std::clamp(change, prior_.lowest[felt_by_row[a]], prior_.highest[felt_by_row[a]]);
    }
    if (std::abs(own.taught_change) < least_taught) own.taught.reset();
  }

  double spread(std::size_t constant) const { return problem_.constants[constant].spread; }
  static double squared(double value) { return value * value; }

  int rows_that_feel(const MapFit& fit, std::size_t constant) const {
    int count = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const std::vector<std::size_t>& of_row = problem_.rows[rows_[i]].constants;
      const auto at = std::find(of_row.begin(), of_row.end(), constant);
      if (at != of_row.end() && std::abs(fit.jacobian[i][static_cast<std::size_t>(at - of_row.begin())]) > felt)
        ++count;
    }
    return count;
  }

  // Those that the rows narrowed most come first.
  void add_constants(OwnRuns& result, const FrugalFit& frugal) const {
    const auto left = [&](std::size_t i) { return frugal.posterior[i] / problem_.constants[i].spread; };
    std::set<std::size_t> of_rows;
    for (const std::size_t row : rows_)
      of_rows.insert(problem_.rows[row].constants.begin(), problem_.rows[row].constants.end());
    std::vector<std::size_t> order(of_rows.begin(), of_rows.end());
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return left(a) < left(b); });
    for (const std::size_t i : order) {
      const bool moved = frugal.adapted[i] != 0;
      result.constants.push_back({.constant = problem_.constants[i],
                                  .adapted = frugal.fit.x[i],
                                  .posterior = frugal.posterior[i],
                                  .rows = rows_that_feel(frugal.fit, i),
                                  .learnt = moved && is_learnt(frugal.posterior[i], problem_.constants[i].spread),
                                  .moved = moved});
    }
  }

  void add_profiles(OwnRuns& result) const {
    for (const std::size_t index : rows_) {
      const Job& job = problem_.rows[index].job;
      OwnProfile own{job.profile.device.name, job.profile.network.name,  job.profile.stack.name, 1,
                     job.cluster.gpu,         job.cluster.fabric.network};
      const auto known = std::find_if(result.profiles.begin(), result.profiles.end(), [&](const OwnProfile& o) {
        return o.device == own.device && o.network == own.network && o.stack == own.stack;
      });
      if (known != result.profiles.end())
        ++known->rows;
      else
        result.profiles.push_back(std::move(own));
    }
    std::stable_sort(result.profiles.begin(), result.profiles.end(),
                     [](const OwnProfile& a, const OwnProfile& b) { return a.rows > b.rows; });
  }

  const AdaptationProblem& problem_;
  const Predictor& predictor_;
  MapOptions options_;
  MapPrior prior_;
  std::vector<std::size_t> rows_;  // usable ones of the problem's
};

}  // namespace

OwnRuns adapt_to_runs(const AdaptationProblem& problem, const Predictor& predictor, unsigned threads) {
  return OwnFit(problem, predictor, threads).run();
}

}  // namespace trainyard
