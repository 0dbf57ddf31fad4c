#include <catch2/catch.hpp>

#include <cmath>

#include "analysis/adaptation/learnt.hpp"
#include "analysis/adaptation/map_fit.hpp"

using namespace trainyard;

namespace {

// ln(predicted / measured) = Σ slope (x - truth) + excess: a step time that is a product of powers of its constants.
struct Linear {
  std::vector<double> truth;
  std::vector<std::vector<double>> slopes;  // [row][constant]; 0 = not felt
  std::vector<double> excess;               // [row]; empty = none

  LogResidual residual() const {
    return [this](std::size_t row, const std::vector<double>& x) -> std::optional<double> {
      double r = excess.empty() ? 0.0 : excess[row];
      for (std::size_t i = 0; i < x.size(); ++i) r += slopes[row][i] * (x[i] - truth[i]);
      return r;
    };
  }
  std::vector<MapRow> rows(double weight = 1) const {
    std::vector<MapRow> all;
    for (const std::vector<double>& row : slopes) {
      MapRow& one = all.emplace_back();
      one.weight = weight;
      for (std::size_t i = 0; i < row.size(); ++i)
        if (row[i] != 0.0) one.constants.push_back(i);
    }
    return all;
  }
};

MapPrior prior_of(const std::vector<double>& spread) {
  const std::vector<double> zero(spread.size(), 0.0);
  return independent_prior(zero, spread, std::vector<double>(spread.size(), -1.0),
                           std::vector<double>(spread.size(), 1.0));
}

Linear three_constants() {
  Linear model{{0.2, -0.1, 0.05}, {}, {}};
  for (int i = 0; i < 12; ++i) model.slopes.push_back({-0.7, 0.1 + 0.05 * i, i % 3 == 0 ? 0.4 : 0.1});
  return model;
}

}  // namespace

TEST_CASE("enough rows bring back the constants that made them") {
  const Linear model = three_constants();
  const MapFit fit = map_fit(prior_of({1, 1, 1}), model.rows(), model.residual(), {});
  // No noise: only the prior holds back, by spread² / (spread² + posterior²), under 2 % of 0.2 here.
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(fit.x[i] == Approx(model.truth[i]).margin(0.01));
    CHECK(fit.spread[i] < 0.2);
  }
  for (const double r : fit.residual) CHECK(std::abs(r) < 0.005);
}

TEST_CASE("a constant that no row feels keeps its prior exactly") {
  const Linear model{{0.2, 0.3}, {{-0.8, 0}, {-0.6, 0}, {-0.7, 0}}, {}};
  MapPrior prior = prior_of({0.3, 0.2});
  prior.centre = {0.0, 0.07};
  // The row's residual at x does not hold the second constant, whatever it is.
  const MapFit fit = map_fit(prior, model.rows(), model.residual(), {});
  CHECK(fit.x[1] == 0.07);
  CHECK(fit.spread[1] == Approx(0.2));
  CHECK(fit.x[0] > 0.15);
}

TEST_CASE("one row moves one constant by the share that its spread has in all uncertainty") {
  // r = x - 0.05 with noise 0.05 and spread 0.05: x = 0.05 · 0.05² / (0.05² + 0.05²) = 0.025,
  // posterior spread 1 / sqrt(1/0.05² + 1/0.05²) = 0.05 / sqrt 2
  const Linear model{{0.05}, {{1}}, {}};
  const MapFit fit = map_fit(prior_of({0.05}), model.rows(), model.residual(), {.noise = 0.05});
  CHECK(fit.x[0] == Approx(0.025).epsilon(1e-6));
  CHECK(fit.spread[0] == Approx(0.05 / std::sqrt(2.0)).epsilon(1e-6));
}

TEST_CASE("constants that rows only feel together share a correction as their squared spreads") {
  // r = x0 + x1 - 0.06: the minimum of the two priors along x0 + x1 = const has x0 / x1 = s0² / s1² = 4.
  const Linear model{{0.03, 0.03}, {{1, 1}, {1, 1}}, {}};
  const MapFit fit = map_fit(prior_of({0.2, 0.1}), model.rows(), model.residual(), {});
  CHECK(fit.x[0] / fit.x[1] == Approx(4.0).epsilon(1e-6));
  CHECK(fit.x[0] + fit.x[1] > 0.05);
}

