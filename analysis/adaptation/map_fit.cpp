#include "analysis/adaptation/map_fit.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cassert>
#include <cmath>

#include "analysis/adaptation/each_row.hpp"

namespace trainyard {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;
using Residuals = std::vector<std::optional<double>>;

constexpr double huber = 1.5;                // noises up to which the loss is quadratic
constexpr double difference = 0.02;          // of x, for the Jacobian: 2 % of a constant
constexpr int most_halvings = 6;             // of a step that does not improve
constexpr double smallest_gain = 1e-3;       // of the objective, in halves of a squared noise, to go on
constexpr double smallest_step_size = 1e-4;  // of x

Eigen::Index index(std::size_t i) { return static_cast<Eigen::Index>(i); }

Vector vector_of(const std::vector<double>& values) {
  return Eigen::Map<const Vector>(values.data(), index(values.size()));
}
Matrix matrix_of(const std::vector<double>& values, std::size_t size) {
  return Eigen::Map<const Matrix>(values.data(), index(size), index(size));
}
std::vector<double> values_of(const Matrix& m) { return {m.data(), m.data() + m.size()}; }

Residuals residuals_at(const std::vector<double>& x, std::size_t rows, const LogResidual& residual, unsigned threads) {
  Residuals all(rows);
  for_each_row(rows, threads, [&](std::size_t row) { all[row] = residual(row, x); });
  return all;
}

double objective(const std::vector<double>& x, const MapPrior& prior, const std::vector<MapRow>& rows,
                 const Residuals& residuals, const MapOptions& options) {
  const Vector off = vector_of(x) - vector_of(prior.centre);
  double sum = 0.5 * off.dot(matrix_of(prior.precision, x.size()) * off);
  for (std::size_t row = 0; row < rows.size(); ++row)
    if (residuals[row]) sum += rows[row].weight * robust_loss(*residuals[row], options);
  return sum;
}

// The quadratic model of the objective around x.
struct Model {
  Matrix curvature;  // JᵀWJ + precision
  Vector gradient;
};
Model model_at(const std::vector<double>& x, const MapPrior& prior, const std::vector<MapRow>& rows,
               const Residuals& residuals, const Jacobian& jacobian, const MapOptions& options) {
  const Matrix precision = matrix_of(prior.precision, x.size());
  Model model{precision, precision * (vector_of(x) - vector_of(prior.centre))};
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (!residuals[row]) continue;
    const double weight = rows[row].weight * robust_weight(*residuals[row], options) / (options.noise * options.noise);
    for (std::size_t a = 0; a < rows[row].constants.size(); ++a) {
      const Eigen::Index i = index(rows[row].constants[a]);
      model.gradient(i) += weight * jacobian[row][a] * *residuals[row];
      for (std::size_t b = 0; b < rows[row].constants.size(); ++b)
        model.curvature(i, index(rows[row].constants[b])) += weight * jacobian[row][a] * jacobian[row][b];
    }
  }
  return model;
}

// The model's minimum as a step from x; constants at a bound that they would leave stay there.
Vector step_of(const Model& model, const std::vector<double>& x, const MapPrior& prior) {
  std::vector<Eigen::Index> free;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double slope = model.gradient(index(i));
    const bool held = (x[i] <= prior.lowest[i] && slope > 0) || (x[i] >= prior.highest[i] && slope < 0);
    if (!held) free.push_back(index(i));
  }
  Vector step = Vector::Zero(index(x.size()));
  if (free.empty()) return step;
  const Matrix curvature = model.curvature(free, free);
  const Vector gradient = model.gradient(free);
  const Vector solved = curvature.ldlt().solve(-gradient);
  for (std::size_t i = 0; i < free.size(); ++i) step(free[i]) = solved(index(i));
  return step;
}

std::vector<double> moved(const std::vector<double>& x, const Vector& step, double share, const MapPrior& prior) {
  std::vector<double> to = x;
  for (std::size_t i = 0; i < x.size(); ++i)
    to[i] = std::clamp(x[i] + share * step(index(i)), prior.lowest[i], prior.highest[i]);
  return to;
}

std::vector<double> or_zero(const Residuals& residuals) {
  std::vector<double> values;
  for (const std::optional<double>& r : residuals) values.push_back(r.value_or(0.0));
  return values;
}

struct State {
  std::vector<double> x;
  Residuals residuals;
  double value = 0;
};

