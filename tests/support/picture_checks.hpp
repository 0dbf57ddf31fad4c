// What must hold of every static picture.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <pugixml.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace trainyard::testing {

struct ParsedPicture {
  pugi::xml_document document;
  double width = 0, height = 0;
  pugi::xml_node svg() const { return document.child("svg"); }
  std::vector<pugi::xml_node> all(const std::string& tag) const {
    std::vector<pugi::xml_node> nodes;
    for (const pugi::xpath_node& n : svg().select_nodes((".//" + tag).c_str())) nodes.push_back(n.node());
    return nodes;
  }
  // Of what is drawn; patterns are not.
  std::vector<pugi::xml_node> drawn(const std::string& tag) const {
    std::vector<pugi::xml_node> nodes;
    for (const pugi::xml_node node : svg().children(tag.c_str())) nodes.push_back(node);
    return nodes;
  }
};

inline double number(pugi::xml_node node, const char* attribute) { return node.attribute(attribute).as_double(-1e9); }

// Parses, and checks what no picture may lack or do.
inline ParsedPicture parsed(const std::string& text, const std::string& id) {
  ParsedPicture p;
  const pugi::xml_parse_result result = p.document.load_string(text.c_str());
  INFO(text.substr(0, 400));
  REQUIRE(result.status == pugi::status_ok);
  REQUIRE(p.svg());
  std::istringstream box(p.svg().attribute("viewBox").value());
  double x = -1, y = -1;
  box >> x >> y >> p.width >> p.height;
  CHECK((x == 0 && y == 0 && p.width > 0 && p.height > 0));
  CHECK_FALSE(std::string(p.svg().child("title").text().get()).empty());
  CHECK_FALSE(std::string(p.svg().child("desc").text().get()).empty());
  CHECK(std::string(p.svg().attribute("aria-labelledby").value()) == id + "-title " + id + "-desc");
  // A strict content security policy refuses both, and a script above all.
  CHECK(p.svg().select_nodes("//@style | //style | //script | //@onload | //@href").empty());
  std::set<std::string> ids;
  for (const pugi::xpath_node& n : p.svg().select_nodes("//@id")) {
    CHECK(std::string(n.attribute().value()).rfind(id, 0) == 0);
    CHECK(ids.insert(n.attribute().value()).second);
  }
  for (const char* broken : {"nan", "inf"}) CHECK(text.find(std::string("\"") + broken) == std::string::npos);
  return p;
}

// Rectangles, lines and the anchors of texts lie inside the viewBox.
inline void check_inside(const ParsedPicture& p) {
  constexpr double rounding = 0.51;  // coordinates have two decimals, and a line has its width
  const auto inside = [&](double x, double y) {
    return x >= -rounding && y >= -rounding && x <= p.width + rounding && y <= p.height + rounding;
  };
  for (const pugi::xml_node r : p.drawn("rect")) {
    INFO(r.attribute("x").value() << " " << r.attribute("y").value() << " " << r.attribute("width").value());
    CHECK(inside(number(r, "x"), number(r, "y")));
    CHECK(inside(number(r, "x") + number(r, "width"), number(r, "y") + number(r, "height")));
  }
  for (const pugi::xml_node l : p.drawn("line")) {
    CHECK(inside(number(l, "x1"), number(l, "y1")));
    CHECK(inside(number(l, "x2"), number(l, "y2")));
  }
  for (const pugi::xml_node t : p.drawn("text")) {
    INFO(t.text().get());
    CHECK(inside(number(t, "x"), number(t, "y")));
  }
  for (const pugi::xml_node c : p.drawn("circle")) CHECK(inside(number(c, "cx"), number(c, "cy")));
}

inline bool says(const ParsedPicture& p, const std::string& text) {
  for (const pugi::xml_node t : p.all("text"))
    if (std::string(t.text().get()).find(text) != std::string::npos) return true;
  return false;
}

}  // namespace trainyard::testing
