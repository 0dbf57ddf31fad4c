// Each pitfall of SimGrid that the network guards against, and its rates against an independent solver.
#include "sim/engine/shared_network.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include "tests/support/max_min_network.hpp"

using namespace trainyard;

namespace {

struct Start {
  double time;
  int flow_class;
  double bytes;
};

// Starts flows at given times (ascending) and notes when each ends.
class Script final : public NetworkClient {
 public:
  Script(SharedNetwork& network, std::vector<Start> starts)
      : network_(network), starts_(std::move(starts)), ends(starts_.size(), -1.0) {}
  double advance(double now, std::span<const int> done) override {
    for (const int id : done) ends[static_cast<std::size_t>(id)] = now;
    for (; next_ < starts_.size() && starts_[next_].time <= now; ++next_)
      network_.start(starts_[next_].flow_class, starts_[next_].bytes, static_cast<int>(next_));
    return next_ < starts_.size() ? starts_[next_].time : std::numeric_limits<double>::infinity();
  }

 private:
  SharedNetwork& network_;
  std::vector<Start> starts_;
  std::size_t next_ = 0;

 public:
  std::vector<double> ends;
};

std::vector<double> ends_of(std::vector<double> capacities, std::vector<FlowClass> classes, std::vector<Start> starts) {
  const auto network = simgrid_network(capacities, classes);
  Script script(*network, std::move(starts));
  network->run(script);
  return script.ends;
}

// SimGrid treats events within its timing precision as one, and lends a weighted flow this much latency.
constexpr double nanosecond = 1e-9;
constexpr double nic = 50e9;  // bytes per second

}  // namespace

TEST_CASE("a flow alone takes bytes over bandwidth, and no latency or window is added") {
  const std::vector<double> ends = ends_of({nic}, {{{0}, 1, 0}}, {{0, 0, 100e6}, {1.0, 0, 5000}});
  CHECK(ends[0] == Approx(100e6 / nic).margin(2 * nanosecond));
  CHECK(ends[1] - 1.0 == Approx(1e-7).margin(2 * nanosecond));
}

TEST_CASE("two flows of one link halve it, whenever they started") {
  // 50 MB alone for 0.5 ms moves 25 MB; then both at 25 GB/s: the first needs 1 ms more, the second's last 25 MB run
  // alone for 0.5 ms.
  const std::vector<double> ends = ends_of({nic}, {{{0}, 1, 0}, {{0}, 1, 0}}, {{0, 0, 50e6}, {0.5e-3, 1, 50e6}});
  CHECK(ends[0] == Approx(1.5e-3).margin(2 * nanosecond));
  CHECK(ends[1] == Approx(2.0e-3).margin(2 * nanosecond));
}

TEST_CASE("shares follow the weights alone") {
  // 3 : 1 of 50 GB/s: 37.5 and 12.5. 37.5 MB end at 1 ms; the other has 25 MB left, at 50 GB/s another 0.5 ms.
  const std::vector<double> ends = ends_of({nic}, {{{0}, 1, 0}, {{0}, 3, 0}}, {{0, 0, 37.5e6}, {0, 1, 37.5e6}});
  CHECK(ends[1] == Approx(1.0e-3).margin(3 * nanosecond));
  CHECK(ends[0] == Approx(1.5e-3).margin(3 * nanosecond));
}

TEST_CASE("a cap holds, and what it leaves goes to the others") {
  const std::vector<double> ends = ends_of({nic}, {{{0}, 1, 10e9}, {{0}, 1, 0}}, {{0, 0, 10e6}, {0, 1, 40e6}});
  CHECK(ends[0] == Approx(1e-3).margin(2 * nanosecond));
  CHECK(ends[1] == Approx(1e-3).margin(2 * nanosecond));
}

TEST_CASE("a flow moves in step on all its links: slowed on one, it frees the others") {
  // Flow A crosses links 0 and 1, B link 0, C link 1 (twice as wide). A and B share link 0: 25 each; C gets the rest of
  // link 1: 75 GB/s.
  const std::vector<double> ends =
      ends_of({nic, 2 * nic}, {{{0, 1}, 1, 0}, {{0}, 1, 0}, {{1}, 1, 0}}, {{0, 0, 25e6}, {0, 1, 25e6}, {0, 2, 75e6}});
  for (const double end : ends) CHECK(end == Approx(1e-3).margin(2 * nanosecond));
}

