#include "analysis/adaptation/residuals_page.hpp"

#include <catch2/catch.hpp>

#include "analysis/adaptation/scatter_svg.hpp"
#include "tests/analysis/adaptation/synthetic_runs.hpp"

using namespace trainyard;
using namespace trainyard::adaptation_test;

namespace {

std::vector<PublishedRun> some_runs() {
  std::vector<PublishedRun> runs = runs_of("a&<b", "A", 0.8, 1);
  for (const PublishedRun& run : runs_of("c", "C", 1.0, 1.4)) runs.push_back(run);
  return runs;
}

std::string page_of(const std::vector<PublishedRun>& runs, unsigned threads) {
  const AdaptationProblem problem = adaptation_problem(runs, shipped_mapping_rules(), two_constant_presets());
  LeaveOneOutOptions options;
  options.threads = threads;
  return residuals_page(
      validate(runs, shipped_mapping_rules(), two_constant_presets(), two_constant_prediction, threads),
      leave_one_out(problem, two_constant_prediction, options), problem.constants, "picture.svg");
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("the page is the same in every run, on any number of threads") {
  const std::string page = page_of(some_runs(), 1);
  CHECK(page == page_of(some_runs(), 3));
  CHECK_THAT(page, Catch::Contains("(picture.svg)") && Catch::Contains("## A source that nobody has seen") &&
                       Catch::Contains("c: −29 % over 6 rows") &&  // 1 / 1.4 = 0.714
                       Catch::Contains("training_derate: 1 ±30 %; fitted to all sources"));
}

TEST_CASE("a page over no rows still says so") { CHECK_THAT(page_of({}, 1), Catch::Contains("No rows err together")); }

TEST_CASE("the picture has a dot per row, a colour per group and no markup from names") {
  const auto rows = validate(some_runs(), shipped_mapping_rules(), two_constant_presets(), two_constant_prediction);
  const std::string svg = scatter_svg(rows);
  CHECK(count(svg, "r=\"2.5\"") == 12);
  CHECK(count(svg, "<g fill=") == 2);
  CHECK_THAT(svg, Catch::Contains("a&amp;&lt;b (6)") && !Catch::Contains("<script") && Catch::EndsWith("</svg>\n"));
  CHECK(count(svg, "class=\"t\"") == 2);  // the lines at +10 % and -10 %
  CHECK(svg == scatter_svg(rows));
}

TEST_CASE("a picture of nothing and of extreme times stays inside its frame") {
  CHECK_THAT(scatter_svg({}), Catch::EndsWith("</svg>\n"));
  auto rows = validate(some_runs(), shipped_mapping_rules(), two_constant_presets(), two_constant_prediction);
  std::get<Prediction>(rows[0].prediction).step_time = Seconds(1e-7);
  rows[1].run.step_time = Seconds(1e6);
  const std::string svg = scatter_svg(rows);
  CHECK_FALSE(svg.find("nan") != std::string::npos);
  CHECK_FALSE(svg.find("inf") != std::string::npos);
}
