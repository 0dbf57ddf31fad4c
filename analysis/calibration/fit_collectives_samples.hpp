// Which of many measured collectives a fit is made of, and how its errors are counted.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/calibration/fit_report.hpp"
#include "analysis/calibration/measurements.hpp"

namespace trainyard {

inline constexpr int held_out_splits = 30;      // each leaves out another tenth of the sizes
inline constexpr double large_message = 1e6;    // B: from here on bandwidth counts
inline constexpr double equal_within = 0.03;    // relative: repeats of nccl-tests differ by 1 to 3 %
inline constexpr std::size_t enough_pairs = 3;  // sizes in common for a comparison

// Throws InputError at the first sample of a second GPU.
void require_one_device(const std::vector<CollectiveSample>& samples);

bool usable(const CollectiveSample& sample);  // two ranks or more, positive finite size and time

// Version numbers compare number by number; `limit` with fewer numbers admits all that begin so ("2.27": 2.27.5).
bool older(std::string_view version, std::string_view than);
bool admitted(std::string_view version, std::string_view limit);

// Median of log(time a / time b) over the sizes from large_message on that both have; nullopt below enough_pairs.
std::optional<double> median_log_ratio(const std::vector<CollectiveSample>& a, const std::vector<CollectiveSample>& b);

// One operation over one number of ranks with one NCCL version and types of equal speed.
struct CurveSamples {
  CollectiveKind kind = CollectiveKind::all_reduce;
  int ranks = 0;
  std::string nccl;
  std::vector<CollectiveSample> samples;
};
// By operation and ranks, ascending; what was left out is said in `notes`.
std::vector<CurveSamples> samples_per_curve(const std::vector<CollectiveSample>& samples, const std::string& newest,
                                            std::vector<std::string>& notes);

double order_statistic(std::vector<double> values, double share);  // 0 for none

// Of predicted / measured - 1.
Residuals residuals_of(std::string what, const std::vector<double>& errors, bool held_out);

std::string share_text(double share);  // "4.2 %"

}  // namespace trainyard
