#include "analysis/adaptation/learnt.hpp"

#include <algorithm>
#include <numeric>

namespace trainyard {
namespace {

// A constant that keeps this much of its spread is not worth moving.
constexpr double hardly_narrowed = 0.98;

// How much of each constant's spread is left. A fit of nothing has the prior's.
std::vector<double> spread_left(const MapPrior& prior, const MapFit& fit, const MapOptions& options) {
  const LogResidual none = [](std::size_t, const std::vector<double>&) { return std::nullopt; };
  std::vector<double> left = fit.spread;
  const std::vector<double> before = map_fit(prior, {}, none, options).spread;
  for (std::size_t i = 0; i < left.size(); ++i) left[i] /= before[i];
  return left;
}

}  // namespace

FrugalFit frugal_fit(const MapPrior& prior, const std::vector<MapRow>& rows, const LogResidual& residual,
                     const MapOptions& options) {
  const MapFit all = map_fit(prior, rows, residual, options);
  const std::vector<double> left = spread_left(prior, all, options);
  std::vector<std::size_t> order(left.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return left[a] < left[b]; });
  FrugalFit frugal{{}, all.spread, std::vector<char>(left.size(), 0)};
  MapPrior few = prior;
  for (std::size_t place = 0; place < order.size(); ++place) {
    const std::size_t i = order[place];
    frugal.adapted[i] = place < rows.size() && left[i] < hardly_narrowed;
    if (!frugal.adapted[i]) few.lowest[i] = few.highest[i] = prior.centre[i];
  }
  frugal.fit = map_fit(few, rows, residual, options);
  return frugal;
}

MapPrior believed(const AdaptationProblem& problem, Belief belief) {
  std::vector<double> spread, lowest, highest;
  for (const AdaptableConstant& constant : problem.constants) {
    spread.push_back(constant.spread);
    lowest.push_back(constant.lowest);
    highest.push_back(constant.highest);
  }
  return independent_prior(centres(problem, belief), spread, std::move(lowest), std::move(highest));
}

std::vector<std::size_t> three_rows_of(const AdaptationProblem& problem, std::vector<std::size_t> rows, int draw,
                                       int draws) {
  constexpr std::size_t wanted = 3;
  if (rows.size() <= wanted) return rows;
  std::stable_sort(rows.begin(), rows.end(),
                   [&](std::size_t a, std::size_t b) { return problem.rows[a].size < problem.rows[b].size; });
  std::vector<std::size_t> chosen;
  for (std::size_t third = 0; third < wanted; ++third) {
    const std::size_t first = third * rows.size() / wanted;
    const std::size_t count = (third + 1) * rows.size() / wanted - first;
    const auto turn = (static_cast<std::size_t>(draw) + third) % static_cast<std::size_t>(draws);
    chosen.push_back(rows[first + (2 * turn + 1) * count / (2 * static_cast<std::size_t>(draws))]);
  }
  return chosen;
}

}  // namespace trainyard
