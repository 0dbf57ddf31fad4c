#include "analysis/report/page.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <sstream>

#include "analysis/report/html.hpp"
#include "analysis/report/page_assets.hpp"
#include "analysis/report/picture_svg.hpp"

namespace trainyard {
namespace {

// RFC 4648.
std::string base64(const std::string& bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8U | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      text += i + k <= bytes.size() ? digits[group >> (18U - 6U * static_cast<unsigned>(k)) & 63U] : '=';
  }
  return text;
}

std::string policy() {
  std::string scripts = fmt::format("'{}'", policy_hash(std::string(page_script().sha256)));
  if (!chart_script().text.empty()) scripts += fmt::format(" '{}'", policy_hash(std::string(chart_script().sha256)));
  return fmt::format(
      "default-src 'none'; script-src {}; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'", scripts,
      policy_hash(std::string(page_style().sha256)));
}

// Text between tags.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : clean(text))
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

// JSON that neither HTML nor XML can take for markup.
std::string inert(const std::string& json) {
  std::string out;
  for (const char c : json)
    out += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : c == '&' ? "\\u0026" : std::string(1, c);
  return out;
}

}  // namespace

std::string policy_hash(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return "sha256-" + base64(bytes);
}

ReportPage::ReportPage(std::string title) : title_(std::move(title)) {
  Element body = document_.append_child("body");
  set(add(body, "a", "Skip to the report", "skip"), "href", "#report");
  page_ = add(body, "div", {}, "page");
  header_ = add(page_, "header");
  navigation_ = add(page_, "nav");
  set(navigation_, "aria-label", "sections");
  main_ = add(page_, "main");
  set(main_, "id", "report");
  footer_ = add(page_, "footer");
}

void ReportPage::add_navigation() {
  navigation_.remove_children();
  Element list = add(navigation_, "ul");
  for (const Element s : main_.children("section")) {
    Element link = add(add(list, "li"), "a", s.child("h2").text().get());
    set(link, "href", std::string("#") + s.attribute("id").value());
  }
}

std::string ReportPage::html() {
  add_navigation();
  std::ostringstream body;
  document_.print(body, "", pugi::format_raw | pugi::format_no_declaration | pugi::format_no_empty_element_tags,
                  pugi::encoding_utf8);
  std::string whole = body.str();
  whole.resize(whole.rfind("</body>"));
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta "
      "http-equiv=\"Content-Security-Policy\" content=\"{}\"/>\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"referrer\" content=\"no-referrer\"/>\n"
      "<title>{}</title>\n",
      policy(), escaped(title_));
  out.append("<style>").append(page_style().text).append("</style>\n</head>\n").append(whole).append("\n");
  if (!chart_data_.empty())
    out.append("<script type=\"application/json\" id=\"chart-data\">").append(inert(chart_data_)).append("</script>\n");
  out.append("<script>").append(page_script().text).append("</script>\n");
  if (!chart_script().text.empty() && !chart_data_.empty())
    out.append("<script>").append(chart_script().text).append("</script>\n");
  return out + "</body>\n</html>\n";
}

}  // namespace trainyard
