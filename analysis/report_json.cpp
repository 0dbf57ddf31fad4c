#include "analysis/report_json.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "analysis/comparison.hpp"
#include "analysis/version.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::ordered_json;

// Text of the user's files may hold anything: bytes that are not UTF-8 are replaced instead of failing the report.
std::string dumped(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json optional_switch(const std::optional<bool>& value) { return value ? Json(*value) : Json(nullptr); }

Json plan_object(const Plan& plan) {
  return {{"tensor_model_parallel_size", plan.tensor_parallel},
          {"pipeline_model_parallel_size", plan.pipeline_parallel},
          {"num_virtual_stages_per_pipeline_rank", plan.virtual_stages},
          {"data_parallel_size", plan.data_parallel},
          {"context_parallel_size", plan.context_parallel},
          {"expert_model_parallel_size", plan.expert_parallel},
          {"expert_tensor_parallel_size", plan.expert_tensor_parallel},
          {"micro_batch_size", plan.micro_batch_size},
          {"global_batch_size", plan.global_batch_size},
          {"sequence_parallel", plan.sequence_parallel},
          {"schedule", plan.schedule},
          {"data_parallel", name(plan.data_parallel_kind)},
          {"recompute_granularity", name(plan.recompute)},
          {"layers_per_chunk", plan.layers_per_chunk},
          {"rank_order", plan.rank_order},
          {"placement", name(plan.placement)},
          {"overlap_grad_reduce", optional_switch(plan.overlap_grad_reduce)},
          {"overlap_param_gather", optional_switch(plan.overlap_param_gather)},
          {"overlap_p2p", optional_switch(plan.overlap_p2p)},
          {"tp_comm_overlap", optional_switch(plan.tp_comm_overlap)},
          {"cp_comm_type", name(plan.context_parallel_kind)},
          {"moe_token_dispatcher_type", plan.dispatcher ? Json(name(*plan.dispatcher)) : Json(nullptr)},
          {"overlap_moe_expert_parallel_comm", plan.overlap_expert_parallel},
          {"moe_shared_expert_overlap", plan.shared_expert_overlap},
          {"reshard_after_forward", optional_switch(plan.sharding.reshard_after_forward)},
          {"offload_optimizer", name(plan.optimizer_offload)},
          {"cpu_offloading_num_layers", plan.activation_offload_layers}};
}

Json breakdown_object(const Breakdown& b) {
  return {{"compute", b.compute.value},       {"exposed_tp", b.exposed_tp.value}, {"exposed_cp", b.exposed_cp.value},
          {"exposed_ep", b.exposed_ep.value}, {"exposed_pp", b.exposed_pp.value}, {"exposed_dp", b.exposed_dp.value},
          {"bubble", b.bubble.value},         {"optimizer", b.optimizer.value},   {"other", b.other.value}};
}

Json communication_array(const std::vector<CommunicationLine>& lines) {
  Json array = Json::array();
  for (const CommunicationLine& line : lines)
    array.push_back({{"axis", name(line.axis)},
                     {"collective", line.collective},
                     {"purpose", line.purpose},
                     {"group_size", line.group_size},
                     {"bytes", line.bytes.value},
                     {"count", line.count},
                     {"busy_s", line.busy.value},
                     {"exposed_s", line.exposed.value},
                     {"slowest_link", name(line.slowest_link)},
                     {"busbw_gbps", line.bus_bandwidth.value / 1e9}});
  return array;
}

Json memory_object(const MemoryLedger& ledger) {
  Json stages = Json::array();
  for (const StageMemory& stage : ledger.stages) {
    const auto of = [&stage](MemoryOwner owner) { return stage.at_peak[static_cast<std::size_t>(owner)].value; };
    stages.push_back({{"stage", stage.stage},
                      {"peak_bytes", stage.allocated.value},
                      {"weights_bytes", of(MemoryOwner::weights)},
                      {"gradients_bytes", of(MemoryOwner::gradients)},
                      {"optimizer_bytes", of(MemoryOwner::optimizer_states)},
                      {"activations_bytes", of(MemoryOwner::activations)},
                      {"temporary_bytes", of(MemoryOwner::temporary)},
                      {"communication_bytes", of(MemoryOwner::communication)},
                      {"reserved_bytes", stage.reserved.value},
                      {"device_used_bytes", stage.device_used.value},
                      {"peak_at", stage.peak_at},
                      {"layers", stage.layers},
                      {"parameters", stage.parameters}});
  }
  return {{"limit_bytes", ledger.limit.value},
          {"fits", ledger.fits},
          {"pressure", ledger.pressure},
          {"peak_bytes", ledger.peak().value},
          {"per_stage", std::move(stages)}};
}

// Columns of equal length: what is held from each time to the next.
Json curve_object(const StageMemoryCurve& curve) {
  static constexpr std::array keys = {"weights_bytes",     "gradients_bytes", "optimizer_bytes",
                                      "activations_bytes", "temporary_bytes", "communication_bytes"};
  Json object = {{"peak_time_s", curve.at_peak().time.value}, {"time_s", Json::array()}};
  for (const char* key : keys) object[key] = Json::array();
  for (const MemoryPoint& point : curve.points) {
    object["time_s"].push_back(point.time.value);
    for (std::size_t o = 0; o < keys.size(); ++o) object[keys[o]].push_back(point.held[o].value);
  }
  return object;
}

// Of a placement search; the devices are those of every rank, whatever kind of placement puts them there.
Json placement_object(const SimulatedStep& step) {
  const PlacementGain& gain = *step.result.placement;
  Json devices = Json::array();
  for (const DeviceId device : step.layout.device) devices.push_back(device.value);
  return {{"kind", name(step.plan.placement)},
          {"rank_order", step.plan.rank_order},
          {"devices", std::move(devices)},
          {"gain_over_packed",
           {{"step", gain.saved()},
            {"step_time_s", gain.step.value},
            {"packed_step_time_s", gain.packed_step.value},
            {"exposed_communication_s", gain.exposed.value},
            {"packed_exposed_communication_s", gain.packed_exposed.value}}},
          {"evaluated", gain.evaluated},
          {"equivalent", gain.equivalent}};
}

Json ranks_array(const StepResult& result) {
  Json ranks = Json::array();
  for (const RankResult& r : result.ranks)
    ranks.push_back({{"rank", r.rank},
                     {"ranks", r.ranks},
                     {"stage", r.stage},
                     {"gpu", r.device},
                     {"kernel_slowdown", r.slowdown},
                     {"breakdown_s", breakdown_object(r.breakdown)}});
  return ranks;
}

Json links_array(const StepResult& result) {
  Json links = Json::array();
  for (const LinkPressure& l : result.links)
    links.push_back({{"link", l.link},
                     {"class", name(l.link_class)},
                     {"wanted_gbps", l.wanted.value * 1e-9},
                     {"carries_gbps", l.carries.value * 1e-9},
                     {"health", l.health},
                     {"communicators", l.communicators},
                     {"users", l.users}});
  return links;
}

Json experiment_object(const Experiment& experiment) {
  return {{"change", experiment.change},
          {"setting", experiment.setting},
          {"predicted_step_time_s", experiment.fits ? Json(experiment.predicted_step.value) : Json(nullptr)},
          {"fits", experiment.fits}};
}

Json diagnosis_object(const Diagnosis& diagnosis) {
  Json experiments = Json::array();
  for (const Experiment& experiment : diagnosis.experiments) experiments.push_back(experiment_object(experiment));
  return {{"bound", name(diagnosis.bound)},
          {"evidence", diagnosis.evidence},
          {"slow_path", diagnosis.slow_path},
          {"next_experiment", experiments.empty() ? Json(nullptr) : experiments.front()},
          {"reason", diagnosis.reason},
          {"experiments", experiments}};
}

Json profile_object(const Profile& profile) {
  Json constants = Json::array();
  for (const auto* part : {&profile.device.provenance, &profile.network.provenance, &profile.stack.provenance})
    for (const Provenance& p : *part)
      constants.push_back({{"constant", p.constant},
                           {"value", p.value},
                           {"source", p.source},
                           {"sources", p.sources},
                           {"residual", p.residual}});
  return {{"device", profile.device.name},
          {"network", profile.network.name},
          {"stack", profile.stack.name},
          {"constants", std::move(constants)}};
}

void add_inputs(Json& object, const Job& job, const Plan& plan) {
  object["scenario"] = job.name;
  object["model"] = job.model.name;
  object["cluster"] = job.cluster.name;
  object["gpus"] = job.cluster.world_size();
  object["sequence_length"] = job.workload.sequence_length;
  object["precision"] = name(job.workload.precision);
  object["plan"] = plan_object(plan);
}

Json side_object(const ComparedStep& side) {
  Json object;
  add_inputs(object, *side.job, side.step->plan);
  object["fits"] = side.step->result.memory.fits;
  object["inputs_hash"] = side.step->result.inputs_hash;
  return object;
}

}  // namespace

