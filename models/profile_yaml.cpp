#include "models/profile_yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include "models/profile_constants.hpp"
#include "models/profile_values.hpp"
#include "sim/base/scenario_files.hpp"

namespace trainyard {
namespace {

std::string value_text(const YamlValue& value) {
  if (value.is_scalar()) return value.as_string();
  if (!value.is_sequence()) return "a table";
  std::string text;
  for (const YamlValue& item : value.as_sequence()) {
    if (!item.is_scalar()) return "a table";
    text += (text.empty() ? "" : ", ") + item.as_string();
  }
  return text;
}

// A table of measurements may be missing: the formulas stand alone.
constexpr std::array optional_tables = {std::string_view("gemm.surface"), std::string_view("fp8.surface"),
                                        std::string_view("fp4.surface"), std::string_view("nvlink_collectives"),
                                        std::string_view("attention.prefill.forward")};
bool may_be_missing(std::string_view key) {
  return std::find(optional_tables.begin(), optional_tables.end(), key) != optional_tables.end();
}

void record(std::vector<Provenance>& all, Provenance one) {
  for (Provenance& p : all)
    if (p.constant == one.constant) {
      p = std::move(one);
      return;
    }
  all.push_back(std::move(one));
}

constexpr int deepest_inheritance = 8;

template <class Part>
struct PartKind;
template <>
struct PartKind<DeviceProfile> {
  static constexpr const char* word = "device";
  static constexpr const char* folder = "profiles/devices";
};
template <>
struct PartKind<NetworkProfile> {
  static constexpr const char* word = "network";
  static constexpr const char* folder = "profiles/networks";
};
template <>
struct PartKind<StackProfile> {
  static constexpr const char* word = "stack";
  static constexpr const char* folder = "profiles/stacks";
};

template <class Part>
Part load_part(const std::string& file, int depth, std::set<std::string>& known);

// A path is relative to the folder of the file that inherits. What is not found is the fault of the word there.
template <class Part>
std::string inherited_file(const YamlValue& parent) {
  const std::string folder = std::filesystem::path(parent.where().file).parent_path().string();
  try {
    return scenario_file(PartKind<Part>::folder, parent.as_string(), folder);
  } catch (const InputError& e) {
    const std::string& file = e.where().file;
    parent.fail(file.empty() ? e.message() : fmt::format("'{}': {}", file, e.message()), e.hint());
  }
}

template <class Part>
Part read_part(const YamlValue& document, int depth, std::set<std::string>& known) {
  YamlMapping top(document);
  top.required("kind").as_choice({PartKind<Part>::word});
  const YamlValue part_name = top.required("name");
  Part part;
  if (const auto parent = top.optional("inherits")) {
    if (depth >= deepest_inheritance) parent->fail("profiles inherit from each other in a circle, or too deeply");
    part = load_part<Part>(inherited_file<Part>(*parent), depth + 1, known);
  }
  part.name = part_name.as_string();
  top.optional("description");
  if (const auto constants = top.optional("constants")) {
    YamlMapping mapping(*constants);
    visit_constants(part, [&](const char* key, auto& member) {
      const auto entry = mapping.optional(key);
      if (!entry) return;
      YamlMapping fields(*entry);
      const YamlValue value = fields.required("value");
      read(value, member);
      Provenance p{key, value_text(value), fields.required("source").as_string(), 0, {}, 0, 0, part.name};
      if (const auto n = fields.optional("sources")) p.sources = static_cast<int>(n->as_int(0, 1000));
      if (const auto r = fields.optional("residual")) p.residual = r->as_string();
      if (const auto w = fields.optional("spread")) p.spread = w->as_number(0, 3);
      if (const auto w = fields.optional("prior")) p.prior = w->as_number(0, 1e6);
      fields.finish();
      known.insert(key);
      record(part.provenance, std::move(p));
    });
    mapping.finish();
  }
  top.finish();
  return part;
}

template <class Part>
Part load_part(const std::string& file, int depth, std::set<std::string>& known) {
  return read_part<Part>(read_yaml_file(file), depth, known);
}

// What a user runs to learn a constant: a microbenchmark, nccl-tests, or a few steps of their own.
struct MeasuredBy {
  std::string_view prefix;
  std::string_view how;
};
constexpr std::array measured_by = {
    MeasuredBy{"gemm.", "microbench gemm"},
    MeasuredBy{"fp8.training", "calibrate --runs with measured steps"},
    MeasuredBy{"fp4.training", "calibrate --runs with measured steps"},
    MeasuredBy{"fp8.", "microbench gemm"},
    MeasuredBy{"fp4.", "microbench gemm"},
    MeasuredBy{"attention.", "microbench attention and attention_sdpa.py"},
    MeasuredBy{"fused_efficiency", "microbench memory and elementwise"},
    MeasuredBy{"layout_efficiency", "microbench transpose"},
    MeasuredBy{"kernel_launch", "microbench launch"},
    MeasuredBy{"collective_", "nccl-tests or microbench nccl_collectives"},
    MeasuredBy{"all_to_all_", "nccl-tests or microbench nccl_collectives"},
    MeasuredBy{"reduction_efficiency", "nccl-tests or microbench nccl_collectives"},
    MeasuredBy{"multicast_", "nccl-tests or microbench nccl_collectives"},
    MeasuredBy{"p2p_", "nccl-tests sendrecv over two nodes"},
    MeasuredBy{"step_latency", "nccl-tests over two nodes and more"},
    MeasuredBy{"training_derate", "calibrate --runs with measured steps"},
    MeasuredBy{"host_update_bandwidth", "a memory benchmark of the host, such as STREAM"},
    MeasuredBy{"host_nvme_bandwidth", "a benchmark of its drives, such as fio"},
    MeasuredBy{"host_", "calibrate --runs with measured steps"},
    MeasuredBy{"contention", "microbench overlap, or calibrate --runs"},
};
std::string how_to_get(std::string_view key) {
  const std::string_view set_it = "set it under constants: or inherit a profile that does";
  for (const MeasuredBy& m : measured_by)
    if (key.starts_with(m.prefix)) return fmt::format("{}; {} measures it", set_it, m.how);
  return std::string(set_it);
}

template <class Part>
void require_all(Part& part, const std::set<std::string>& known, const SourceLocation& where) {
  visit_constants(part, [&](const char* key, auto&) {
    if (!known.contains(key) && !may_be_missing(key))
      throw InputError(where,
                       fmt::format("{} profile '{}' has no value for '{}'", PartKind<Part>::word, part.name, key),
                       how_to_get(key));
  });
}

// Rates that times are divided by: zero would make a step endless.
void require_rates(const DeviceProfile& d, const SourceLocation& where) {
  const auto positive = [&](std::string_view key, double value) {
    if (value > 0) return;
    throw InputError(where, fmt::format("device profile '{}': '{}' must be above 0", d.name, key),
                     "it is the share of a peak that kernels reach");
  };
  positive("permute_efficiency", d.permute_efficiency);
  positive("all_to_all_efficiency", d.all_to_all_efficiency);
  positive("dispatch_efficiency", d.dispatch_efficiency);
  positive("grouped_gemm_efficiency", d.grouped_gemm_efficiency);
  positive("fp8_attention_speedup", d.fp8_attention_speedup);
  if (d.peak_fp8.value > 0) positive("fp8.sustained", d.fp8.sustained);
  if (d.peak_fp8.value > 0) positive("fp8.training_derate", d.fp8.training_derate);
  if (d.peak_fp4.value > 0) positive("fp4.sustained", d.fp4.sustained);
  if (d.peak_fp4.value > 0) positive("fp4.training_derate", d.fp4.training_derate);
}
void require_rates(const NetworkProfile& n, const SourceLocation& where) {
  if (n.all_to_all_efficiency <= 0)
    throw InputError(where, fmt::format("network profile '{}': 'all_to_all_efficiency' must be above 0", n.name),
                     "it is the share of a NIC's rate that an all-to-all reaches");
}
void require_rates(const StackProfile& s, const SourceLocation& where) {
  if (s.gather_efficiency <= 0)
    throw InputError(where, fmt::format("stack profile '{}': 'gather_efficiency' must be above 0", s.name),
                     "it is the share of the link that a parameter gather reaches");
}

template <class Part>
Part completed(const YamlValue& document, const SourceLocation& where) {
  std::set<std::string> known;
  Part part = read_part<Part>(document, 0, known);
  require_all(part, known, where);
  require_rates(part, where);
  return part;
}

template <class Part>
Part load_complete(const std::string& name_or_path) {
  const std::string file = scenario_file(PartKind<Part>::folder, name_or_path);
  return completed<Part>(read_yaml_file(file), {file, 0, 0});
}

void replace_part(Profile& profile, const YamlValue& document, const std::string& kind, const SourceLocation& where) {
  if (kind == "device") profile.device = completed<DeviceProfile>(document, where);
  if (kind == "network") profile.network = completed<NetworkProfile>(document, where);
  if (kind == "stack") profile.stack = completed<StackProfile>(document, where);
}

void replace_parts(Profile& profile, const YamlValue& parts) {
  std::set<std::string> replaced;
  for (const YamlValue& part : parts.as_sequence()) {
    const YamlValue kind = YamlMapping(part).required("kind");
    const std::string word = kind.as_choice({"device", "network", "stack"});
    if (!replaced.insert(word).second) kind.fail(fmt::format("a second part of kind '{}'", word));
    replace_part(profile, part, word, part.where());
  }
}

}  // namespace

DeviceProfile load_device_profile(const std::string& name) { return load_complete<DeviceProfile>(name); }
NetworkProfile load_network_profile(const std::string& name) { return load_complete<NetworkProfile>(name); }
StackProfile load_stack_profile(const std::string& name) { return load_complete<StackProfile>(name); }

Profile load_profile(const std::string& device, const std::string& network, const std::string& stack) {
  return {load_device_profile(device), load_network_profile(network.empty() ? "single-node" : network),
          load_stack_profile(stack)};
}

Profile with_profile_file(Profile profile, const std::string& path) {
  const YamlValue document = read_yaml_file(path);
  YamlMapping top(document);
  const std::string kind = top.required("kind").as_choice({"device", "network", "stack", "profile"});
  if (kind != "profile") {
    replace_part(profile, document, kind, {path, 0, 0});
    return profile;
  }
  top.optional("description");
  replace_parts(profile, top.required("parts"));
  top.finish();
  return profile;
}

}  // namespace trainyard
