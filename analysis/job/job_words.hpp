// What people write and read about jobs: "15T" tokens, "30min", "76.4 days". The parsers throw std::invalid_argument
// with a message that names the text and the accepted spellings.
#pragma once

#include <string>
#include <string_view>

#include "sim/base/units.hpp"

namespace trainyard {

// "15T", "300B", "4.5 M", "1e12": 1 to 1e15 tokens; K, M, B, T are 1e3, 1e6, 1e9, 1e12, in either case.
double parse_token_count(std::string_view text);
// "45s", "30min", "4h", "2d", also "ms" and "us"; never negative. A bare number is refused except zero.
Seconds parse_long_duration(std::string_view text);

std::string token_text(double tokens);      // "15 T", "300 B"
std::string long_duration_text(Seconds t);  // "76.4 days", "3.09 h", "27.2 min", "12.0 s"
std::string duration_setting(Seconds t);    // what parse_long_duration reads back: "150s", "2.5min"
double in_days(Seconds t);
double in_hours(Seconds t);

}  // namespace trainyard