std::string report_json(const Job& job, const SimulatedStep& step) {
  const StepResult& r = step.result;
  Json per_stage = Json::array();
  for (const Breakdown& stage : r.per_stage) per_stage.push_back(breakdown_object(stage));
  Json object = {{"schema_version", json_schema_version},
                 {"feasible", true},
                 {"step_time_s", r.step_time.value},
                 {"step_time_p10_s", r.step_time_p10.value},
                 {"step_time_p90_s", r.step_time_p90.value},
                 {"tokens_per_s_per_gpu", r.tokens_per_second_per_gpu},
                 {"model_tflops_per_gpu", r.model_flops_per_gpu.value / 1e12},
                 {"mfu", r.mfu},
                 {"hfu", r.hfu},
                 {"flops_convention", r.flops_convention},
                 {"breakdown_s", breakdown_object(r.breakdown)},
                 {"compute_split_s",
                  {{"gemm", r.compute.gemm.value},
                   {"attention", r.compute.attention.value},
                   {"memory_bound", r.compute.memory_bound.value},
                   {"contention", r.compute.contention.value}}},
                 {"per_stage_s", std::move(per_stage)},
                 {"communication", communication_array(r.communication)},
                 {"memory", memory_object(r.memory)},
                 {"diagnosis", diagnosis_object(r.diagnosis)},
                 {"warnings", r.warnings},
                 {"engine", r.engine},
                 {"events", r.events},
                 {"wall_time_s", r.wall_time.value},
                 {"inputs_hash", r.inputs_hash}};
  add_inputs(object, job, step.plan);
  if (!r.ranks.empty()) {
    object["ranks"] = ranks_array(r);
    object["links"] = links_array(r);
  }
  if (r.placement) object["placement"] = placement_object(step);
  object["profile"] = profile_object(job.profile);
  object["version"] = version();
  return dumped(object);
}

