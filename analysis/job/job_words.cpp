#include "analysis/job/job_words.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>
#include <stdexcept>
#include <utility>

namespace trainyard {
namespace {

constexpr double minute = 60.0;
constexpr double hour = 3600.0;
constexpr double day = 86400.0;
constexpr double longest_duration = 1e6 * day;  // 2700 years
constexpr double most_tokens = 1e15;  // 60 times the largest published corpora; step counts stay exact in a double

using Unit = std::pair<std::string_view, double>;
constexpr std::array token_units = {Unit{"K", 1e3}, Unit{"k", 1e3}, Unit{"M", 1e6},  Unit{"m", 1e6},
                                    Unit{"B", 1e9}, Unit{"b", 1e9}, Unit{"T", 1e12}, Unit{"t", 1e12}};
constexpr std::array duration_units = {Unit{"us", 1e-6},    Unit{"ms", 1e-3}, Unit{"s", 1.0},
                                       Unit{"min", minute}, Unit{"h", hour},  Unit{"d", day}};

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

struct Measured {
  double number = 0;
  std::string_view unit;
};

[[noreturn]] void refuse(std::string_view text, std::string_view what, std::string_view why) {
  throw std::invalid_argument(fmt::format("'{}' is not {}: {}", text, what, why));
}

Measured split(std::string_view text, std::string_view what) {
  const std::string_view clean = trimmed(text);
  Measured result;
  const auto [end, error] = std::from_chars(clean.data(), clean.data() + clean.size(), result.number);
  if (error != std::errc{}) refuse(text, what, "no number at the start");
  if (!std::isfinite(result.number)) refuse(text, what, "not a finite number");
  if (result.number < 0) refuse(text, what, "negative");
  result.unit = trimmed(clean.substr(static_cast<std::size_t>(end - clean.data())));
  return result;
}

double scale_of(std::string_view unit, std::span<const Unit> units) {
  for (const Unit& known : units)
    if (known.first == unit) return known.second;
  return 0;
}

}  // namespace

double parse_token_count(std::string_view text) {
  constexpr std::string_view what = "a number of tokens (write it like 15T, 300B or 1e12)";
  const Measured measured = split(text, what);
  const double scale = measured.unit.empty() ? 1.0 : scale_of(measured.unit, token_units);
  if (scale == 0) refuse(text, what, fmt::format("unknown suffix '{}'", measured.unit));
  const double tokens = measured.number * scale;
  if (tokens < 1) refuse(text, what, "less than one token");
  if (tokens > most_tokens) refuse(text, what, "more than 1000T");
  return tokens;
}

Seconds parse_long_duration(std::string_view text) {
  constexpr std::string_view what = "a duration (write it like 45s, 30min, 4h or 2d)";
  const Measured measured = split(text, what);
  if (measured.unit.empty() && measured.number == 0) return {};
  if (measured.unit.empty()) refuse(text, what, "no unit");
  const double scale = scale_of(measured.unit, duration_units);
  if (scale == 0) refuse(text, what, fmt::format("unknown unit '{}'", measured.unit));
  if (measured.number * scale > longest_duration) refuse(text, what, "more than a million days");
  return Seconds(measured.number * scale);
}

std::string token_text(double tokens) {
  if (tokens >= 1e12) return fmt::format("{:.4g} T", tokens / 1e12);
  if (tokens >= 1e9) return fmt::format("{:.4g} B", tokens / 1e9);
  if (tokens >= 1e6) return fmt::format("{:.4g} M", tokens / 1e6);
  return fmt::format("{:.0f}", tokens);
}

std::string long_duration_text(Seconds t) {
  const double magnitude = std::fabs(t.value);
  if (magnitude >= 2 * day) return fmt::format("{:.{}f} days", t.value / day, magnitude >= 1000 * day ? 0 : 1);
  if (magnitude >= 2 * hour) return fmt::format("{:.2f} h", t.value / hour);
  if (magnitude >= 2 * minute) return fmt::format("{:.1f} min", t.value / minute);
  if (magnitude >= 1) return fmt::format("{:.1f} s", t.value);
  return fmt::format("{:.1f} ms", t.value * 1e3);
}

std::string duration_setting(Seconds t) { return fmt::format("{:.6g}s", t.value); }

double in_days(Seconds t) { return t.value / day; }
double in_hours(Seconds t) { return t.value / hour; }

}  // namespace trainyard
