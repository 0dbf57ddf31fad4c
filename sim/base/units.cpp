#include "sim/base/units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>
#include <stdexcept>

namespace trainyard {
namespace {

struct Unit {
  std::string_view suffix;
  double scale;
};

constexpr std::array byte_units = {Unit{"B", 1.0},
                                   Unit{"KB", 1e3},
                                   Unit{"kB", 1e3},
                                   Unit{"MB", 1e6},
                                   Unit{"GB", 1e9},
                                   Unit{"TB", 1e12},
                                   Unit{"KiB", 1024.0},
                                   Unit{"MiB", 1048576.0},
                                   Unit{"GiB", 1073741824.0},
                                   Unit{"TiB", 1099511627776.0}};
constexpr std::array bandwidth_units = {
    Unit{"B/s", 1.0},       Unit{"KB/s", 1e3},        Unit{"MB/s", 1e6},           Unit{"GB/s", 1e9},
    Unit{"TB/s", 1e12},     Unit{"MiB/s", 1048576.0}, Unit{"GiB/s", 1073741824.0}, Unit{"Mbps", 1e6 / 8},
    Unit{"Gbps", 1e9 / 8},  Unit{"Tbps", 1e12 / 8},   Unit{"Mb/s", 1e6 / 8},       Unit{"Gb/s", 1e9 / 8},
    Unit{"Tb/s", 1e12 / 8}, Unit{"Gbit/s", 1e9 / 8}};
constexpr std::array duration_units = {Unit{"s", 1.0}, Unit{"ms", 1e-3}, Unit{"us", 1e-6}, Unit{"µs", 1e-6},
                                       Unit{"ns", 1e-9}};
constexpr std::array throughput_units = {Unit{"GFLOPS", 1e9},  Unit{"TFLOPS", 1e12},  Unit{"PFLOPS", 1e15},
                                         Unit{"GFLOP/s", 1e9}, Unit{"TFLOP/s", 1e12}, Unit{"PFLOP/s", 1e15}};

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

double parse(std::string_view text, std::span<const Unit> units, std::string_view what, std::string_view examples) {
  const auto refuse = [&](std::string_view why) {
    throw std::invalid_argument(fmt::format("'{}' is not {}: {} (write it like {})", text, what, why, examples));
  };
  std::string_view rest = trimmed(text);
  double number = 0.0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc{} || end == rest.data()) refuse("no number at the start");
  if (!std::isfinite(number)) refuse("not a finite number");
  if (number < 0) refuse("negative");
  rest = trimmed(rest.substr(static_cast<std::size_t>(end - rest.data())));
  if (rest.empty()) {
    if (number == 0) return 0.0;
    refuse("no unit");
  }
  for (const Unit& unit : units)
    if (rest == unit.suffix) {
      if (!std::isfinite(number * unit.scale)) refuse("too large");
      return number * unit.scale;
    }
  refuse(fmt::format("unknown unit '{}'", rest));
  return 0.0;
}

struct Step {
  double limit;
  double scale;
  std::string_view unit;
};

// Four significant digits at most, no trailing noise.
std::string scaled(double v, std::span<const Step> steps) {
  const double magnitude = std::fabs(v);
  for (const Step& step : steps) {
    if (magnitude < step.limit) continue;
    const double x = v / step.scale;
    const double ax = std::fabs(x);
    const int digits = ax >= 1000 ? 0 : ax >= 100 ? 1 : ax >= 10 ? 2 : 3;
    return fmt::format("{:.{}f} {}", x, digits, step.unit);
  }
  return fmt::format("0 {}", steps.back().unit);
}

}  // namespace

Bytes parse_bytes(std::string_view text) {
  return Bytes(parse(text, byte_units, "an amount of memory", "80GiB, 40GB"));
}
BytesPerSecond parse_bandwidth(std::string_view text) {
  return BytesPerSecond(parse(text, bandwidth_units, "a bandwidth", "400Gbps (bits), 50GB/s (bytes)"));
}
Seconds parse_duration(std::string_view text) {
  return Seconds(parse(text, duration_units, "a duration", "25us, 1.5ms"));
}
FlopsPerSecond parse_throughput(std::string_view text) {
  return FlopsPerSecond(parse(text, throughput_units, "a throughput", "989.4TFLOPS"));
}

std::string to_text(Bytes b) {
  // Single bytes are counted, not measured.
  if (b.value >= 0 && b.value < 1024 && std::trunc(b.value) == b.value) return fmt::format("{:.0f} B", b.value);
  static constexpr std::array steps = {Step{1099511627776.0, 1099511627776.0, "TiB"},
                                       Step{1073741824.0, 1073741824.0, "GiB"}, Step{1048576.0, 1048576.0, "MiB"},
                                       Step{1024.0, 1024.0, "KiB"}, Step{1e-9, 1.0, "B"}};
  return scaled(b.value, steps);
}
std::string to_text(Seconds t) {
  static constexpr std::array steps = {Step{1.0, 1.0, "s"}, Step{1e-3, 1e-3, "ms"}, Step{1e-6, 1e-6, "us"},
                                       Step{1e-12, 1e-9, "ns"}};
  return scaled(t.value, steps);
}
std::string to_text(BytesPerSecond r) {
  static constexpr std::array steps = {Step{1e12, 1e12, "TB/s"}, Step{1e9, 1e9, "GB/s"}, Step{1e6, 1e6, "MB/s"},
                                       Step{1e-9, 1.0, "B/s"}};
  return scaled(r.value, steps);
}
std::string to_text(FlopsPerSecond r) {
  static constexpr std::array steps = {Step{1e15, 1e15, "PFLOP/s"}, Step{1e12, 1e12, "TFLOP/s"},
                                       Step{1e-9, 1e9, "GFLOP/s"}};
  return scaled(r.value, steps);
}

}  // namespace trainyard