TEST_CASE("a wild row among good ones moves the answer by less than a tenth of what it asks for") {
  Linear model{{0.1}, std::vector<std::vector<double>>(11, {1}), std::vector<double>(11, 0.0)};
  const double alone = map_fit(prior_of({0.3}), model.rows(), model.residual(), {}).x[0];
  model.excess[4] = -2;  // seven times too fast
  const double with = map_fit(prior_of({0.3}), model.rows(), model.residual(), {}).x[0];
  CHECK(alone == Approx(0.1).margin(0.001));
  // Its pull is huber · cap / |r| = 1.5 · 6 / 40 noises against 1 per noise of each of the ten others.
  CHECK(std::abs(with - alone) < 0.01);
}

TEST_CASE("the robust loss and its weight belong together") {
  const MapOptions options{.noise = 0.05, .cap = 0.3};
  for (const double r : {0.01, 0.06, 0.0751, 0.2, 0.31, 0.9}) {
    const double h = 1e-6;
    const double slope = (robust_loss(r + h, options) - robust_loss(r - h, options)) / (2 * h) * 0.05;
    INFO(r);
    CHECK(slope == Approx(robust_weight(r, options) * r / 0.05).epsilon(1e-4));
    CHECK(robust_loss(-r, options) == robust_loss(r, options));
  }
  CHECK(robust_loss(0.3001, options) == Approx(robust_loss(0.2999, options)).epsilon(1e-3));  // no jump at the cap
}

TEST_CASE("bounds hold, and a row that cannot be predicted says nothing") {
  const Linear model{{5.0}, {{1}, {1}}, {}};
  MapPrior prior = prior_of({10});
  prior.highest = {0.4};
  CHECK(map_fit(prior, model.rows(), model.residual(), {}).x[0] == 0.4);
  const LogResidual none = [](std::size_t, const std::vector<double>&) { return std::nullopt; };
  const MapFit fit = map_fit(prior, model.rows(), none, {});
  CHECK(fit.x[0] == 0.0);
  CHECK(fit.spread[0] == Approx(10));
}

TEST_CASE("a fit without rows or without constants is the prior") {
  const Linear nothing{{0.5}, {}, {}};
  CHECK(map_fit(prior_of({0.1}), {}, nothing.residual(), {}).x == std::vector<double>{0.0});
  const Linear constant{{}, {{}, {}}, {0.1, 0.2}};
  const MapFit fit = map_fit(prior_of({}), constant.rows(), constant.residual(), {});
  CHECK(fit.x.empty());
  CHECK(fit.residual == std::vector<double>{0.1, 0.2});
}

TEST_CASE("threads and weights: two threads change nothing, a row of weight two is a row twice") {
  const Linear model = three_constants();
  const MapFit one = map_fit(prior_of({0.2, 0.2, 0.2}), model.rows(2), model.residual(), {.threads = 1});
  const MapFit two = map_fit(prior_of({0.2, 0.2, 0.2}), model.rows(2), model.residual(), {.threads = 2});
  CHECK(one.x == two.x);
  Linear doubled = model;
  doubled.slopes.insert(doubled.slopes.end(), model.slopes.begin(), model.slopes.end());
  const MapFit twice = map_fit(prior_of({0.2, 0.2, 0.2}), doubled.rows(1), doubled.residual(), {});
  for (std::size_t i = 0; i < 3; ++i) CHECK(twice.x[i] == Approx(one.x[i]).epsilon(1e-6));
}

TEST_CASE("never more constants move than there are rows, and the others stay exactly") {
  Linear model{{0.1, 0.1, 0.1, 0.1}, {{0.9, 0.5, 0.3, 0.1}, {0.8, 0.6, 0.3, 0.1}}, {}};
  const FrugalFit frugal = frugal_fit(prior_of({0.2, 0.2, 0.2, 0.2}), model.rows(), model.residual(), {});
  int moved = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    moved += frugal.adapted[i];
    if (!frugal.adapted[i]) CHECK(frugal.fit.x[i] == 0.0);
  }
  CHECK(moved == 2);
  CHECK(frugal.adapted[0]);  // felt most
  CHECK_FALSE(frugal.adapted[3]);
  CHECK(frugal.posterior[0] < 0.2);
}
