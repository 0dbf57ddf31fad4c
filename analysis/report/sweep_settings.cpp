#include "analysis/report/sweep_settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

namespace trainyard {
namespace {

constexpr std::size_t most_values = 24;  // rows of a heat map that one still reads

// Those of canonical_key that plans are usually told apart by, in the order in which one asks for them.
constexpr std::array<std::string_view, 12> known = {
    "tp", "pp", "dp", "cp", "ep", "vpp", "mbs", "data_parallel", "recompute", "sp", "schedule", "placement"};

std::optional<std::string> value_in(const std::string& key, std::string_view setting) {
  const std::string begin = std::string(setting) + "=";
  for (std::size_t at = 0; at < key.size();) {
    const std::size_t end = std::min(key.find(' ', at), key.size());
    if (key.compare(at, begin.size(), begin) == 0) return key.substr(at + begin.size(), end - at - begin.size());
    at = end + 1;
  }
  return std::nullopt;
}

std::optional<int> number_of(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

bool before(const std::string& a, const std::string& b) {
  const std::optional<int> x = number_of(a), y = number_of(b);
  return x && y ? *x < *y : x.has_value() != y.has_value() ? x.has_value() : a < b;
}

SweptSetting setting_of(std::string_view name, const std::vector<EvaluatedPlan>& plans) {
  SweptSetting setting{std::string(name), {}, {}};
  std::vector<std::string> values;
  for (const EvaluatedPlan& plan : plans) values.push_back(value_in(plan.key, name).value_or("–"));
  setting.values = values;
  std::sort(setting.values.begin(), setting.values.end(), before);
  setting.values.erase(std::unique(setting.values.begin(), setting.values.end()), setting.values.end());
  for (const std::string& value : values)
    setting.of_plan.push_back(static_cast<int>(
        std::lower_bound(setting.values.begin(), setting.values.end(), value, before) - setting.values.begin()));
  return setting;
}

}  // namespace

std::vector<SweptSetting> swept_settings(const std::vector<EvaluatedPlan>& plans) {
  std::vector<SweptSetting> settings;
  for (const std::string_view name : known) {
    SweptSetting setting = setting_of(name, plans);
    if (setting.values.size() > 1 && setting.values.size() <= most_values) settings.push_back(std::move(setting));
  }
  return settings;
}

SettingPair first_pair(const std::vector<SweptSetting>& settings) {
  return {0, settings.size() > 1 ? std::size_t{1} : std::size_t{0}};
}

}  // namespace trainyard