// The first of the halved steps that lowers the objective; the state itself if none does.
State better(const State& from, const Vector& step, const MapPrior& prior, const std::vector<MapRow>& rows,
             const LogResidual& residual, const MapOptions& options) {
  double share = 1;
  for (int halving = 0; halving <= most_halvings; ++halving, share /= 2) {
    State to{moved(from.x, step, share, prior), {}, 0};
    to.residuals = residuals_at(to.x, rows.size(), residual, options.threads);
    to.value = objective(to.x, prior, rows, to.residuals, options);
    // A row that can no longer be predicted has left the objective: no improvement to be had that way.
    const bool kept = std::equal(to.residuals.begin(), to.residuals.end(), from.residuals.begin(),
                                 [](const auto& a, const auto& b) { return a.has_value() || !b.has_value(); });
    if (kept && to.value < from.value) return to;
  }
  return from;
}

void describe(MapFit& fit, const State& state, const MapPrior& prior, const std::vector<MapRow>& rows,
              const MapOptions& options) {
  const Model model = model_at(state.x, prior, rows, state.residuals, fit.jacobian, options);
  const Matrix covariance =
      model.curvature.ldlt().solve(Matrix::Identity(model.curvature.rows(), model.curvature.cols()));
  fit.x = state.x;
  fit.residual = or_zero(state.residuals);
  fit.precision = values_of(model.curvature);
  for (Eigen::Index i = 0; i < covariance.rows(); ++i) fit.spread.push_back(std::sqrt(std::max(0.0, covariance(i, i))));
}

}  // namespace

MapPrior independent_prior(std::vector<double> centre, const std::vector<double>& spread, std::vector<double> lowest,
                           std::vector<double> highest) {
  const std::size_t size = centre.size();
  std::vector<double> precision(size * size, 0.0);
  for (std::size_t i = 0; i < size; ++i) precision[i * size + i] = 1.0 / (spread[i] * spread[i]);
  return {std::move(centre), std::move(precision), std::move(lowest), std::move(highest)};
}

double robust_loss(double r, const MapOptions& options) {
  const double size = std::abs(r) / options.noise;
  const double cap = std::max(options.cap / options.noise, huber);
  if (size <= huber) return 0.5 * size * size;
  if (size <= cap) return huber * size - 0.5 * huber * huber;
  return huber * cap - 0.5 * huber * huber + huber * cap * std::log(size / cap);
}

double robust_weight(double r, const MapOptions& options) {
  const double size = std::abs(r) / options.noise;
  const double cap = std::max(options.cap / options.noise, huber);
  if (size <= huber) return 1;
  return size <= cap ? huber / size : huber * cap / (size * size);
}

Jacobian jacobian_at(const std::vector<double>& x, const MapPrior& prior, const std::vector<MapRow>& rows,
                     const LogResidual& residual, unsigned threads) {
  Jacobian all(rows.size());
  for_each_row(rows.size(), threads, [&](std::size_t row) {
    const std::optional<double> here = residual(row, x);
    for (const std::size_t constant : rows[row].constants) {
      std::vector<double> there = x;
      const double step = x[constant] + difference <= prior.highest[constant] ? difference : -difference;
      there[constant] += step;
      const std::optional<double> r = here ? residual(row, there) : std::nullopt;
      all[row].push_back(r ? (*r - *here) / step : 0.0);
    }
  });
  return all;
}

MapFit map_fit(const MapPrior& prior, const std::vector<MapRow>& rows, const LogResidual& residual,
               const MapOptions& options, const Jacobian* known) {
  assert(prior.precision.size() == prior.centre.size() * prior.centre.size());
  MapFit fit;
  State state{moved(prior.centre, Vector::Zero(index(prior.centre.size())), 0, prior), {}, 0};
  state.residuals = residuals_at(state.x, rows.size(), residual, options.threads);
  state.value = objective(state.x, prior, rows, state.residuals, options);
  fit.first = or_zero(state.residuals);
  fit.jacobian = known != nullptr ? *known : jacobian_at(state.x, prior, rows, residual, options.threads);
  for (int computed = 1; fit.iterations < options.iterations; ++fit.iterations) {
    if (fit.iterations > 0 && computed < options.jacobians) {
      fit.jacobian = jacobian_at(state.x, prior, rows, residual, options.threads);
      ++computed;
    }
    const Model model = model_at(state.x, prior, rows, state.residuals, fit.jacobian, options);
    const Vector step = step_of(model, state.x, prior);
    if (step.size() == 0 || step.cwiseAbs().maxCoeff() < smallest_step_size) break;
    const double before = state.value;
    state = better(state, step, prior, rows, residual, options);
    if (before - state.value < smallest_gain) break;
  }
  describe(fit, state, prior, rows, options);
  return fit;
}

}  // namespace trainyard
