#include "analysis/report/picture_svg.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/support/picture_checks.hpp"

namespace trainyard {
namespace {

TEST_CASE("a small picture, byte by byte") {
  Svg svg({"a", 300}, "one & two", "d");
  svg.rect(1, 2, 3.456, 4, {"--c-forward"}, "a<b");
  svg.text(5, 6, "\"x\"", {.anchor = "end"});
  CHECK(
      svg.finished(50) ==
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 300 50\" role=\"img\" "
      "aria-labelledby=\"a-title a-desc\" "
      "font-family=\"system-ui,-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif\">"
      "<title id=\"a-title\">one &amp; two</title><desc id=\"a-desc\">d</desc>"
      "<rect x=\"1\" y=\"2\" width=\"3.46\" height=\"4\" fill=\"var(--c-forward,#0072b2)\"><title>a&lt;b</title></rect>"
      "<text x=\"5\" y=\"6\" font-size=\"12\" fill=\"var(--fg,#1b1f24)\" text-anchor=\"end\">\"x\"</text></svg>");
}

TEST_CASE("a texture is defined once, under the picture's id") {
  Svg svg({"a", 300}, "t", "d");
  for (int i = 0; i < 3; ++i) svg.rect(0, 0, 1, 1, {"--c-weight", Texture::dots});
  const testing::ParsedPicture p = testing::parsed(svg.finished(10), "a");
  CHECK(p.all("pattern").size() == 1);
  CHECK(std::string(p.all("pattern")[0].attribute("id").value()) == "a-c-weight-dots");
  for (const pugi::xml_node r : p.drawn("rect"))
    CHECK(std::string(r.attribute("fill").value()) == "url(#a-c-weight-dots)");
}

TEST_CASE("coordinates have two decimals at most and are always numbers") {
  CHECK(px(1) == "1");
  CHECK(px(1.5) == "1.5");
  CHECK(px(1.004) == "1");
  CHECK(px(-0.001) == "0");
  CHECK(px(100) == "100");
  CHECK(px(std::numeric_limits<double>::quiet_NaN()) == "0");
  CHECK(px(std::numeric_limits<double>::infinity()) == "0");
}

TEST_CASE("text is UTF-8 without control characters") {
  CHECK(clean("a\tb\x01") == "ab");
  CHECK(clean("µ×") == "µ×");
  CHECK(clean("\xff\xc3") == "??");
  CHECK(clean("\xe2\x82") == "??");  // a cut euro sign
}

TEST_CASE("text is cut to its room") {
  // 0.56 em of 10 units: 5.6 a character.
  CHECK(text_width("abcde", 10) == Approx(28));
  CHECK(fitted("abcde", 28.1, 10) == "abcde");
  CHECK(fitted("abcdefgh", 28.1, 10) == "abc…");
  CHECK(fitted("µµµµµµµµ", 28.1, 10) == "µµµ…");
  CHECK(fitted("abc", 0, 10) == "…");
}

TEST_CASE("ticks are round numbers from zero to the largest") {
  const auto labels = [](const Ticks& ticks) {
    std::string text;
    for (std::size_t i = 0; i < ticks.at.size(); ++i) text += (i > 0 ? " " : "") + ticks.label(i);
    return text;
  };
  CHECK(labels(ticks_to(10, 5)) == "0 2 4 6 8 10");
  CHECK(labels(ticks_to(17.19, 10)) == "0 2 4 6 8 10 12 14 16");
  CHECK(labels(ticks_to(2.96, 10)) == "0.0 0.5 1.0 1.5 2.0 2.5");
  CHECK(labels(ticks_to(0.3, 3)) == "0.0 0.1 0.2 0.3");
  CHECK(labels(ticks_to(0, 5)) == "0");
  CHECK(labels(ticks_to(std::numeric_limits<double>::quiet_NaN(), 5)) == "0");
}

TEST_CASE("the page's properties name every colour in both themes") {
  for (const bool dark : {false, true})
    for (const PictureColour& colour : picture_colours) {
      const std::string rule =
          std::string(colour.property) + ":" + std::string(dark ? colour.dark : colour.light) + ";";
      CHECK(picture_properties(dark).find(rule) != std::string::npos);
    }
  CHECK(paint_of("--no-such") == "currentColor");
}

TEST_CASE("frames of no sensible width are brought into range") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(testing::parsed(Svg({"a", nan}, "t", "d").finished(1), "a").width == 960);
  CHECK(testing::parsed(Svg({"a", -5}, "t", "d").finished(1), "a").width == 240);
}

}  // namespace
}  // namespace trainyard
