// A report's page taken apart, and what must hold of every one.
#pragma once

#include <unistd.h>

#include <fmt/format.h>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <pugixml.hpp>
#include <set>
#include <string>
#include <vector>

#include "analysis/report/page.hpp"
#include "tests/support/process.hpp"

namespace trainyard::testing {

struct ParsedPage {
  pugi::xml_document document;
  std::vector<pugi::xml_node> all(const std::string& path) const {
    std::vector<pugi::xml_node> nodes;
    for (const pugi::xpath_node& n : document.select_nodes(path.c_str())) nodes.push_back(n.node());
    return nodes;
  }
  pugi::xml_node one(const std::string& path) const {
    const std::vector<pugi::xml_node> nodes = all(path);
    INFO(path);
    REQUIRE(nodes.size() == 1);
    return nodes.front();
  }
  std::string text(const std::string& path) const { return one(path).text().get(); }
};

// What a browser takes for the content of every element of that name: the bytes between its tags.
inline std::vector<std::string> contents(const std::string& html, const std::string& tag) {
  std::vector<std::string> found;
  for (std::size_t at = 0; (at = html.find("<" + tag + ">", at)) != std::string::npos;) {
    const std::size_t begin = at + tag.size() + 2;
    at = html.find("</" + tag, begin);
    found.push_back(html.substr(begin, at - begin));
  }
  return found;
}

// By coreutils' sha256sum, so that the build's arithmetic is not its own witness.
inline std::string sha256_of(const std::string& text) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("trainyard_report_asset_{}", getpid());
  std::ofstream(file, std::ios::binary) << text;
  const ProcessResult run = run_process({"/usr/bin/sha256sum", file.string()});
  std::filesystem::remove(file);
  REQUIRE(run.exit_code == 0);
  return run.out.substr(0, 64);
}

// Parses a page, and checks what no report may lack or do.
inline ParsedPage parsed_page(const std::string& html) {
  ParsedPage page;
  const pugi::xml_parse_result result = page.document.load_buffer(html.data(), html.size());
  INFO(result.description() << " at " << result.offset << ": "
                            << html.substr(static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, result.offset - 60)),
                                           120));
  REQUIRE(result.status == pugi::status_ok);
  CHECK(html.rfind("<!DOCTYPE html>\n<html lang=\"en\">", 0) == 0);
  CHECK(page.all("//h1").size() == 1);
  CHECK(page.all("//main").size() == 1);
  // Nothing that a browser would fetch, run from an attribute, or that the policy refuses.
  CHECK(page.all("//@src | //@style | //link | //img | //iframe | //object | //base | //form").empty());
  for (const pugi::xpath_node& a : page.document.select_nodes("//@*"))
    CHECK(std::string(a.attribute().name()).rfind("on", 0) != 0);
  for (const pugi::xml_node a : page.all("//a")) CHECK(a.attribute("href").value()[0] == '#');
  std::set<std::string> ids;
  for (const pugi::xpath_node& n : page.document.select_nodes("//@id")) {
    INFO(n.attribute().value());
    CHECK(ids.insert(n.attribute().value()).second);
  }
  for (const pugi::xml_node a : page.all("//nav//a")) CHECK(ids.count(a.attribute("href").value() + 1) == 1);
  for (const pugi::xml_node t : page.all("//table")) {
    CHECK_FALSE(std::string(t.child("caption").child("span").text().get()).empty());
    for (const pugi::xpath_node& head : t.select_nodes("thead//th"))
      CHECK(std::string(head.node().attribute("scope").value()) == "col");
  }
  for (const char* broken : {">nan<", ">inf<", ">-nan<", "nan %", "inf %"})
    CHECK(html.find(broken) == std::string::npos);
  return page;
}

// Of the page's content security policy.
inline std::string policy_of(const ParsedPage& page) {
  return page.one("//meta[@http-equiv='Content-Security-Policy']").attribute("content").value();
}

}  // namespace trainyard::testing
