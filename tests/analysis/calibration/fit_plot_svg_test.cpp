#include <catch2/catch.hpp>
#include <pugixml.hpp>

#include <cmath>
#include <limits>
#include <string>

#include "analysis/calibration/fit_plot_svg.hpp"

using namespace trainyard;

namespace {

pugi::xml_document parsed(const std::string& svg) {
  pugi::xml_document document;
  REQUIRE(document.load_string(svg.c_str()));
  return document;
}

std::size_t count(const pugi::xml_document& document, const char* xpath) { return document.select_nodes(xpath).size(); }

}  // namespace

TEST_CASE("A panel has its points, its line, its axes and its words") {
  const FitCurve curve{
      "all_reduce, 8 ranks", "bytes", "s", {{1e3, 1e-5}, {1e6, 1e-4}, {1e9, 1e-2}}, {{1e3, 2e-5}, {1e9, 1e-2}}};
  const std::string svg = fit_plot_svg({curve});
  const pugi::xml_document document = parsed(svg);
  CHECK(count(document, "//circle") == 3);
  CHECK(count(document, "//polyline") == 1);
  CHECK(count(document, "//rect") == 1);
  CHECK(svg.find("all_reduce, 8 ranks") != std::string::npos);
  // 10^3 to 10^9 has seven powers of ten, 10^-5 to 10^-2 four: a line across for each.
  CHECK(count(document, "//line[@class='g']") == 11);
  CHECK(svg.find(">1G<") != std::string::npos);
  CHECK(svg.find(">10µ<") != std::string::npos);
  CHECK(svg.find("<script") == std::string::npos);
}

TEST_CASE("Points lie where the logarithms of their values say") {
  // The axis over 1 to 100 runs from x = 72 to 442: 10 is half way, 257.
  const FitCurve curve{"t", "x", "y", {{1, 1}, {10, 10}, {100, 100}}, {}};
  const pugi::xml_document document = parsed(fit_plot_svg({curve}));
  const auto circles = document.select_nodes("//circle");
  REQUIRE(circles.size() == 3);
  CHECK(circles[1].node().attribute("cx").as_double() == Approx(257));
  CHECK(circles[0].node().attribute("cy").as_double() > circles[2].node().attribute("cy").as_double());
}

TEST_CASE("Words from files cannot break out of the picture") {
  const FitCurve curve{"<script>alert(\"1\")</script> & more\x01", "]]>", "'", {{1, 1}}, {}};
  const pugi::xml_document document = parsed(fit_plot_svg({curve}));
  CHECK(count(document, "//script") == 0);
  CHECK(std::string(document.select_node("//text[@class='t']").node().text().as_string()) ==
        "<script>alert(\"1\")</script> & more");
}

TEST_CASE("A title longer than its panel is cut between characters, and kept whole as a hint") {
  const std::string whole = std::string(52, 'a') + "µµµµ";
  const std::string svg = fit_plot_svg({{whole, "x", "y", {{1, 1}}, {}}});
  CHECK(parsed(svg).select_node("//text[@class='t']/title").node().text().get() == whole);
  CHECK(svg.find(">" + std::string(52, 'a') + "µ…<title>") != std::string::npos);
  CHECK(fit_plot_svg({{std::string(54, 'a'), "x", "y", {{1, 1}}, {}}}).find("…") == std::string::npos);
}

TEST_CASE("Points that have no logarithm are left out") {
  const double inf = std::numeric_limits<double>::infinity();
  const FitCurve curve{"t", "x", "y", {{0, 1}, {-1, 1}, {1, std::nan("")}, {inf, 1}, {5, 5}}, {{0, 0}}};
  const std::string svg = fit_plot_svg({curve, FitCurve{}});
  CHECK(count(parsed(svg), "//circle") == 1);
  CHECK(count(parsed(svg), "//polyline") == 0);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
  CHECK(svg.find("no points") != std::string::npos);  // of the second panel
}

TEST_CASE("Panels stand side by side in pairs") {
  const std::vector<FitCurve> curves(3);
  const pugi::xml_document document = parsed(fit_plot_svg(curves));
  CHECK(count(document, "//g") == 3);
  CHECK(document.child("svg").attribute("width").as_double() == 920);
  CHECK(document.child("svg").attribute("height").as_double() == 660);
  CHECK(count(parsed(fit_plot_svg({})), "//g") == 0);
}
