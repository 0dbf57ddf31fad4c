#include "models/profile_yaml.hpp"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "sim/base/scenario_files.hpp"

namespace trainyard {
namespace {

// The constants of each part by name: the one list that reading, inheritance and completeness follow.
template <class Visit>
void visit_constants(DeviceProfile& d, Visit&& visit) {
  visit("multiprocessors", d.multiprocessors);
  visit("peak_half", d.peak_half);
  visit("peak_fp8", d.peak_fp8);
  visit("peak_fp4", d.peak_fp4);
  visit("bf16", d.bf16);
  visit("memory_bandwidth", d.memory_bandwidth);
  visit("gemm.sustained", d.gemm.sustained);
  visit("gemm.tile_efficiency", d.gemm.tile_efficiency);
  visit("gemm.k_overhead", d.gemm.k_overhead);
  visit("gemm.wave_softness", d.gemm.wave_softness);
  visit("gemm.memory_efficiency", d.gemm.memory_efficiency);
  visit("gemm.fixed", d.gemm.fixed);
  visit("gemm.blend", d.gemm.blend);
  visit("gemm.split_k_traffic", d.gemm.split_k_traffic);
  visit("fp8.sustained", d.fp8.sustained);
  visit("fp8.k_overhead", d.fp8.k_overhead);
  visit("fp8.training_derate", d.fp8.training_derate);
  visit("fp8_transposes", d.fp8_transposes);
  visit("fp4.sustained", d.fp4.sustained);
  visit("fp4.k_overhead", d.fp4.k_overhead);
  visit("fp4.training_derate", d.fp4.training_derate);
  visit("grouped_gemm_efficiency", d.grouped_gemm_efficiency);
  visit("training_derate", d.training_derate);
  visit("wgrad_slowdown", d.wgrad_slowdown);
  visit("batched_gemm_efficiency", d.batched_gemm_efficiency);
  visit("attention.flash1.forward", d.attention_forward[1]);
  visit("attention.flash1.backward", d.attention_backward[1]);
  visit("attention.flash2.forward", d.attention_forward[2]);
  visit("attention.flash2.backward", d.attention_backward[2]);
  visit("attention.flash3.forward", d.attention_forward[3]);
  visit("attention.flash3.backward", d.attention_backward[3]);
  visit("fp8_attention_speedup", d.fp8_attention_speedup);
  visit("fused_efficiency", d.fused_efficiency);
  visit("layout_efficiency", d.layout_efficiency);
  visit("permute_efficiency", d.permute_efficiency);
  visit("embedding_efficiency", d.embedding_efficiency);
  visit("kernel_launch", d.kernel_launch);
  visit("reduction_efficiency", d.reduction_efficiency);
  visit("multicast_gain", d.multicast_gain);
  visit("multicast_latency", d.multicast_latency);
  visit("collective_base", d.collective_base);
  visit("collective_step", d.collective_step);
  visit("all_to_all_efficiency", d.all_to_all_efficiency);
  visit("dispatch_efficiency", d.dispatch_efficiency);
  visit("all_to_all_peer", d.all_to_all_peer);
  visit("context", d.context);
  visit("blas_workspace", d.blas_workspace);
  visit("host_update_bandwidth", d.host_update_bandwidth);
  visit("host_nvme_bandwidth", d.host_nvme_bandwidth);
}
template <class Visit>
void visit_constants(NetworkProfile& n, Visit&& visit) {
  visit("collective_efficiency", n.collective_efficiency);
  visit("p2p_efficiency", n.p2p_efficiency);
  visit("all_to_all_efficiency", n.all_to_all_efficiency);
  visit("step_latency", n.step_latency);
  visit("p2p_latency", n.p2p_latency);
  visit("all_to_all_peer", n.all_to_all_peer);
  visit("pcie_efficiency", n.pcie_efficiency);
  visit("pcie_latency", n.pcie_latency);
  visit("routing_efficiency", n.routing_efficiency);
}
template <class Visit>
void visit_constants(StackProfile& s, Visit&& visit) {
  visit("attention", s.attention);
  visit("score_passes_forward", s.score_passes_forward);
  visit("score_passes_backward", s.score_passes_backward);
  visit("dropout_score_passes_forward", s.dropout_score_passes_forward);
  visit("dropout_score_passes_backward", s.dropout_score_passes_backward);
  visit("dropout", s.dropout);
  visit("norm_passes_forward", s.norm_passes_forward);
  visit("norm_passes_backward", s.norm_passes_backward);
  visit("rms_norm_passes_forward", s.rms_norm_passes_forward);
  visit("rms_norm_passes_backward", s.rms_norm_passes_backward);
  visit("residual_passes_forward", s.residual_passes_forward);
  visit("residual_passes_backward", s.residual_passes_backward);
  visit("qkv_copies", s.qkv_copies);
  visit("fused_rope", s.fused_rope);
  visit("elementwise_factor", s.elementwise_factor);
  visit("loss_bytes_per_logit", s.loss_bytes_per_logit);
  visit("fused_wgrad_accumulation", s.fused_wgrad_accumulation);
  visit("tp_overlap", s.tp_overlap);
  visit("userbuffers_exposed", s.userbuffers_exposed);
  visit("async_tp_exposed", s.async_tp_exposed);
  visit("p2p", s.p2p);
  visit("p2p_host_sync", s.p2p_host_sync);
  visit("p2p_scatter_gather", s.p2p_scatter_gather);
  visit("overlap_grad_reduce", s.overlap_grad_reduce);
  visit("overlap_param_gather", s.overlap_param_gather);
  visit("contention", s.contention);
  visit("scale_out_slowdown", s.scale_out_slowdown);
  visit("distributed_optimizer_factor", s.distributed_optimizer_factor);
  visit("grad_reduce_type", s.grad_reduce_type);
  visit("fsdp_reduce_type", s.fsdp_reduce_type);
  visit("fsdp_contention", s.fsdp_contention);
  visit("fsdp_scale_out_slowdown", s.fsdp_scale_out_slowdown);
  visit("gather_efficiency", s.gather_efficiency);
  visit("single_rail_sharding", s.single_rail_sharding);
  visit("dispatcher", s.dispatcher);
  visit("moe_host_sync", s.moe_host_sync);
  visit("moe_router_kernels", s.moe_router_kernels);
  visit("moe_router_passes", s.moe_router_passes);
  visit("quantise_bytes", s.quantise_bytes);
  visit("quantise_transpose_bytes", s.quantise_transpose_bytes);
  visit("quantise_amax_bytes", s.quantise_amax_bytes);
  visit("host_forward", s.host_forward);
  visit("host_backward", s.host_backward);
  visit("host_tp_growth", s.host_tp_growth);
  visit("host_step", s.host_step);
  visit("cuda_graphs", s.cuda_graphs);
  visit("cuda_graph_host", s.cuda_graph_host);
  visit("optimizer_bytes_local", s.optimizer_bytes_local);
  visit("optimizer_bytes_owned", s.optimizer_bytes_owned);
  visit("score_memory", s.score_memory);
  visit("dropout_score_memory", s.dropout_score_memory);
  visit("norm_saved_extra", s.norm_saved_extra);
  visit("loss_memory_per_logit", s.loss_memory_per_logit);
  visit("logits_copies", s.logits_copies);
  visit("dummy_wgrads", s.dummy_wgrads);
  visit("expert_outputs_weighted", s.expert_outputs_weighted);
  visit("fragmentation", s.fragmentation);
  visit("framework_reserve", s.framework_reserve);
  visit("step_time_p10", s.step_time_p10);
  visit("step_time_p90", s.step_time_p90);
}

void read(const YamlValue& v, double& out) { out = v.as_number(0, 1e6); }
void read(const YamlValue& v, int& out) { out = static_cast<int>(v.as_int(1, 100000)); }
void read(const YamlValue& v, bool& out) { out = v.as_bool(); }
void read(const YamlValue& v, Seconds& out) { out = v.as_duration(); }
void read(const YamlValue& v, Bytes& out) { out = v.as_bytes(); }
void read(const YamlValue& v, BytesPerSecond& out) { out = v.as_bandwidth(); }
void read(const YamlValue& v, FlopsPerSecond& out) { out = v.as_throughput(); }
void read(const YamlValue& v, std::array<double, 6>& out) {
  const std::vector<YamlValue> items = v.as_sequence();
  if (items.size() != out.size())
    v.fail(fmt::format("{} needs {} numbers, not {}", v.path(), out.size(), items.size()));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = items[i].as_number(0, 2);
}
void read(const YamlValue& v, AttentionModel& out) {
  const std::vector<YamlValue> items = v.as_sequence();
  if (items.size() != 3) v.fail(fmt::format("{} needs [efficiency, key overhead, tail]", v.path()));
  out = {items[0].as_number(1e-3, 2), items[1].as_number(0, 1e5), items[2].as_number(0, 1e3)};
}
void read(const YamlValue& v, AttentionKernel& out) {
  const std::string word = v.as_choice({"materialised", "flash1", "flash2", "flash3"});
  out = word == "materialised" ? AttentionKernel::materialised
        : word == "flash1"     ? AttentionKernel::flash1
        : word == "flash2"     ? AttentionKernel::flash2
                               : AttentionKernel::flash3;
}
void read(const YamlValue& v, TpOverlap& out) {
  const std::string word = v.as_choice({"none", "backward", "userbuffers", "async_tp"});
  out = word == "none"          ? TpOverlap::none
        : word == "backward"    ? TpOverlap::backward
        : word == "userbuffers" ? TpOverlap::userbuffers
                                : TpOverlap::async_tp;
}
void read(const YamlValue& v, P2pMode& out) {
  out = v.as_choice({"blocking", "overlapped"}) == "blocking" ? P2pMode::blocking : P2pMode::overlapped;
}
void read(const YamlValue& v, ExpertDispatcher& out) {
  const std::string word = v.as_choice({"alltoall", "allgather", "deepep"});
  out = word == "alltoall"    ? ExpertDispatcher::all_to_all
        : word == "allgather" ? ExpertDispatcher::all_gather
                              : ExpertDispatcher::deepep;
}
void read(const YamlValue& v, DataType& out) {
  out = v.as_choice({"fp32", "bf16"}) == "fp32" ? DataType::fp32 : DataType::bf16;
}

std::string value_text(const YamlValue& value) {
  if (value.is_scalar()) return value.as_string();
  std::string text;
  for (const YamlValue& item : value.as_sequence()) text += (text.empty() ? "" : ", ") + item.as_string();
  return text;
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
Part load_part(const std::string& name_or_path, int depth, std::set<std::string>& known);

template <class Part>
Part read_part(const YamlValue& document, int depth, std::set<std::string>& known) {
  YamlMapping top(document);
  top.required("kind").as_choice({PartKind<Part>::word});
  const YamlValue part_name = top.required("name");
  Part part;
  if (const auto parent = top.optional("inherits")) {
    if (depth >= deepest_inheritance) parent->fail("profiles inherit from each other in a circle, or too deeply");
    part = load_part<Part>(parent->as_string(), depth + 1, known);
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
      Provenance p{key, value_text(value), fields.required("source").as_string(), 0, {}};
      if (const auto n = fields.optional("sources")) p.sources = static_cast<int>(n->as_int(0, 1000));
      if (const auto r = fields.optional("residual")) p.residual = r->as_string();
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
Part load_part(const std::string& name_or_path, int depth, std::set<std::string>& known) {
  return read_part<Part>(read_yaml_file(scenario_file(PartKind<Part>::folder, name_or_path)), depth, known);
}

template <class Part>
void require_all(Part& part, const std::set<std::string>& known, const SourceLocation& where) {
  visit_constants(part, [&](const char* key, auto&) {
    if (!known.contains(key))
      throw InputError(where,
                       fmt::format("{} profile '{}' has no value for '{}'", PartKind<Part>::word, part.name, key),
                       "set it under constants: or inherit a profile that does");
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
Part load_complete(const std::string& name_or_path) {
  std::set<std::string> known;
  Part part = load_part<Part>(name_or_path, 0, known);
  const SourceLocation where{scenario_file(PartKind<Part>::folder, name_or_path), 0, 0};
  require_all(part, known, where);
  require_rates(part, where);
  return part;
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
  const std::string kind = top.required("kind").as_choice({"device", "network", "stack"});
  if (kind == "device") profile.device = load_complete<DeviceProfile>(path);
  if (kind == "network") profile.network = load_complete<NetworkProfile>(path);
  if (kind == "stack") profile.stack = load_complete<StackProfile>(path);
  return profile;
}

}  // namespace trainyard
