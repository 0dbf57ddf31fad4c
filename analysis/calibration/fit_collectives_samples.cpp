#include "analysis/calibration/fit_collectives_samples.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "models/collective_curve.hpp"

namespace trainyard {
namespace {

using Samples = std::vector<CollectiveSample>;

std::vector<int> numbers(std::string_view version) {
  std::vector<int> result;
  const char* at = version.data();
  const char* end = at + version.size();
  while (at != end) {
    int number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) break;
    result.push_back(number);
    at = next;
    if (at == end || *at != '.') break;
    ++at;
  }
  return result;
}

std::map<double, double> median_times(const Samples& samples) {
  std::map<double, std::vector<double>> times;
  for (const CollectiveSample& s : samples) times[s.size.value].push_back(s.time.value);
  std::map<double, double> medians;
  for (auto& [size, values] : times) medians[size] = order_statistic(std::move(values), 0.5);
  return medians;
}

bool half_width(const std::string& type) {
  return type == "half" || type == "bfloat16" || type == "float16" || type == "bf16" || type == "fp16";
}

// What was left out because other measurements were preferred, and how far it is from them.
class LeftOut {
 public:
  void add(const std::string& name, const std::string& curve, std::optional<double> log_ratio) {
    Group& group = groups_[name];
    group.curves.push_back(curve);
    if (log_ratio) group.ratios.emplace_back(std::exp(*log_ratio) - 1.0, curve);
  }
  void say(std::vector<std::string>& notes) const {
    for (const auto& [name, group] : groups_) {
      std::string note = fmt::format("{} left out of {} curves", name, group.curves.size());
      if (!group.ratios.empty()) {
        const auto [least, most] = std::minmax_element(group.ratios.begin(), group.ratios.end());
        note += fmt::format(": from 1 MB on it takes {:+.1f} % ({}) to {:+.1f} % ({}) against what was taken (medians)",
                            100 * least->first, least->second, 100 * most->first, most->second);
      }
      notes.push_back(std::move(note));
    }
  }

 private:
  struct Group {
    std::vector<std::string> curves;
    std::vector<std::pair<double, std::string>> ratios;
  };
  std::map<std::string, Group> groups_;
};

// The 16-bit type, or else the most measured one, and all that are as fast.
Samples of_equal_types(const Samples& all, const std::string& what, LeftOut& left_out) {
  std::map<std::string, Samples> types;
  for (const CollectiveSample& s : all) types[s.type].push_back(s);
  const auto preferred = [](const auto& a, const auto& b) {
    return std::pair(half_width(a.first), a.second.size()) < std::pair(half_width(b.first), b.second.size());
  };
  const auto reference = std::max_element(types.begin(), types.end(), preferred);
  Samples result = reference->second;
  for (const auto& [type, samples] : types) {
    if (type == reference->first) continue;
    const std::optional<double> ratio = median_log_ratio(samples, reference->second);
    if (ratio && std::abs(*ratio) <= equal_within)
      result.insert(result.end(), samples.begin(), samples.end());
    else
      left_out.add(type.empty() ? "measurements without a type" : type, what, ratio);
  }
  return result;
}

std::optional<CurveSamples> newest_version(const Samples& all, const std::string& what, const std::string& limit,
                                           LeftOut& left_out) {
  std::map<std::string, Samples> versions;
  for (const CollectiveSample& s : all) versions[s.nccl].push_back(s);
  std::optional<std::string> chosen;
  for (const auto& [version, samples] : versions)
    if (admitted(version, limit) && !(chosen && older(version, *chosen))) chosen = version;
  for (const auto& [version, samples] : versions)
    if (version != chosen)
      left_out.add(version.empty() ? "measurements without an NCCL version" : "NCCL " + version, what,
                   chosen ? median_log_ratio(samples, versions.at(*chosen)) : std::nullopt);
  if (!chosen) return std::nullopt;
  return CurveSamples{all.front().kind, all.front().ranks, *chosen,
                      of_equal_types(versions.at(*chosen), what, left_out)};
}

}  // namespace

void require_one_device(const Samples& samples) {
  const CollectiveSample* first = nullptr;
  for (const CollectiveSample& s : samples) {
    if (s.device.empty()) continue;
    if (!first) first = &s;
    if (s.device != first->device)
      throw InputError(s.where, fmt::format("collectives of {} among those of {}", s.device, first->device),
                       "a profile is of one GPU: name it with --device");
  }
}

bool usable(const CollectiveSample& s) {
  return s.ranks >= 2 && s.size.value > 0 && s.time.value > 0 && std::isfinite(s.size.value) &&
         std::isfinite(s.time.value);
}

bool older(std::string_view version, std::string_view than) { return numbers(version) < numbers(than); }

bool admitted(std::string_view version, std::string_view limit) {
  const std::vector<int> most = numbers(limit);
  std::vector<int> here = numbers(version);
  here.resize(std::min(here.size(), most.size()));
  return here <= most;
}

std::optional<double> median_log_ratio(const Samples& a, const Samples& b) {
  const std::map<double, double> times = median_times(b);
  std::vector<double> ratios;
  for (const auto& [size, time] : median_times(a))
    if (const auto other = times.find(size); size >= large_message && other != times.end())
      ratios.push_back(std::log(time / other->second));
  if (ratios.size() < enough_pairs) return std::nullopt;
  return order_statistic(std::move(ratios), 0.5);
}

std::vector<CurveSamples> samples_per_curve(const Samples& samples, const std::string& newest,
                                            std::vector<std::string>& notes) {
  std::map<std::pair<std::string_view, int>, Samples> groups;
  for (const CollectiveSample& s : samples)
    if (usable(s) && s.nodes <= 1 && !curve_operation(s.kind).empty())
      groups[{curve_operation(s.kind), s.ranks}].push_back(s);
  std::vector<CurveSamples> result;
  LeftOut left_out;
  for (const auto& [key, group] : groups) {
    const std::string what = fmt::format("{} over {} ranks", key.first, key.second);
    if (auto curve = newest_version(group, what, newest, left_out)) result.push_back(std::move(*curve));
  }
  left_out.say(notes);
  return result;
}

double order_statistic(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double position = share * static_cast<double>(values.size() - 1);
  const std::size_t below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

Residuals residuals_of(std::string what, const std::vector<double>& errors, bool held_out) {
  std::vector<double> sizes;
  double sum = 0;
  for (const double e : errors) {
    sizes.push_back(std::abs(e));
    sum += e;
  }
  const double count = static_cast<double>(std::max<std::size_t>(1, errors.size()));
  return {std::move(what),
          static_cast<int>(errors.size()),
          held_out,
          order_statistic(sizes, 0.5),
          order_statistic(sizes, 0.9),
          sum / count};
}

std::string share_text(double share) { return fmt::format("{:.1f} %", 100.0 * share); }

}  // namespace trainyard
