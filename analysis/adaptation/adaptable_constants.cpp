#include "analysis/adaptation/adaptable_constants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "models/profile_constants.hpp"

namespace trainyard {
namespace {

constexpr auto device = ProfilePart::device;
constexpr auto network = ProfilePart::network;
constexpr auto stack = ProfilePart::stack;

// Above 1 a training step would be faster than its benchmark loop; a quarter more allows for tables that were measured
// with slower kernels than training uses.
constexpr double most_derate = 1.25;

constexpr std::array table = {
    AdaptableName{device, "training_derate", {"training_derate", ""}, most_derate, "steps that matrix work dominates"},
    AdaptableName{device, "fp8.training_derate", {"fp8.training_derate", ""}, most_derate, "steps in fp8"},
    AdaptableName{device, "fp4.training_derate", {"fp4.training_derate", ""}, most_derate, "steps in NVFP4"},
    AdaptableName{device, "grouped_gemm_efficiency", {"grouped_gemm_efficiency", ""}, 1, "mixture-of-experts steps"},
    AdaptableName{
        device, "batched_gemm_efficiency", {"batched_gemm_efficiency", ""}, 1, "steps without flash attention"},
    AdaptableName{device, "attention.flash1.forward", {"attention.flash1.forward", ""}, 1, "long sequences, flash 1"},
    AdaptableName{device, "attention.flash1.backward", {"attention.flash1.backward", ""}, 1, "long sequences, flash 1"},
    AdaptableName{device, "attention.flash2.forward", {"attention.flash2.forward", ""}, 1, "long sequences, flash 2"},
    AdaptableName{device, "attention.flash2.backward", {"attention.flash2.backward", ""}, 1, "long sequences, flash 2"},
    AdaptableName{device, "attention.flash3.forward", {"attention.flash3.forward", ""}, 1, "long sequences, flash 3"},
    AdaptableName{device, "attention.flash3.backward", {"attention.flash3.backward", ""}, 1, "long sequences, flash 3"},
    AdaptableName{device, "fused_efficiency", {"fused_efficiency", ""}, 1, "steps with little matrix work"},
    AdaptableName{device, "reduction_efficiency", {"reduction_efficiency", ""}, 1, "tensor-parallel steps in a node"},
    AdaptableName{network, "collective_efficiency", {"collective_efficiency", ""}, 1, "data-parallel steps over nodes"},
    AdaptableName{network, "p2p_efficiency", {"p2p_efficiency", ""}, 1, "pipeline-parallel steps over nodes"},
    AdaptableName{
        network, "all_to_all_efficiency", {"all_to_all_efficiency", ""}, 1, "expert-parallel steps over nodes"},
    AdaptableName{
        stack, "score_passes", {"score_passes_forward", "score_passes_backward"}, 0, "steps without flash attention"},
    AdaptableName{stack,
                  "dropout_score_passes",
                  {"dropout_score_passes_forward", "dropout_score_passes_backward"},
                  0,
                  "steps without flash attention and with dropout"},
    AdaptableName{stack, "norm_passes", {"norm_passes_forward", "norm_passes_backward"}, 0, "LayerNorm models"},
    AdaptableName{
        stack, "rms_norm_passes", {"rms_norm_passes_forward", "rms_norm_passes_backward"}, 0, "RMSNorm models"},
    AdaptableName{
        stack, "elementwise_factor", {"elementwise_factor", ""}, 0, "small hidden sizes, no tensor parallelism"},
    AdaptableName{stack, "loss_bytes_per_logit", {"loss_bytes_per_logit", ""}, 0, "large vocabularies on few layers"},
    AdaptableName{stack, "userbuffers_exposed", {"userbuffers_exposed", ""}, 1, "tensor-parallel steps with overlap"},
    AdaptableName{stack, "async_tp_exposed", {"async_tp_exposed", ""}, 1, "tensor-parallel steps with async TP"},
    AdaptableName{stack, "p2p_host_sync", {"p2p_host_sync", ""}, 0, "pipelines with many micro-batches"},
    AdaptableName{stack, "contention", {"contention", ""}, 1, "steps that overlap communication"},
    AdaptableName{stack, "scale_out_slowdown", {"scale_out_slowdown", ""}, 0.1, "one plan on few and on many GPUs"},
    AdaptableName{stack,
                  "distributed_optimizer_factor",
                  {"distributed_optimizer_factor", ""},
                  0,
                  "ZeRO-1 steps with few micro-batches"},
    AdaptableName{stack, "fsdp_contention", {"fsdp_contention", ""}, 1, "FSDP steps"},
    AdaptableName{
        stack, "fsdp_scale_out_slowdown", {"fsdp_scale_out_slowdown", ""}, 0.1, "FSDP on few and on many GPUs"},
    AdaptableName{stack, "gather_efficiency", {"gather_efficiency", ""}, 1, "FSDP steps that gathers bound"},
    AdaptableName{stack, "moe_host_sync", {"moe_host_sync", ""}, 0, "dropless mixture-of-experts steps"},
    AdaptableName{stack, "moe_router_passes", {"moe_router_passes", ""}, 0, "steps with many experts"},
    AdaptableName{stack, "quantise_bytes", {"quantise_bytes", "quantise_transpose_bytes"}, 0, "steps in fp8"},
    AdaptableName{stack, "host_layer", {"host_forward", "host_backward"}, 0, "small models, small micro-batches"},
    AdaptableName{stack, "host_step", {"host_step", ""}, 0, "steps of less than 0.1 s"},
    AdaptableName{stack,
                  "optimizer_bytes",
                  {"optimizer_bytes_local", "optimizer_bytes_owned"},
                  0,
                  "steps with few micro-batches and much state per GPU"},
};

// No constant is believed to be off by more than this, whatever rows say.
constexpr double widest_factor = 3;

double* magnitude(double& member) { return &member; }
double* magnitude(Seconds& member) { return &member.value; }
double* magnitude(AttentionModel& member) { return &member.efficiency; }
template <class Other>
double* magnitude(Other&) {
  return nullptr;
}
template <class Member>
constexpr const char* unit_of = std::is_same_v<Member, Seconds> ? "s" : "";

struct Found {
  double value = 0;
  std::string unit;
};

template <class Part>
std::optional<Found> member_of(const Part& part, std::string_view name) {
  std::optional<Found> found;
  Part copy = part;
  copy.provenance.clear();
  visit_constants(copy, [&]<class Member>(std::string_view key, Member& member) {
    if (key == name && magnitude(member) != nullptr) found = Found{*magnitude(member), unit_of<Member>};
  });
  return found;
}

const Provenance* provenance_of(const std::vector<Provenance>& all, std::string_view constant) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Provenance& p) { return p.constant == constant; });
  return found == all.end() ? nullptr : &*found;
}

