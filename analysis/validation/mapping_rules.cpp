#include "analysis/validation/mapping_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/scenario_files.hpp"
#include "sim/base/yaml_reader.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {
namespace {

TextPattern pattern_from(const YamlValue& value) {
  try {
    return TextPattern(value.as_string());
  } catch (const std::regex_error& e) {
    value.fail(fmt::format("'{}' is not a regular expression: {}", value.as_string(), e.what()));
  }
}

std::optional<TextPattern> optional_pattern(YamlMapping& mapping, std::string_view key) {
  const std::optional<YamlValue> value = mapping.optional(key);
  if (!value) return std::nullopt;
  return pattern_from(*value);
}

std::string optional_text(YamlMapping& mapping, std::string_view key) {
  const std::optional<YamlValue> value = mapping.optional(key);
  return value ? value->as_string() : std::string();
}

std::string optional_month(YamlMapping& mapping, std::string_view key) {
  const std::optional<YamlValue> value = mapping.optional(key);
  if (!value) return {};
  const std::string month = value->as_string();
  if (first_month(month) != month) value->fail(fmt::format("'{}' is not a month", month), "such as 2023-01");
  return month;
}

std::optional<AttentionKernel> optional_kernel(YamlMapping& mapping, std::string_view key) {
  const std::optional<YamlValue> value = mapping.optional(key);
  if (!value) return std::nullopt;
  const std::string word = value->as_choice({"materialised", "flash1", "flash2", "flash3"});
  if (word == "materialised") return AttentionKernel::materialised;
  if (word == "flash1") return AttentionKernel::flash1;
  if (word == "flash2") return AttentionKernel::flash2;
  return AttentionKernel::flash3;
}

void check_result(const YamlMapping& mapping, std::string_view key, const std::string& result,
                  const std::string& skip) {
  if (result.empty() == skip.empty()) mapping.value().fail(fmt::format("a rule has either '{}' or 'skip'", key));
}

ClusterRule cluster_rule_from(const YamlValue& value) {
  YamlMapping mapping(value);
  ClusterRule rule{.hardware = pattern_from(mapping.required("hardware")),
                   .network = optional_pattern(mapping, "network"),
                   .cluster = optional_text(mapping, "cluster"),
                   .nics = std::nullopt,
                   .nic_bandwidth = std::nullopt,
                   .skip = optional_text(mapping, "skip"),
                   .note = optional_text(mapping, "note")};
  if (const auto nics = mapping.optional("nics")) rule.nics = static_cast<int>(nics->as_int(1, 64));
  if (const auto rate = mapping.optional("nic_bandwidth")) rule.nic_bandwidth = rate->as_bandwidth();
  mapping.finish();
  check_result(mapping, "cluster", rule.cluster, rule.skip);
  return rule;
}

NetworkRule network_rule_from(const YamlValue& value) {
  YamlMapping mapping(value);
  NetworkRule rule{.network = pattern_from(mapping.required("network")),
                   .hardware = optional_pattern(mapping, "hardware"),
                   .profile = mapping.required("profile").as_string()};
  mapping.finish();
  return rule;
}

SoftwareRule software_rule_from(const YamlValue& value) {
  YamlMapping mapping(value);
  SoftwareRule rule{.software = optional_pattern(mapping, "software"),
                    .sharding = optional_pattern(mapping, "sharding"),
                    .since = optional_month(mapping, "since"),
                    .before = optional_month(mapping, "before"),
                    .stack = optional_text(mapping, "stack"),
                    .attention = optional_kernel(mapping, "attention"),
                    .flash_kernel = optional_kernel(mapping, "flash_kernel"),
                    .default_sharding = optional_text(mapping, "default_sharding"),
                    .sequence_parallel = false,
                    .selective = SelectiveRecompute::attention_core,
                    .context_parallel = ContextParallelKind::ring,
                    .skip = optional_text(mapping, "skip"),
                    .note = optional_text(mapping, "note")};
  if (const auto sp = mapping.optional("sequence_parallel")) rule.sequence_parallel = sp->as_bool();
  if (const auto selective = mapping.optional("selective_recompute"))
    if (selective->as_choice({"attention-core", "not-comparable"}) == "not-comparable")
      rule.selective = SelectiveRecompute::not_comparable;
  if (const auto kind = mapping.optional("cp_comm_type"))
    rule.context_parallel = *context_parallel_from(kind->as_choice(context_parallel_names()));
  mapping.finish();
  check_result(mapping, "stack", rule.stack, rule.skip);
  return rule;
}

// Months compare as text; a row without a date has no place in time, so a bound never holds for it.
bool in_time(const SoftwareRule& rule, const std::string& month) {
  if (rule.since.empty() && rule.before.empty()) return true;
  if (month.empty()) return false;
  return (rule.since.empty() || month >= rule.since) && (rule.before.empty() || month < rule.before);
}

}  // namespace

TextPattern::TextPattern(const std::string& expression)
    : regex_(expression, std::regex::ECMAScript | std::regex::icase | std::regex::optimize) {}

bool TextPattern::matches(std::string_view text) const { return std::regex_search(text.begin(), text.end(), regex_); }

HardwareRules read_hardware_rules(const std::string& file) {
  YamlMapping mapping(read_yaml_file(file));
  HardwareRules rules;
  for (const YamlValue& rule : mapping.required("clusters").as_sequence())
    rules.clusters.push_back(cluster_rule_from(rule));
  for (const YamlValue& rule : mapping.required("networks").as_sequence())
    rules.networks.push_back(network_rule_from(rule));
  mapping.finish();
  return rules;
}

std::vector<SoftwareRule> read_software_rules(const std::string& file) {
  YamlMapping mapping(read_yaml_file(file));
  std::vector<SoftwareRule> rules;
  for (const YamlValue& rule : mapping.required("stacks").as_sequence()) rules.push_back(software_rule_from(rule));
  mapping.finish();
  return rules;
}

MappingRules shipped_mapping_rules() {
  return {.hardware = read_hardware_rules(scenario_file("published", "hardware")),
          .software = read_software_rules(scenario_file("published", "software"))};
}

std::string first_month(std::string_view date) {
  static const std::regex month(R"((?:19|20)\d\d-(?:0[1-9]|1[0-2]))");
  std::match_results<std::string_view::const_iterator> found;
  return std::regex_search(date.begin(), date.end(), found, month) ? found.str() : std::string();
}

const ClusterRule* cluster_rule_for(const HardwareRules& rules, const PublishedRun& run) {
  const auto rule = std::find_if(rules.clusters.begin(), rules.clusters.end(), [&](const ClusterRule& r) {
    return r.hardware.matches(run.hardware) && (!r.network || r.network->matches(run.network));
  });
  return rule == rules.clusters.end() ? nullptr : &*rule;
}

const SoftwareRule* software_rule_for(const std::vector<SoftwareRule>& rules, const PublishedRun& run) {
  const std::string& named = run.software.empty() ? run.source : run.software;
  const std::string month = first_month(run.date);
  const auto rule = std::find_if(rules.begin(), rules.end(), [&](const SoftwareRule& r) {
    return (!r.software || r.software->matches(named)) && (!r.sharding || r.sharding->matches(run.sharding)) &&
           in_time(r, month);
  });
  return rule == rules.end() ? nullptr : &*rule;
}

}  // namespace trainyard
