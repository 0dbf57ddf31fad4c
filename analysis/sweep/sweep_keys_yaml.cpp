#include "analysis/sweep/sweep_keys_yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "sim/plan/plan_yaml.hpp"

namespace trainyard {
namespace {

// Each is compared with all others.
constexpr std::size_t most_values = 1000;

std::vector<SpaceKey> keys_of(const YamlValue& mapping) {
  YamlMapping checked(mapping);  // a mapping without duplicates
  const auto file = std::make_shared<const std::string>(mapping.where().file);
  std::vector<SpaceKey> keys;
  for (const auto& entry : mapping.node()) {
    const std::string& word = entry.first.Scalar();
    const std::string path = fmt::format("{}.{}", mapping.path(), word);
    keys.push_back({plan_key_spellings(word).front(), {entry.first, file, path}, {entry.second, file, path}});
  }
  return keys;
}

const SpaceKey* find(const std::vector<SpaceKey>& keys, std::string_view key) {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const SpaceKey& k) { return k.key == key; });
  return found == keys.end() ? nullptr : &*found;
}

}  // namespace

SweepKeys::SweepKeys(const std::optional<YamlValue>& space, const std::optional<YamlValue>& plan) {
  if (plan) fixed_ = keys_of(*plan);
  std::erase_if(fixed_, [](const SpaceKey& k) { return k.value.is_null(); });  // as good as absent
  if (!space) return;
  for (SpaceKey& key : keys_of(*space)) {
    if (key.value.is_null()) key.name.fail(fmt::format("{} is empty", key.name.path()), "a value, a list, or all");
    if (const SpaceKey* twice = find(varied_, key.key))
      key.name.fail(fmt::format("{} and {} are the same setting", twice->name.path(), key.name.path()));
    if (const SpaceKey* both = find(fixed_, key.key))
      key.name.fail(fmt::format("{} varies what {} fixes", key.name.path(), both->name.path()),
                    "remove one of the two");
    varied_.push_back(std::move(key));
  }
}

const SpaceKey* SweepKeys::varied(std::string_view key) const { return find(varied_, key); }

bool SweepKeys::is_fixed(std::string_view key) const { return find(fixed_, key) != nullptr; }

std::optional<YamlValue> SweepKeys::fixed(std::string_view key) const {
  const SpaceKey* found = find(fixed_, key);
  return found ? std::optional(found->value) : std::nullopt;
}

Plan SweepKeys::plan_with(const SpaceKey& key, const YamlValue& value) const {
  YAML::Node both(YAML::NodeType::Map);
  for (const SpaceKey& fixed : fixed_) both[fixed.name.node()] = fixed.value.node();
  both[key.name.node()] = value.node();
  return read_plan({both, std::make_shared<const std::string>(key.name.where().file), "space"});
}

bool is_all(const YamlValue& value) { return value.is_scalar() && value.as_string() == "all"; }

std::vector<YamlValue> values_of(const SpaceKey& key) {
  if (!key.value.is_sequence()) return {key.value};
  std::vector<YamlValue> values = key.value.as_sequence();
  if (values.empty())
    key.value.fail(fmt::format("{} is an empty list", key.value.path()), "leave it out for all legal values");
  if (values.size() > most_values)
    key.value.fail(fmt::format("{} lists {} values, more than {}", key.value.path(), values.size(), most_values));
  return values;
}

std::string text_of(const YamlValue& value) {
  if (value.is_scalar()) return value.as_string();
  YAML::Emitter out;
  out.SetSeqFormat(YAML::Flow);
  out.SetMapFormat(YAML::Flow);
  out << value.node();
  return out.c_str();
}

void fail_twice(const YamlValue& value) {
  value.fail(fmt::format("{} {} is named twice", value.path(), text_of(value)));
}

}  // namespace trainyard
