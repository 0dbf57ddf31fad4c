// What a sweep says on standard error while it runs.
#include "sim/cli/sweep_progress.hpp"

#include <catch2/catch.hpp>

#include <sstream>

namespace trainyard {
namespace {

using Catch::Contains;

const TextStyle plain{.colour = false, .width = 100, .unicode = true};

SweepProgress at(double seconds, std::int64_t plans) {
  // 1 000 plans per second, of which one in ten is simulated.
  SweepProgress now;
  now.plans = plans;
  now.engine_plans = plans / 10;
  now.all_plans = 10'000;
  now.elapsed = Seconds(seconds);
  return now;
}

TEST_CASE("progress says how many, how fast, the best and how long") {
  SweepProgress now = at(2, 2000);
  now.best = Seconds(12.345);
  CHECK(progress_text(now) == "2000 of 10000 plans · 1000/s (100 simulated) · best 12.35 s · 8 s left");
}

TEST_CASE("before the first batch only the number of plans is known") {
  CHECK(progress_text(at(0, 0)) == "0 of 10000 plans");
  CHECK(progress_text(SweepProgress{}) == "0 of 0 plans");
}

TEST_CASE("long waits are told in minutes and hours") {
  // 9 999 plans are left: 119.99 s, 2 min and more, 2 h and more.
  CHECK_THAT(progress_text(at(0.012, 1)), Contains("120 s left"));
  CHECK_THAT(progress_text(at(0.06, 1)), Contains("10 min left"));
  CHECK_THAT(progress_text(at(0.9, 1)), Contains("2.5 h left"));
}

TEST_CASE("without a terminal there is a line every ten seconds, and none before") {
  std::ostringstream err;
  ProgressDisplay display(err, ProgressKind::lines, plain);
  for (const double t : {0.0, 5.0, 9.9, 10.0, 12.0, 19.9, 20.5}) display.show(at(t, 100));
  display.show("the stages in between are for terminals");
  display.clear();
  CHECK(err.str() ==
        "1.0 % · 100 of 10000 plans · 10/s (1 simulated) · 16 min left\n"
        "1.0 % · 100 of 10000 plans · 5/s (0 simulated) · 34 min left\n");
}

int drawings(const std::string& text) {
  int count = 0;
  for (std::size_t at = text.find('\r'); at != std::string::npos; at = text.find('\r', at + 1)) ++count;
  return count;
}

TEST_CASE("a bar is redrawn at most ten times a second and disappears in the end") {
  std::ostringstream err;
  {
    ProgressDisplay display(err, ProgressKind::bar, plain);
    for (int i = 0; i <= 1000; ++i) display.show(at(i * 0.001, i));  // one second
    CHECK(drawings(err.str()) <= 11);
    CHECK(drawings(err.str()) >= 10);
    CHECK(err.str().find('\n') == std::string::npos);
  }
  CHECK_THAT(err.str(), Catch::EndsWith("\r\x1b[K"));
}

TEST_CASE("a bar never wraps") {
  for (const int width : {1, 10, 25, 40, 79}) {
    std::ostringstream err;
    ProgressDisplay display(err, ProgressKind::bar, {.colour = false, .width = width, .unicode = true});
    display.show(at(5, 5000));
    const std::string line = err.str().substr(std::string("\r\x1b[K").size());
    INFO(width << ": " << line);
    CHECK(columns(line) < static_cast<std::size_t>(width));
  }
}

TEST_CASE("a terminal without UTF-8 gets ASCII, one without colour no colour") {
  std::ostringstream err;
  ProgressDisplay display(err, ProgressKind::bar, {.colour = false, .width = 100, .unicode = false});
  display.show(at(5, 5000));
  display.show(std::string("the next stage"));
  for (const char c : err.str()) CHECK(static_cast<unsigned char>(c) < 0x80);
  CHECK(err.str().find("\x1b[3") == std::string::npos);
  CHECK_THAT(err.str(), Contains("the next stage"));
}

TEST_CASE("a quiet sweep says nothing") {
  std::ostringstream err;
  ProgressDisplay display(err, progress_kind(err, true), plain);
  display.show(at(20, 100));
  display.show("stage");
  display.clear();
  CHECK(err.str().empty());
  CHECK(progress_kind(err, false) == ProgressKind::lines);  // no terminal
}

}  // namespace
}  // namespace trainyard
