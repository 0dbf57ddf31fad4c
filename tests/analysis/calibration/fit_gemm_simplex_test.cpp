#include "analysis/calibration/fit_gemm_simplex.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

using namespace trainyard;

TEST_CASE("the simplex search finds the bottom of Rosenbrock's valley, and of a bounded one") {
  const auto rosenbrock = [](const std::vector<double>& x) {
    return 100 * std::pow(x[1] - x[0] * x[0], 2) + std::pow(1 - x[0], 2);
  };
  const std::vector<double> free = least(rosenbrock, {{-1.2, -5, 5, 1}, {1, -5, 5, 1}}, 2000);
  CHECK(free[0] == Approx(1).epsilon(0.01));
  CHECK(free[1] == Approx(1).epsilon(0.02));
  // With x <= 0.5 the least lies on the bound: y = x^2 = 0.25.
  const std::vector<double> bounded = least(rosenbrock, {{-1.2, -5, 0.5, 1}, {1, -5, 5, 1}}, 2000);
  CHECK(bounded[0] == Approx(0.5));
  CHECK(bounded[1] == Approx(0.25).epsilon(0.02));
}

TEST_CASE("the search survives values that are no numbers") {
  const auto sharp = [](const std::vector<double>& x) {
    return x[0] > 2 ? std::numeric_limits<double>::quiet_NaN() : std::abs(x[0] - 1.5);
  };
  CHECK(least(sharp, {{0, -10, 10, 3}}, 300)[0] == Approx(1.5).epsilon(0.01));
}
