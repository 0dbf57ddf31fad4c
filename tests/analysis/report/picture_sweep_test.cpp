#include "analysis/report/picture_sweep.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "analysis/report/picture_svg.hpp"
#include "tests/support/picture_checks.hpp"

namespace trainyard {
namespace {

using testing::check_inside;
using testing::number;
using testing::parsed;
using testing::ParsedPicture;
using testing::says;

std::vector<ScatterPlan> plans() {
  return {{10_s, 60_GiB, "fast <b>", true, true},
          {20_s, 30_GiB, "small & slow", true, true},
          {22_s, 50_GiB, "worse", false, true},
          {12_s, 90_GiB, "too large", false, false},
          {100_s, 20_GiB, "far", false, true}};
}

TEST_CASE("the Pareto picture has a point per plan, hollow where it does not fit, and the front as a stair") {
  const ParsedPicture p = parsed(pareto_svg(plans(), 80_GiB, {"p", 960}), "p");
  check_inside(p);
  const auto points = p.drawn("circle");
  REQUIRE(points.size() == 4);  // the plan ten times as slow as the best is only counted
  CHECK(says(p, "not drawn: plans slower than 22.00 s (1)"));
  CHECK(says(p, "limit 80.0"));
  CHECK(says(p, "2  10.00 s · 60.0 GiB · fast <b>"));
  CHECK(std::string(points[1].attribute("fill").value()) == "none");
  // First the others, then the front by memory: 30 and 60 GiB. Memory is to the right, time up.
  CHECK(number(points[3], "cx") - 46 == Approx(2 * (number(points[2], "cx") - 46)).margin(0.02));
  CHECK(number(points[3], "cy") > number(points[2], "cy"));
  const auto line = p.drawn("path");
  REQUIRE(line.size() == 1);
  const std::string stair = line[0].attribute("d").value();
  CHECK(stair == "M" + px(number(points[2], "cx")) + " " + px(number(points[2], "cy")) + "H" +
                     px(number(points[3], "cx")) + "V" + px(number(points[3], "cy")));
}

TEST_CASE("plans that are no numbers are left out, and one plan is a picture") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  std::vector<ScatterPlan> odd = {{Seconds(nan), 1_GiB, "a"},
                                  {Seconds(inf), 1_GiB, "b"},
                                  {Seconds(0), 1_GiB, "c"},
                                  {1_s, Bytes(nan), "d"},
                                  {Seconds(-1), 1_GiB, "e"}};
  CHECK(pareto_svg(odd, 80_GiB, {}).empty());
  CHECK(pareto_svg({}, 80_GiB, {}).empty());
  odd.push_back({1_s, 1_GiB, "only", true, true});
  check_inside(parsed(pareto_svg(odd, 80_GiB, {"p", 340}), "p"));
  check_inside(parsed(pareto_svg({{1_s, 0_B, "no memory", true, true}}, 0_B, {"p", 340}), "p"));
}

TEST_CASE("a heat map of two settings keeps the best of each pair, values ascending") {
  const HeatMap map =
      axes_heat_map("plan.tp", "plan.pp", {{"8", "2", 30_s}, {"8", "2", 20_s}, {"16", "2", 10_s}, {"16", "1", 15_s}});
  CHECK(map.rows == std::vector<std::string>{"8", "16"});
  CHECK(map.columns == std::vector<std::string>{"1", "2"});
  REQUIRE(map.cells.size() == 4);
  CHECK(map.cells[0].empty);
  CHECK(map.cells[1] == HeatMapCell{false, 0.0, "20.00 s", "+100.0 %"});
  CHECK(map.cells[2] == HeatMapCell{false, 0.5, "15.00 s", "+50.0 %"});
  CHECK(map.cells[3] == HeatMapCell{false, 1.0, "10.00 s", "best"});
  const ParsedPicture p = parsed(heat_map_svg(map, {"p", 340}), "p");
  check_inside(p);
  CHECK(says(p, "10.00 s"));
}

TEST_CASE("words keep their order on an axis") {
  const HeatMap map = axes_heat_map("schedule", "zero", {{"zb-h1", "1", 2_s}, {"1f1b", "none", 1_s}});
  CHECK(map.rows == std::vector<std::string>{"zb-h1", "1f1b"});
  CHECK(map.columns == std::vector<std::string>{"1", "none"});
  CHECK(heat_map_svg(axes_heat_map("a", "b", {}), {}).empty());
}

TEST_CASE("a heat map on a phone names long rows above their cells") {
  HeatMap map{"title", "row", "column", {std::string(60, 'w'), "b"}, {"x"}, {}, "low", "high"};
  map.cells = {{false, 0.5, "1", "one"}, {}};
  const ParsedPicture p = parsed(heat_map_svg(map, {"p", 340}), "p");
  check_inside(p);
  map.cells.pop_back();
  CHECK(heat_map_svg(map, {"p", 340}).empty());  // a cell is missing
}

}  // namespace
}  // namespace trainyard
