// The page that every report is: one HTML file (well-formed as XML, too) under a content security policy that allows
// nothing but its own style and scripts, named by their hashes. Needs no network, and no script to be read.
#pragma once

#include <pugixml.hpp>
#include <string>
#include <utility>
#include <vector>

namespace trainyard {

class ReportPage {
 public:
  explicit ReportPage(std::string title);

  // What the page is about, above the navigation; and its sections, which the navigation lists.
  pugi::xml_node header() { return header_; }
  pugi::xml_node main() { return main_; }
  pugi::xml_node footer() { return footer_; }
  // JSON for the charts; empty = none.
  void set_chart_data(std::string json) { chart_data_ = std::move(json); }

  std::string html();

 private:
  void add_navigation();

  std::string title_;
  pugi::xml_document document_;
  pugi::xml_node page_, header_, navigation_, main_, footer_;
  std::string chart_data_;
};

// "sha256-RFzh…": what a policy names a style or script by; `hex` are the 64 digits of its SHA-256.
std::string policy_hash(const std::string& hex);

}  // namespace trainyard
