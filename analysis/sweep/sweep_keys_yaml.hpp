// The keys of `plan` and `space` in a sweep file: which settings are fixed, which vary, and reading one value of one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/yaml_reader.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

struct SpaceKey {
  std::string key;  // the canonical spelling
  YamlValue name;   // for its position
  YamlValue value;
};

class SweepKeys {
 public:
  // InputError where a setting is in both, or twice in one.
  SweepKeys(const std::optional<YamlValue>& space, const std::optional<YamlValue>& plan);

  const std::vector<SpaceKey>& varied() const { return varied_; }  // in file order
  const SpaceKey* varied(std::string_view key) const;              // nullptr: not in `space`
  bool is_fixed(std::string_view key) const;                       // in `plan`
  bool is_said(std::string_view key) const { return is_fixed(key) || varied(key); }
  // For a setting of `plan`: its value.
  std::optional<YamlValue> fixed(std::string_view key) const;

  // A plan with what `plan` fixes and this value of the key, read as plans are. Errors point at the value.
  Plan plan_with(const SpaceKey& key, const YamlValue& value) const;

 private:
  std::vector<SpaceKey> varied_, fixed_;
};

bool is_all(const YamlValue& value);  // the word `all`
// The values of a key: the entries of a list, else the one value. InputError for an empty list.
std::vector<YamlValue> values_of(const SpaceKey& key);
std::string text_of(const YamlValue& value);           // on one line
[[noreturn]] void fail_twice(const YamlValue& value);  // a value that is named twice

}  // namespace trainyard
