// Physical quantities as types. Bandwidths are per direction. GB = 1e9 bytes, GiB = 2^30 bytes.
// A quantity is a double with a dimension: exact for byte counts up to 2^53.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace trainyard {

template <class Dimension>
struct Quantity {
  double value = 0.0;

  constexpr Quantity() = default;
  constexpr explicit Quantity(double v) : value(v) {}
  friend constexpr auto operator<=>(Quantity, Quantity) = default;

  constexpr Quantity& operator+=(Quantity o) {
    value += o.value;
    return *this;
  }
  constexpr Quantity& operator-=(Quantity o) {
    value -= o.value;
    return *this;
  }
  constexpr Quantity& operator*=(double k) {
    value *= k;
    return *this;
  }
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity(a.value + b.value); }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity(a.value - b.value); }
  friend constexpr Quantity operator-(Quantity a) { return Quantity(-a.value); }
  friend constexpr Quantity operator*(double k, Quantity a) { return Quantity(k * a.value); }
  friend constexpr Quantity operator*(Quantity a, double k) { return Quantity(k * a.value); }
  friend constexpr Quantity operator/(Quantity a, double k) { return Quantity(a.value / k); }
  friend constexpr double operator/(Quantity a, Quantity b) { return a.value / b.value; }
};

using Seconds = Quantity<struct TimeDimension>;
using Bytes = Quantity<struct InformationDimension>;
using Flops = Quantity<struct OperationDimension>;  // floating-point operations, 1 multiply-add = 2
using BytesPerSecond = Quantity<struct BandwidthDimension>;
using FlopsPerSecond = Quantity<struct ThroughputDimension>;

constexpr Seconds operator/(Bytes b, BytesPerSecond r) { return Seconds(b.value / r.value); }
constexpr Seconds operator/(Flops f, FlopsPerSecond r) { return Seconds(f.value / r.value); }
constexpr BytesPerSecond operator/(Bytes b, Seconds t) { return BytesPerSecond(b.value / t.value); }
constexpr FlopsPerSecond operator/(Flops f, Seconds t) { return FlopsPerSecond(f.value / t.value); }
constexpr Bytes operator*(BytesPerSecond r, Seconds t) { return Bytes(r.value * t.value); }
constexpr Flops operator*(FlopsPerSecond r, Seconds t) { return Flops(r.value * t.value); }

inline namespace literals {
constexpr Seconds operator""_s(long double v) { return Seconds(static_cast<double>(v)); }
constexpr Seconds operator""_s(unsigned long long v) { return Seconds(static_cast<double>(v)); }
constexpr Seconds operator""_ms(long double v) { return Seconds(static_cast<double>(v) * 1e-3); }
constexpr Seconds operator""_ms(unsigned long long v) { return Seconds(static_cast<double>(v) * 1e-3); }
constexpr Seconds operator""_us(long double v) { return Seconds(static_cast<double>(v) * 1e-6); }
constexpr Seconds operator""_us(unsigned long long v) { return Seconds(static_cast<double>(v) * 1e-6); }
constexpr Bytes operator""_B(unsigned long long v) { return Bytes(static_cast<double>(v)); }
constexpr Bytes operator""_KiB(unsigned long long v) { return Bytes(static_cast<double>(v) * 1024.0); }
constexpr Bytes operator""_MiB(unsigned long long v) { return Bytes(static_cast<double>(v) * 1048576.0); }
constexpr Bytes operator""_GiB(unsigned long long v) { return Bytes(static_cast<double>(v) * 1073741824.0); }
constexpr Bytes operator""_GiB(long double v) { return Bytes(static_cast<double>(v) * 1073741824.0); }
constexpr Bytes operator""_MB(unsigned long long v) { return Bytes(static_cast<double>(v) * 1e6); }
constexpr Bytes operator""_GB(unsigned long long v) { return Bytes(static_cast<double>(v) * 1e9); }
constexpr BytesPerSecond operator""_GBps(unsigned long long v) { return BytesPerSecond(static_cast<double>(v) * 1e9); }
constexpr BytesPerSecond operator""_GBps(long double v) { return BytesPerSecond(static_cast<double>(v) * 1e9); }
constexpr FlopsPerSecond operator""_TFLOPS(long double v) { return FlopsPerSecond(static_cast<double>(v) * 1e12); }
constexpr FlopsPerSecond operator""_TFLOPS(unsigned long long v) {
  return FlopsPerSecond(static_cast<double>(v) * 1e12);
}
}  // namespace literals

inline constexpr double bytes_per_gib = 1073741824.0;
constexpr double in_gib(Bytes b) { return b.value / bytes_per_gib; }

// Parsers of what users write. A bare number is refused except zero; bits ("Gbps", "Gb/s") and bytes ("GB/s") differ.
// They throw std::invalid_argument with a message that names the text and the accepted spellings; never return NaN,
// infinity or a negative value.
Bytes parse_bytes(std::string_view text);                // "80GiB", "40 GB", "512 MiB", "4096B"
BytesPerSecond parse_bandwidth(std::string_view text);   // "400Gbps", "50GB/s", "3.35TB/s"
Seconds parse_duration(std::string_view text);           // "25us", "1.5 ms", "2s", "900ns"
FlopsPerSecond parse_throughput(std::string_view text);  // "989.4TFLOPS", "1.98PFLOPS"

// Printers for people: three to four significant digits and a unit that fits ("41.5 GiB", "13.4 ms", "3.68 s").
std::string to_text(Bytes b);
std::string to_text(Seconds t);
std::string to_text(BytesPerSecond r);
std::string to_text(FlopsPerSecond r);

}  // namespace trainyard
