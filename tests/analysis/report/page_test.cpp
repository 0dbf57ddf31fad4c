#include "analysis/report/page.hpp"

#include "analysis/report/html.hpp"
#include "analysis/report/page_assets.hpp"
#include "analysis/report/picture_frame.hpp"
#include "tests/analysis/report/report_pages.hpp"

namespace trainyard {
namespace {

using testing::contents;
using testing::parsed_page;
using testing::ParsedPage;
using testing::sha256_of;

constexpr const char* hostile = "<script>alert(1)</script>\"'&]]>\x01\xff";
constexpr const char* as_text = "<script>alert(1)</script>\"'&]]>?";  // no control characters, and UTF-8 alone

TEST_CASE("a policy names content by the base64 of its SHA-256") {
  // FIPS 180-2's examples "" and "abc", in base64 by `openssl base64`.
  CHECK(policy_hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") ==
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  CHECK(policy_hash("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") ==
        "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

TEST_CASE("every style and script of a page is one that its policy names, and the policy allows nothing else") {
  ReportPage report("title");
  add(report.header(), "h1", "heading");
  report.set_chart_data("{}");
  const std::string html = report.html();
  const std::string policy = policy_of(parsed_page(html));
  CHECK(policy.rfind("default-src 'none';", 0) == 0);
  CHECK(policy.find("unsafe") == std::string::npos);
  CHECK(policy.find("http") == std::string::npos);
  std::vector<std::string> pieces = contents(html, "script");
  CHECK(pieces.size() == (chart_script().text.empty() ? 1 : 2));
  for (const std::string& style : contents(html, "style")) pieces.push_back(style);
  for (const std::string& piece : pieces)
    CHECK(policy.find("'" + policy_hash(sha256_of(piece)) + "'") != std::string::npos);
}

TEST_CASE("a user's text is text wherever a page has it") {
  ReportPage report(hostile);
  add(report.header(), "h1", hostile);
  Element s = section(report.main(), "one", hostile);
  HtmlTable table(s, hostile, {{hostile}});
  table.add({{.text = hostile, .copy = hostile}});
  FactList(s).add(hostile, hostile);
  report.set_chart_data("[\"<script>alert(1)</script>&\"]");
  const std::string html = report.html();
  const ParsedPage page = parsed_page(html);
  CHECK(page.all("//script").size() == (chart_script().text.empty() ? 2 : 3));
  CHECK(html.find("<script>alert") == std::string::npos);
  CHECK(page.text("//title") == as_text);
  CHECK(page.text("//h1") == as_text);
  CHECK(page.text("//h2") == as_text);
  CHECK(page.text("//nav//a") == as_text);
  CHECK(page.text("//caption/span") == as_text);
  CHECK(page.text("//dd") == as_text);
  CHECK(std::string(page.one("//button").attribute("data-copy").value()) == as_text);
  CHECK(page.text("//script[@id='chart-data']") == "[\"\\u003cscript\\u003ealert(1)\\u003c/script\\u003e\\u0026\"]");
}

TEST_CASE("text that is copied keeps its line breaks") {
  ReportPage report("title");
  add(report.header(), "h1", "heading");
  add_copy_button(report.main(), "Copy", "two lines", "one \\\ntwo");
  CHECK(std::string(parsed_page(report.html()).one("//button").attribute("data-copy").value()) == "one \\\ntwo");
}

TEST_CASE("a page without data for charts has no script for them") {
  ReportPage report("title");
  add(report.header(), "h1", "heading");
  CHECK(contents(report.html(), "script").size() == 1);
}

TEST_CASE("the navigation lists the sections in their order") {
  ReportPage report("title");
  add(report.header(), "h1", "heading");
  section(report.main(), "a", "First");
  section(report.main(), "b", "Second");
  const ParsedPage page = parsed_page(report.html());
  const std::vector<pugi::xml_node> links = page.all("//nav//a");
  REQUIRE(links.size() == 2);
  CHECK(std::string(links[0].attribute("href").value()) == "#a");
  CHECK(std::string(links[1].text().get()) == "Second");
}

TEST_CASE("the style sets every colour that pictures paint with, light and dark") {
  const std::string style(page_style().text);
  const std::size_t dark = style.find("prefers-color-scheme:dark");
  REQUIRE(dark != std::string::npos);
  for (const PictureColour& colour : picture_colours) {
    INFO(colour.property);
    CHECK(style.find(fmt::format("{}:{}", colour.property, colour.light)) < dark);
    CHECK(style.find(fmt::format("{}:{}", colour.property, colour.dark), dark) != std::string::npos);
  }
}

TEST_CASE("styles and scripts hold nothing that ends them early") {
  for (const PageAsset& asset : {page_style(), page_script(), chart_script()}) {
    const std::string text(asset.text);
    CHECK(text.find("</script") == std::string::npos);
    CHECK(text.find("</style") == std::string::npos);
    CHECK(text.find("<!--") == std::string::npos);
    CHECK(text.find('\r') == std::string::npos);
  }
}

TEST_CASE("charts come with the licences of what is in them") {
  const std::string charts(chart_script().text);
  if (charts.empty()) {
    WARN("this build has no charts");
    return;
  }
  CHECK(charts.find("Apache License") != std::string::npos);
  CHECK(charts.find("Apache ECharts\nCopyright") != std::string::npos);
  CHECK(charts.find("zrender/LICENSE") != std::string::npos);
}

}  // namespace
}  // namespace trainyard
