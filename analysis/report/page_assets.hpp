// What the build puts into every report: its style, its small script, and the charts where npm could be had.
#pragma once

#include <string_view>

namespace trainyard {

struct PageAsset {
  std::string_view text;
  std::string_view sha256;  // of the text, 64 hexadecimal digits
};

PageAsset page_style();
PageAsset page_script();
PageAsset chart_script();  // empty text without charts

}  // namespace trainyard