std::string memory_json(const Job& job, const Plan& resolved, const MemoryLedger& ledger,
                        const std::vector<StageMemoryCurve>& curves) {
  Json object = {{"schema_version", json_schema_version}, {"feasible", true}};
  object.update(memory_object(ledger));
  for (std::size_t s = 0; s < curves.size(); ++s) object["per_stage"][s]["timeline"] = curve_object(curves[s]);
  add_inputs(object, job, resolved);
  object["version"] = version();
  return dumped(object);
}

std::string problems_json(const std::string& scenario, const std::vector<PlanProblem>& problems) {
  Json list = Json::array();
  for (const PlanProblem& problem : problems)
    list.push_back({{"axis", problem.axis}, {"reason", problem.reason}, {"unsupported", problem.unsupported}});
  return dumped({{"schema_version", json_schema_version},
                 {"feasible", false},
                 {"scenario", scenario},
                 {"problems", std::move(list)},
                 {"version", version()}});
}

std::string compare_json(const ComparedStep& a, const ComparedStep& b) {
  Json terms = Json::array();
  for (const ComparedTerm& term : comparison(a.step->result, b.step->result)) {
    const std::optional<double> relative = term.relative();
    terms.push_back({{"term", term.key},
                     {"a", term.a},
                     {"b", term.b},
                     {"delta", term.delta()},
                     {"relative", relative ? Json(*relative) : Json(nullptr)}});
  }
  return dumped({{"schema_version", json_schema_version},
                 {"a", side_object(a)},
                 {"b", side_object(b)},
                 {"terms", std::move(terms)},
                 {"version", version()}});
}

}  // namespace trainyard
