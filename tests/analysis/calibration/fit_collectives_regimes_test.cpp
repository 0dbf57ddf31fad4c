#include "analysis/calibration/fit_collectives_regimes.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

#include "models/collective_curve.hpp"

using namespace trainyard;

namespace {

using Curve = std::vector<CollectiveRegime>;

// 512 B to 512 MiB, doubling, as nccl-tests are run.
std::vector<CurvePoint> doubling(double (*time_us)(double)) {
  std::vector<CurvePoint> points;
  for (double size = 512; size <= 536870912; size *= 2) points.push_back({Bytes(size), Seconds(1e-6 * time_us(size))});
  return points;
}
double at(const Curve& curve, double size) { return regime_time(curve, Bytes(size)).value * 1e6; }

double worst_error(const Curve& curve, const std::vector<CurvePoint>& points) {
  double worst = 0;
  for (const CurvePoint& p : points) worst = std::max(worst, std::abs(regime_time(curve, p.size) / p.time - 1.0));
  return worst;
}

// 8 us up to 64 kB, then 6.72 + S / 50 GB/s, from 4 MB on 66.72 + S / 200 GB/s: they meet at either border.
double three_pieces(double size) {
  if (size <= 64e3) return 8;
  return size <= 4e6 ? 6.72 + size / 50e3 : 66.72 + size / 200e3;
}
// From 1 MiB on another protocol with a longer start: 15.5 us at 512 KiB become 30.2 us, not quite twice as much.
double protocol_change(double size) { return size < 1048576 ? 5 + size / 50e3 : 25 + size / 200e3; }

// Deterministic noise of up to 4 %.
double noisy(double size) {
  const double phase = std::sin(12.9898 * std::log2(size)) * 43758.5453;
  return three_pieces(size) * (1 + 0.08 * (phase - std::floor(phase) - 0.5));
}

}  // namespace

TEST_CASE("three known pieces are found again, with their borders") {
  const Curve curve = fit_regimes(doubling(three_pieces));
  REQUIRE(curve.size() == 3);
  CHECK(curve[0].from.value == 0);
  CHECK(curve[0].latency.value == Approx(8e-6));
  CHECK(curve[1].latency.value == Approx(6.72e-6));
  CHECK(curve[1].bandwidth.value == Approx(50e9));
  CHECK(curve[2].latency.value == Approx(66.72e-6));
  CHECK(curve[2].bandwidth.value == Approx(200e9));
  CHECK(curve[1].from.value == Approx(64e3).epsilon(1e-3));
  CHECK(curve[2].from.value == Approx(4e6).epsilon(1e-3));
}

TEST_CASE("one line needs one piece") {
  const Curve curve = fit_regimes(doubling([](double size) { return 10 + size / 100e3; }));
  REQUIRE(curve.size() == 1);
  CHECK(curve[0].latency.value == Approx(10e-6));
  CHECK(curve[0].bandwidth.value == Approx(100e9));
}

TEST_CASE("a change of protocol is bridged within the doubling where it happens") {
  const std::vector<CurvePoint> points = doubling(protocol_change);
  const Curve curve = fit_regimes(points);
  CHECK(worst_error(curve, points) < 0.01);
  REQUIRE(curve.size() == 3);
  CHECK(curve[1].from.value == Approx(524288));
  CHECK(curve[2].from.value == Approx(1048576));
}

TEST_CASE("a step of more than twice in one doubling leaves jumps of at most 10 %") {
  // 10 us up to 1 MB, 23 us from 2 MB on: the bridge can only double, which leaves 2.3 / 2 = 7.2 % at either end.
  const std::vector<CurvePoint> points = doubling([](double size) { return size < 1.5e6 ? 10.0 : 23.0; });
  const Curve curve = fit_regimes(points);
  CHECK(worst_error(curve, points) < 0.01);
  for (std::size_t i = 1; i < curve.size(); ++i) {
    const double border = curve[i].from.value;
    CHECK(at(curve, border) / at(curve, border * (1 - 1e-9)) == Approx(1).margin(0.1));
  }
}

TEST_CASE("one measurement three times too slow changes the others' times by less than 2 %") {
  std::vector<CurvePoint> points = doubling(three_pieces);
  const std::vector<CurvePoint> clean = points;
  points[4].time = 3.0 * points[4].time;    // 8 kB
  points[16].time = 3.0 * points[16].time;  // 32 MB
  const Curve curve = fit_regimes(points);
  CHECK(worst_error(curve, clean) < 0.02);
}

TEST_CASE("time never falls with size, whatever the noise") {
  const std::vector<CurvePoint> points = doubling(noisy);
  const Curve curve = fit_regimes(points);
  REQUIRE(!curve.empty());
  CHECK(worst_error(curve, points) < 0.06);
  for (double size = 100; size < 4e9; size *= 1.01) {
    CAPTURE(size);
    REQUIRE(at(curve, size * 1.01) >= at(curve, size));
    REQUIRE(at(curve, size * 1.01) <= 1.11 * at(curve, size));
  }
}

TEST_CASE("beyond what was measured the last piece goes on") {
  const Curve curve = fit_regimes(doubling(three_pieces));
  CHECK(at(curve, 1e10) == Approx(66.72 + 1e10 / 200e3));
}

TEST_CASE("fewer than four sizes make no curve, repeats or not") {
  std::vector<CurvePoint> points = {{1_MB, 20_us}, {2_MB, 25_us}, {4_MB, 35_us}, {4_MB, 36_us}, {4_MB, 34_us}};
  CHECK(fit_regimes(points).empty());
  points.push_back({8_MB, 55_us});
  CHECK(fit_regimes(points).size() == 1);
  CHECK(fit_regimes({}).empty());
}

TEST_CASE("what is no measurement is passed over") {
  const std::vector<CurvePoint> clean = doubling(three_pieces);
  std::vector<CurvePoint> points = clean;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double wrong : {0.0, -1.0, infinity, nan}) {
    points.push_back({Bytes(wrong), 1_us});
    points.push_back({1_MB, Seconds(wrong)});
  }
  CHECK(fit_regimes(points) == fit_regimes(clean));
}

TEST_CASE("a scan of thousands of sizes over every magnitude is cut as well") {
  std::vector<CurvePoint> points;
  for (double size = 1e-300; size < 1e300; size *= 1.3) points.push_back({Bytes(size), Seconds(1e-6 + size / 1e11)});
  REQUIRE(points.size() > 5000);
  const Curve curve = fit_regimes(points);
  REQUIRE(!curve.empty());
  CHECK(regime_time(curve, 1_GB).value > 0);
}
