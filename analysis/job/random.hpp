// Seeded random numbers that do not depend on the standard library: SplitMix64 (Steele, Lea, Flood 2014) and explicit
// transforms. Streams of one seed are independent of each other, so adding a draw in one place moves no other.
#pragma once

#include <cmath>
#include <cstdint>

namespace trainyard {

class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) : state_(mixed(mixed(seed) ^ (stream * increment))) {}

  std::uint64_t bits() { return mixed(state_ += increment); }
  // In the open interval (0, 1), so that its logarithm is finite.
  double uniform() { return (static_cast<double>(bits() >> 11U) + 0.5) * 0x1p-53; }
  // Mean 0, standard deviation 1 (Box and Muller 1958).
  double normal() {
    constexpr double two_pi = 6.283185307179586;
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(two_pi * uniform());
  }

 private:
  static constexpr std::uint64_t increment = 0x9E3779B97F4A7C15ULL;
  static std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  std::uint64_t state_;
};

}  // namespace trainyard