TEST_CASE("numbers that SimGrid would take silently are refused") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, -1.0, nan, inf}) {
    CHECK_THROWS_AS(ends_of({bad}, {{{0}, 1, 0}}, {}), std::invalid_argument);
    CHECK_THROWS_AS(ends_of({nic}, {{{0}, bad, 0}}, {}), std::invalid_argument);
    if (bad != 0) CHECK_THROWS_AS(ends_of({nic}, {{{0}, 1, bad}}, {}), std::invalid_argument);
    CHECK_THROWS_AS(ends_of({nic}, {{{0}, 1, 0}}, {{0, 0, bad}}), std::invalid_argument);
  }
  CHECK_THROWS_AS(ends_of({nic}, {{{1}, 1, 0}}, {}), std::invalid_argument);
  CHECK_THROWS_AS(ends_of({nic}, {{{-1}, 1, 0}}, {}), std::invalid_argument);
  CHECK_THROWS_AS(ends_of({nic}, {{{}, 1, 0}}, {}), std::invalid_argument);
}

TEST_CASE("one network at a time, and the next one after it") {
  const std::vector<double> capacities = {nic};
  const std::vector<FlowClass> classes = {{{0}, 1, 0}};
  {
    const auto first = simgrid_network(capacities, classes);
    CHECK_THROWS_AS(simgrid_network(capacities, classes), NetworkError);
  }
  CHECK_NOTHROW(simgrid_network(capacities, classes));
}

TEST_CASE("another thread may not run it") {
  const std::vector<double> capacities = {nic};
  const std::vector<FlowClass> classes = {{{0}, 1, 0}};
  const auto network = simgrid_network(capacities, classes);
  Script script(*network, {{0, 0, 1e6}});
  bool refused = false;
  std::thread other([&] {
    try {
      network->run(script);
    } catch (const NetworkError&) {
      refused = true;
    }
  });
  other.join();
  CHECK(refused);
  network->run(script);
  CHECK(script.ends[0] == Approx(1e6 / nic).margin(2 * nanosecond));
}

TEST_CASE("a hundred networks in a row give the same times") {
  const std::vector<FlowClass> classes = {{{0, 1}, 1, 0}, {{0}, 2, 30e9}, {{1}, 1, 0}};
  const std::vector<Start> starts = {{0, 0, 12345678}, {1e-4, 1, 2345678}, {1.1e-4, 2, 34567891}, {1.7e-4, 0, 1e6}};
  const std::vector<double> first = ends_of({nic, 2 * nic}, classes, starts);
  for (int i = 0; i < 100; ++i) REQUIRE(ends_of({nic, 2 * nic}, classes, starts) == first);
}

TEST_CASE("rates are those of progressive filling, over drawn networks") {
  std::mt19937 draw(7);
  const auto uniform = [&](double low, double high) { return std::uniform_real_distribution<double>(low, high)(draw); };
  for (int network = 0; network < 40; ++network) {
    std::vector<double> capacities(6);
    for (double& c : capacities) c = uniform(5e9, 100e9);
    std::vector<FlowClass> classes(8);
    for (FlowClass& f : classes) {
      for (int l = 0; l < 6; ++l)
        if (uniform(0, 1) < 0.4) f.links.push_back(l);
      if (f.links.empty()) f.links.push_back(0);
      f.weight = std::floor(uniform(1, 5));
      if (uniform(0, 1) < 0.3) f.cap = uniform(1e9, 40e9);
    }
    std::vector<Start> starts(40);
    for (Start& s : starts) s = {uniform(0, 5e-3), static_cast<int>(uniform(0, 7.99)), uniform(1e3, 100e6)};
    std::sort(starts.begin(), starts.end(), [](const Start& a, const Start& b) { return a.time < b.time; });
    const std::vector<double> fast = ends_of(capacities, classes, starts);
    const auto oracle = testing::max_min_network(capacities, classes);
    Script script(*oracle, starts);
    oracle->run(script);
    // A nanosecond of latency for each of the weighted flows before this one.
    for (std::size_t i = 0; i < starts.size(); ++i) CHECK(fast[i] == Approx(script.ends[i]).margin(50 * nanosecond));
  }
}
