// Reads reliability profiles: `kind`, `name`, optionally `inherits` and `description`, and `constants`, each
// {value, source, sources}.
#include <fmt/format.h>

#include <set>
#include <stdexcept>

#include "analysis/job/job_words.hpp"
#include "analysis/job/reliability.hpp"
#include "sim/base/scenario_files.hpp"
#include "sim/base/yaml_reader.hpp"

namespace trainyard {
namespace {

constexpr const char* folder = "profiles/reliability";
constexpr int deepest_inheritance = 8;

struct Range {
  double low = 0;
  double high = 1;
};
constexpr Range share{0, 1};
constexpr Range any{0, 1e9};

void read(const YamlValue& v, double& out, Range range) { out = v.as_number(range.low, range.high); }
void read(const YamlValue& v, std::optional<double>& out, Range range) { out = v.as_number(range.low, range.high); }
void read(const YamlValue& v, int& out, Range range) {
  out = static_cast<int>(v.as_int(static_cast<long long>(range.low), static_cast<long long>(range.high)));
}
void read(const YamlValue& v, Seconds& out, Range) {
  try {
    out = parse_long_duration(v.as_string());
  } catch (const std::invalid_argument& e) {
    v.fail(fmt::format("{}: {}", v.path(), e.what()));
  }
}
void read(const YamlValue& v, BytesPerSecond& out, Range) {
  out = v.as_bandwidth();
  if (out.value <= 0) v.fail(fmt::format("{} must be more than zero", v.path()));
}
void read(const YamlValue& v, CheckpointMode& out, Range) {
  const std::string word = v.as_choice({"synchronous", "two_stage"});
  out = word == "synchronous" ? CheckpointMode::synchronous : CheckpointMode::two_stage;
}
void read(const YamlValue& v, SparePolicy& out, Range) {
  out = v.as_choice({"pool", "unlimited"}) == "pool" ? SparePolicy::pool : SparePolicy::unlimited;
}

// The constants by name: the one list that reading, inheritance and completeness follow.
template <class Visit>
void visit_constants(ReliabilityProfile& p, Visit&& visit) {
  visit("gpu_speed_sigma", p.gpu_speed_sigma, share);
  visit("gpu_speed_worst", p.gpu_speed_worst, Range{0, 0.9});
  visit("calibrated_gpus", p.calibrated_gpus, Range{1, 1e6});
  visit("slow_node_probability", p.slow_node_probability, share);
  visit("slow_node_excess", p.slow_node_excess, any);
  visit("compute_jitter", p.compute_jitter, share);
  visit("collective_jitter", p.collective_jitter, Range{0, 10});
  visit("failures_per_1000_node_days", p.failures_per_1000_node_days, any);
  visit("weibull_shape", p.weibull_shape, Range{0.3, 10});
  visit("node_loss_share", p.node_loss_share, share);
  visit("node_repair", p.node_repair, any);
  visit("spare_policy", p.spare_policy, any);
  visit("spare_share", p.spare_share, Range{0, 100});
  visit("detect", p.detect, any);
  visit("reschedule", p.reschedule, any);
  visit("initialise", p.initialise, any);
  visit("checkpoint_bytes_per_parameter", p.checkpoint_bytes_per_parameter, Range{0, 1000});
  visit("checkpoint_mode", p.checkpoint_mode, any);
  visit("checkpoint_barrier", p.checkpoint_barrier, any);
  visit("copy_bandwidth", p.copy_bandwidth, any);
  visit("client_bandwidth", p.client_bandwidth, any);
  visit("storage_bandwidth", p.storage_bandwidth, any);
  visit("load_amplification", p.load_amplification, Range{1, 1e6});
  visit("price_per_gpu_hour", p.price_per_gpu_hour, any);
}

bool may_be_absent(std::string_view constant) { return constant == "price_per_gpu_hour"; }

void record(std::vector<Provenance>& all, Provenance one) {
  for (Provenance& p : all)
    if (p.constant == one.constant) {
      p = std::move(one);
      return;
    }
  all.push_back(std::move(one));
}

ReliabilityProfile read_profile(const YamlValue& document, int depth, std::set<std::string>& known);

ReliabilityProfile load_profile_part(const std::string& name_or_path, int depth, std::set<std::string>& known) {
  return read_profile(read_yaml_file(scenario_file(folder, name_or_path)), depth, known);
}

void read_constants(const YamlValue& constants, ReliabilityProfile& profile, std::set<std::string>& known) {
  YamlMapping mapping(constants);
  visit_constants(profile, [&](const char* key, auto& member, Range range) {
    const auto entry = mapping.optional(key);
    if (!entry) return;
    YamlMapping fields(*entry);
    const YamlValue value = fields.required("value");
    read(value, member, range);
    Provenance p{key, value.as_string(), fields.required("source").as_string(), 0, {}};
    if (const auto sources = fields.optional("sources")) p.sources = static_cast<int>(sources->as_int(0, 1000));
    fields.finish();
    known.insert(key);
    record(profile.provenance, std::move(p));
  });
  mapping.finish();
}

ReliabilityProfile read_profile(const YamlValue& document, int depth, std::set<std::string>& known) {
  YamlMapping top(document);
  top.required("kind").as_choice({"reliability"});
  const YamlValue profile_name = top.required("name");
  ReliabilityProfile profile;
  if (const auto parent = top.optional("inherits")) {
    if (depth >= deepest_inheritance) parent->fail("profiles inherit from each other in a circle, or too deeply");
    profile = load_profile_part(parent->as_string(), depth + 1, known);
  }
  profile.name = profile_name.as_string();
  top.optional("description");
  if (const auto constants = top.optional("constants")) read_constants(*constants, profile, known);
  top.finish();
  return profile;
}

YamlValue overridden(YamlValue document, const ReliabilityOverrides& overrides) {
  for (const auto& [key, value] : overrides) {
    if (key.find('.') != std::string::npos)
      throw InputError({"--set reliability." + key, 0, 0}, "a reliability constant has no inner values");
    document = with_override(document, fmt::format("constants.{}.value", key), value);
    document = with_override(document, fmt::format("constants.{}.source", key), "the command line");
    document = with_override(document, fmt::format("constants.{}.sources", key), "0");
  }
  return document;
}

}  // namespace

ReliabilityProfile load_reliability(const std::string& name_or_path, const ReliabilityOverrides& overrides) {
  const std::string file = scenario_file(folder, name_or_path);
  std::set<std::string> known;
  ReliabilityProfile profile = read_profile(overridden(read_yaml_file(file), overrides), 0, known);
  visit_constants(profile, [&](const char* key, auto&, Range) {
    if (!known.contains(key) && !may_be_absent(key))
      throw InputError({file, 0, 0}, fmt::format("reliability profile '{}' has no value for '{}'", profile.name, key),
                       "set it under constants: or inherit a profile that does");
  });
  return profile;
}

}  // namespace trainyard
