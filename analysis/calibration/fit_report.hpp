// What a fit gives: constants of a profile, each with how well it explains what was measured, and curves to look at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trainyard {

struct FittedConstant {
  std::string name;      // "gemm.sustained", as the profile calls it
  std::string value;     // YAML flow text with its unit: "0.742", "5.5us", "[0.69, 200, 0.5]", "{m: [1, …], …}"
  std::string source;    // "GEMM table h100.csv: 24 103 points"
  std::string residual;  // "median 4.2 %, p90 12 % on 3 574 held-out points"
  friend bool operator==(const FittedConstant&, const FittedConstant&) = default;
};

// Of |predicted / measured - 1|, over points that the fit has not seen where there are enough of them (`held_out`).
struct Residuals {
  std::string of;  // "bf16 GEMM, m >= 512", "all_reduce, 8 ranks, >= 1 MB"
  int samples = 0;
  bool held_out = false;
  double median = 0;
  double p90 = 0;
  double bias = 0;  // mean of predicted / measured - 1
  friend bool operator==(const Residuals&, const Residuals&) = default;
};

// A picture of measured points and the fitted curve, both axes logarithmic.
struct FitCurve {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<std::pair<double, double>> measured;
  std::vector<std::pair<double, double>> fitted;
  friend bool operator==(const FitCurve&, const FitCurve&) = default;
};

struct FitReport {
  std::vector<FittedConstant> constants;
  std::vector<Residuals> residuals;
  std::vector<FitCurve> curves;
  std::vector<std::string> notes;  // what the data could not determine, and what to measure for it
  friend bool operator==(const FitReport&, const FitReport&) = default;
};

// Splits for honesty: one key in ten is held out, the same in every run and on every machine (FNV-1a of the key).
inline bool held_out(std::string_view key) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return (hash >> 20) % 10 == 0;
}

}  // namespace trainyard
