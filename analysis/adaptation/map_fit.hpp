// The most probable constants given what they were believed to be and what was measured (maximum a posteriori):
// minimises
//   Σ_rows weight ρ(r / noise) + ½ (x − centre)ᵀ precision (x − centre)
// over x = ln(constant / its value in the profile), with r = ln(predicted / measured) of a row. ρ is Huber's: quadratic
// up to 1.5 noises, linear up to `cap`, and beyond it only logarithmic, so that a wild row cannot drag a constant
// along. Gauss–Newton with a numeric Jacobian, steps halved until the objective falls, bounds by an active set.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace trainyard {

struct MapPrior {
  std::vector<double> centre;
  std::vector<double> precision;  // inverse covariance, square, row by row
  std::vector<double> lowest;
  std::vector<double> highest;
};
// Independent constants: precision = 1 / spread². Every spread must be above 0.
MapPrior independent_prior(std::vector<double> centre, const std::vector<double>& spread, std::vector<double> lowest,
                           std::vector<double> highest);

struct MapRow {
  double weight = 1;                   // how many independent rows it counts for
  std::vector<std::size_t> constants;  // that its prediction can depend on
};

// r of a row at x; nothing if it cannot be predicted there. Must be callable from several threads at once.
using LogResidual = std::function<std::optional<double>(std::size_t row, const std::vector<double>& x)>;

struct MapOptions {
  double noise = 0.05;  // of a row: repeated measurements and what no constant explains
  double cap = 0.3;     // |r| beyond which a row's pull declines
  int iterations = 6;   // at most
  int jacobians = 2;    // computed anew this often, later steps use the last one
  unsigned threads = 1;
};

using Jacobian = std::vector<std::vector<double>>;  // [row][of its constants] dr / dx

struct MapFit {
  std::vector<double> x;
  std::vector<double> spread;     // posterior standard deviation of each constant
  std::vector<double> precision;  // posterior, square: the prior of a further fit
  std::vector<double> first;      // r of each row at the start (0 where it cannot be predicted)
  std::vector<double> residual;   // and at x
  Jacobian jacobian;              // the last one computed
  int iterations = 0;
};

// Starts at the prior's centre. `known` is the Jacobian there, if it has been computed before.
MapFit map_fit(const MapPrior& prior, const std::vector<MapRow>& rows, const LogResidual& residual,
               const MapOptions& options, const Jacobian* known = nullptr);

Jacobian jacobian_at(const std::vector<double>& x, const MapPrior& prior, const std::vector<MapRow>& rows,
                     const LogResidual& residual, unsigned threads);

// ρ of one row and its derivative divided by r (the weight of iteratively reweighted least squares), in noises.
double robust_loss(double r, const MapOptions& options);
double robust_weight(double r, const MapOptions& options);

}  // namespace trainyard
