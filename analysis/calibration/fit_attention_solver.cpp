#include "analysis/calibration/fit_attention_solver.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace trainyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int most_steps = 100;
constexpr double smallest_effect = 0.01;  // of a constant on times: the noise of a repeated measurement
constexpr double smallest_noise = 0.002;  // of relative errors: Huber's border stays above it
constexpr double huber_border = 1.345;    // in standard deviations: 95 % efficient under normal errors (Huber 1981)
constexpr double deviation_of_median = 1.4826;  // standard deviation over median absolute error, normal errors

class Search {
 public:
  Search(const std::vector<SearchedConstant>& constants, const Prediction& predict, const std::vector<double>& measured)
      : constants_(constants), predict_(predict), measured_(measured), predicted_(measured.size()) {
    for (const SearchedConstant& c : constants) values_.push_back(std::clamp(c.start, c.low, c.high));
  }

  // Which constants the samples tell apart at the present values: Gram and Schmidt's projection, in order.
  std::vector<bool> determined() {
    std::vector<std::size_t> all(constants_.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    const MatrixXd slopes = jacobian(all);
    const double samples = static_cast<double>(measured_.size());
    std::vector<bool> result(constants_.size(), false);
    std::vector<VectorXd> basis;
    for (std::size_t i = 0; i < all.size() && basis.size() < measured_.size(); ++i) {
      VectorXd rest = slopes.col(static_cast<Eigen::Index>(i));
      for (const VectorXd& direction : basis) rest -= direction.dot(rest) * direction;
      result[i] = rest.norm() / std::sqrt(samples) >= smallest_effect;
      if (result[i]) basis.push_back(rest.normalized());
    }
    return result;
  }

  void run(const std::vector<bool>& free) {
    damping_ = 1e-3;
    for (int step = 0; step < most_steps; ++step)
      if (!improve(free)) return;
  }

  const std::vector<double>& values() const { return values_; }
  void reset(std::size_t i) { values_[i] = std::clamp(constants_[i].start, constants_[i].low, constants_[i].high); }

 private:
  VectorXd errors(const std::vector<double>& values) {
    predict_(values, predicted_);
    VectorXd result(static_cast<Eigen::Index>(measured_.size()));
    for (std::size_t i = 0; i < measured_.size(); ++i)
      result[static_cast<Eigen::Index>(i)] = std::log(predicted_[i] / measured_[i]);
    return result;
  }

  // Of the errors by the constants in units of their scales.
  MatrixXd jacobian(const std::vector<std::size_t>& columns) {
    constexpr double difference = 1e-5;
    const VectorXd here = errors(values_);
    MatrixXd slopes(here.size(), static_cast<Eigen::Index>(columns.size()));
    for (std::size_t i = 0; i < columns.size(); ++i) {
      std::vector<double> moved = values_;
      moved[columns[i]] += difference * constants_[columns[i]].scale;
      slopes.col(static_cast<Eigen::Index>(i)) = (errors(moved) - here) / difference;
    }
    return slopes;
  }

  static VectorXd huber_weights(const VectorXd& errors) {
    std::vector<double> sizes(errors.data(), errors.data() + errors.size());
    for (double& e : sizes) e = std::abs(e);
    const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
    std::nth_element(sizes.begin(), middle, sizes.end());
    const double border = huber_border * std::max(smallest_noise, deviation_of_median * *middle);
    return errors.unaryExpr([border](double e) { return std::abs(e) <= border ? 1.0 : border / std::abs(e); });
  }

  // Not those that the steepest descent would push out of their bounds.
  std::vector<std::size_t> movable(const std::vector<bool>& free, const VectorXd& descent) const {
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < free.size(); ++i) {
      const double direction = descent[static_cast<Eigen::Index>(i)];
      const bool blocked =
          (values_[i] <= constants_[i].low && direction < 0) || (values_[i] >= constants_[i].high && direction > 0);
      if (free[i] && !blocked) result.push_back(i);
    }
    return result;
  }

  // One step that lowers the weighted squares; false when there is none worth taking.
  bool improve(const std::vector<bool>& free) {
    constexpr double most_damping = 1e8, worth = 1e-7;
    const VectorXd here = errors(values_);
    const VectorXd weights = huber_weights(here);
    const double cost = (weights.array() * here.array().square()).sum();
    std::vector<std::size_t> all(constants_.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    const MatrixXd slopes = jacobian(all);
    const MatrixXd normal = slopes.transpose() * weights.asDiagonal() * slopes;
    const VectorXd descent = -slopes.transpose() * weights.asDiagonal() * here;
    const std::vector<std::size_t> moving = movable(free, descent);
    for (; !moving.empty() && damping_ <= most_damping; damping_ *= 4) {
      const std::vector<double> tried = stepped(normal, descent, moving);
      const VectorXd there = errors(tried);
      const double reached = (weights.array() * there.array().square()).sum();
      if (!(reached < cost)) continue;
      values_ = tried;
      damping_ = std::max(1e-9, damping_ / 10);
      return cost - reached > worth * cost;
    }
    return false;
  }

  std::vector<double> stepped(const MatrixXd& normal, const VectorXd& descent,
                              const std::vector<std::size_t>& moving) const {
    const auto n = static_cast<Eigen::Index>(moving.size());
    MatrixXd matrix(n, n);
    VectorXd right(n);
    for (Eigen::Index r = 0; r < n; ++r) {
      const auto row = static_cast<Eigen::Index>(moving[static_cast<std::size_t>(r)]);
      right[r] = descent[row];
      for (Eigen::Index c = 0; c < n; ++c)
        matrix(r, c) = normal(row, static_cast<Eigen::Index>(moving[static_cast<std::size_t>(c)]));
      matrix(r, r) *= 1 + damping_;
    }
    const VectorXd step = matrix.ldlt().solve(right);
    std::vector<double> tried = values_;
    for (std::size_t i = 0; i < moving.size(); ++i) {
      const SearchedConstant& c = constants_[moving[i]];
      const double moved = tried[moving[i]] + step[static_cast<Eigen::Index>(i)] * c.scale;
      if (std::isfinite(moved)) tried[moving[i]] = std::clamp(moved, c.low, c.high);
    }
    return tried;
  }

  const std::vector<SearchedConstant>& constants_;
  const Prediction& predict_;
  const std::vector<double>& measured_;
  std::vector<double> predicted_;
  std::vector<double> values_;
  double damping_ = 1e-3;
};

}  // namespace

RobustSolution fit_logarithms(const std::vector<SearchedConstant>& constants, const Prediction& predict,
                              const std::vector<double>& measured) {
  Search search(constants, predict, measured);
  std::vector<bool> free = search.determined();
  // What is determined depends on the values: what turns out not to be at the solution is given up, and searched again.
  for (std::size_t round = 0; round <= constants.size(); ++round) {
    search.run(free);
    const std::vector<bool> there = search.determined();
    bool changed = false;
    for (std::size_t i = 0; i < free.size(); ++i)
      if (free[i] && !there[i]) {
        free[i] = false;
        search.reset(i);
        changed = true;
      }
    if (!changed) break;
  }
  return {search.values(), free};
}

}  // namespace trainyard
