#include "analysis/calibration/fit_gemm_surface.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "models/gemm_cost.hpp"

namespace trainyard {
namespace {

// Model dimensions crowd between 512 and 16384; m, the tokens, reaches down to decoding.
constexpr std::array m_knots = {1.0, 16.0, 128.0, 512.0, 1024.0, 2048.0, 4096.0, 16384.0};
constexpr std::array dimension_knots = {32.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 65536.0};
constexpr std::size_t samples_per_knot = 4;

struct Axis {
  std::vector<double> knots;
  std::vector<std::size_t> samples;  // nearest to each knot

  template <class Knots>
  Axis(const Knots& all, const GemmSamples& gemms, std::int64_t Gemm::*dimension)
      : knots(all.begin(), all.end()), samples(all.size()) {
    for (const GemmSample* s : gemms) ++samples[nearest(static_cast<double>(s->gemm.*dimension))];
    for (std::size_t i = knots.size(); i-- > 0;)
      if (samples[i] == 0) remove(i);
  }
  std::size_t nearest(double x) const {
    const auto above = std::lower_bound(knots.begin(), knots.end(), x);
    if (above == knots.begin()) return 0;
    if (above == knots.end()) return knots.size() - 1;
    const auto index = static_cast<std::size_t>(above - knots.begin());
    return x / *(above - 1) < *above / x ? index - 1 : index;
  }
  void remove(std::size_t i) {
    knots.erase(knots.begin() + static_cast<std::ptrdiff_t>(i));
    samples.erase(samples.begin() + static_cast<std::ptrdiff_t>(i));
  }
  std::size_t poorest() const {
    return static_cast<std::size_t>(std::min_element(samples.begin(), samples.end()) - samples.begin());
  }
};

// Standard deviations: of a sample about the surface, of a knot about 1 and of neighbours an octave apart.
constexpr double sample_spread = 0.05;
constexpr double knot_spread = 0.16;
constexpr double neighbour_spread = 0.07;
constexpr double variance_ratio(double spread) { return sample_spread * sample_spread / (spread * spread); }

// Adds the prior of neighbouring knots along one axis: `stride` knots of the ratio lie between neighbours.
void join_neighbours(Eigen::MatrixXd& prior, const std::vector<double>& knots, std::size_t stride) {
  for (std::size_t a = 0; a + stride < static_cast<std::size_t>(prior.rows()); ++a) {
    const std::size_t place = a / stride % knots.size();
    if (place + 1 == knots.size()) continue;
    const double stiffness = variance_ratio(neighbour_spread) / std::log2(knots[place + 1] / knots[place]);
    const auto i = static_cast<Eigen::Index>(a), j = static_cast<Eigen::Index>(a + stride);
    prior(i, i) += stiffness;
    prior(j, j) += stiffness;
    prior(i, j) -= stiffness;
    prior(j, i) -= stiffness;
  }
}
// Of the deviations from 1.
Eigen::MatrixXd prior_of(const GemmSurface& lattice) {
  const auto size = static_cast<Eigen::Index>(lattice.m.size() * lattice.n.size() * lattice.k.size());
  Eigen::MatrixXd prior = Eigen::MatrixXd::Identity(size, size) * variance_ratio(knot_spread);
  join_neighbours(prior, lattice.k, 1);
  join_neighbours(prior, lattice.n, lattice.k.size());
  join_neighbours(prior, lattice.m, lattice.k.size() * lattice.n.size());
  return prior;
}

// One sample: log(measured) = log(ratio base + cast).
struct Equation {
  SurfaceWeights at;
  double base;  // seconds by the formula alone
  double cast;
  double measured;
};
std::vector<Equation> equations_of(const GemmSamples& samples, const GemmFormula& formula, const GemmSurface& lattice) {
  std::vector<Equation> out;
  out.reserve(samples.size());
  for (const GemmSample* s : samples) {
    const double base = benchmark_gemm_time(s->gemm, formula.device).value;
    out.push_back({surface_weights(lattice, s->gemm), base, sample_time(formula, s->gemm).value - base, s->time.value});
  }
  return out;
}

// One step of Gauss and Newton with Huber's weights, on the deviations of the ratios from 1. Returns the largest
// change.
double improve(Eigen::VectorXd& deviation, const std::vector<Equation>& equations, const Eigen::MatrixXd& prior) {
  Eigen::MatrixXd normal = prior;
  Eigen::VectorXd right = -prior * deviation;
  for (const Equation& e : equations) {
    double ratio = 1;
    for (std::size_t c = 0; c < e.at.knot.size(); ++c)
      ratio += e.at.weight[c] * deviation[static_cast<Eigen::Index>(e.at.knot[c])];
    const double predicted = ratio * e.base + e.cast;
    const double residual = std::log(e.measured / predicted);
    const double weight = std::min(1.0, sample_spread / std::abs(residual));
    const double slope = e.base / predicted;
    for (std::size_t c = 0; c < e.at.knot.size(); ++c) {
      const auto i = static_cast<Eigen::Index>(e.at.knot[c]);
      const double along = weight * slope * e.at.weight[c];
      right[i] += along * residual;
      for (std::size_t d = 0; d < e.at.knot.size(); ++d)
        normal(i, static_cast<Eigen::Index>(e.at.knot[d])) += along * slope * e.at.weight[d];
    }
  }
  const Eigen::VectorXd change = normal.llt().solve(right);
  deviation += change;
  return change.cwiseAbs().maxCoeff();
}

}  // namespace

GemmSurface surface_lattice(const GemmSamples& samples) {
  std::array axes = {Axis(m_knots, samples, &Gemm::m), Axis(dimension_knots, samples, &Gemm::n),
                     Axis(dimension_knots, samples, &Gemm::k)};
  while (axes[0].knots.size() * axes[1].knots.size() * axes[2].knots.size() * samples_per_knot > samples.size()) {
    Axis& longest = *std::max_element(axes.begin(), axes.end(),
                                      [](const Axis& a, const Axis& b) { return a.knots.size() < b.knots.size(); });
    if (longest.knots.size() <= 1) return {};
    longest.remove(longest.poorest());
  }
  return {axes[0].knots, axes[1].knots, axes[2].knots, {}};
}

GemmSurface fit_surface(const GemmSamples& samples, const GemmFormula& formula, GemmSurface lattice) {
  constexpr int most_steps = 12;
  constexpr double settled = 0.002;             // a fifth of what is written
  constexpr double lowest = 0.1, highest = 10;  // beyond, the samples are of something else
  if (lattice.m.empty()) return {};
  const std::vector<Equation> equations = equations_of(samples, formula, lattice);
  const Eigen::MatrixXd prior = prior_of(lattice);
  Eigen::VectorXd deviation = Eigen::VectorXd::Zero(prior.rows());
  for (int step = 0; step < most_steps; ++step) {
    const double change = improve(deviation, equations, prior);
    deviation = deviation.cwiseMax(lowest - 1).cwiseMin(highest - 1);
    if (change < settled) break;
  }
  for (const double d : deviation) lattice.ratio.push_back(std::round((1 + d) * 100) / 100);
  return lattice;
}

std::string surface_text(const GemmSurface& surface) {
  std::vector<int> percent;
  for (const double ratio : surface.ratio) percent.push_back(static_cast<int>(std::lround(ratio * 100)));
  return fmt::format("{{m: [{}], n: [{}], k: [{}], percent: [{}]}}", fmt::join(surface.m, ", "),
                     fmt::join(surface.n, ", "), fmt::join(surface.k, ", "), fmt::join(percent, ", "));
}

}  // namespace trainyard