double spread_of(const Provenance& p) { return p.spread > 0 ? p.spread : default_spread(p.sources); }

template <class Part>
std::optional<AdaptableConstant> constant_of(const Part& part, const AdaptableName& entry) {
  const Provenance* p = provenance_of(part.provenance, entry.members[0]);
  const std::optional<Found> found = member_of(part, entry.members[0]);
  if (p == nullptr || !found || !(found->value > 0)) return std::nullopt;
  const double widest = std::log(widest_factor);
  const double highest = entry.most > 0 ? std::log(std::max(entry.most, found->value) / found->value) : widest;
  const double centre = p->prior > 0 ? std::log(p->prior / found->value) : 0.0;
  return AdaptableConstant{.id = {entry.part, p->set_by, std::string(entry.name)},
                           .value = found->value,
                           .centre = std::clamp(centre, -widest, std::min(widest, highest)),
                           .spread = spread_of(*p),
                           .lowest = -widest,
                           .highest = std::min(widest, highest),
                           .sources = p->sources,
                           .unit = found->unit,
                           .determined_by = std::string(entry.determined_by)};
}

const AdaptableName* entry_of(const ConstantId& id) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const AdaptableName& e) { return e.part == id.part && e.name == id.constant; });
  return found == table.end() ? nullptr : &*found;
}

template <class Part>
void scale_members(Part& part, const AdaptableName& entry, double factor) {
  visit_constants(part, [&](std::string_view key, auto& member) {
    if (key != entry.members[0] && key != entry.members[1]) return;
    if (double* value = magnitude(member)) *value *= factor;
  });
}

}  // namespace

std::string_view name(ProfilePart part) {
  switch (part) {
    case ProfilePart::device:
      return "device";
    case ProfilePart::network:
      return "network";
    case ProfilePart::stack:
      return "stack";
  }
  return "";
}

std::string to_text(const ConstantId& id) { return fmt::format("{} {}: {}", name(id.part), id.set_by, id.constant); }

std::span<const AdaptableName> adaptable_names() { return table; }

// Two independent sources of one constant differ by 5 to 10 % where the field has them (training derates of A100 and
// H100), one source by what a second one moved it (15 to 30 %), a judgement by half.
double default_spread(int sources) {
  if (sources >= 3) return 0.05;
  if (sources == 2) return 0.08;
  return sources == 1 ? 0.25 : 0.4;
}

std::vector<AdaptableConstant> adaptable_constants(const Profile& profile) {
  std::vector<AdaptableConstant> constants;
  for (const AdaptableName& entry : table) {
    const std::optional<AdaptableConstant> constant = entry.part == device    ? constant_of(profile.device, entry)
                                                      : entry.part == network ? constant_of(profile.network, entry)
                                                                              : constant_of(profile.stack, entry);
    if (constant) constants.push_back(*constant);
  }
  return constants;
}

void scale_constant(Profile& profile, const ConstantId& id, double factor) {
  const AdaptableName* entry = entry_of(id);
  if (entry == nullptr) return;
  if (id.part == device) scale_members(profile.device, *entry, factor);
  if (id.part == network) scale_members(profile.network, *entry, factor);
  if (id.part == stack) scale_members(profile.stack, *entry, factor);
}

}  // namespace trainyard
