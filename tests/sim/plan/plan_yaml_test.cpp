#include "sim/plan/plan_yaml.hpp"

#include <catch2/catch.hpp>

#include "sim/plan/schedule.hpp"
#include "tests/sim/plan/small_cluster.hpp"

using namespace trainyard;
using namespace trainyard::test;
using Catch::Contains;

namespace {

PlanAndWorkload read(const std::string& text) {
  YamlMapping scenario(read_yaml_text(text, "scenario.yaml"));
  return read_plan_and_workload(scenario.optional("plan"), scenario.required("workload"));
}

Plan plan(const std::string& text) { return read_plan(read_yaml_text(text, "plan.yaml")); }

std::string error(const std::string& text) {
  try {
    read(text);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

std::string plan_error(const std::string& text) {
  try {
    plan(text);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a scenario's plan is read with Megatron's names") {
  const PlanAndWorkload read_back = read(R"(
workload: {sequence_length: 8192, global_batch_size: 128, precision: bf16}
plan:
  tensor_model_parallel_size: 4
  pipeline_model_parallel_size: 4
  num_virtual_stages_per_pipeline_rank: 5
  context_parallel_size: 2
  expert_model_parallel_size: 8
  expert_tensor_parallel_size: 1
  data_parallel_size: 16
  micro_batch_size: 2
  sequence_parallel: true
  data_parallel: distributed_optimizer
  recompute_granularity: selective
  rank_order: tp-cp-ep-pp-dp
  placement: rail
  overlap_grad_reduce: true
  overlap_param_gather: false
  overlap_p2p_comm: true
  tp_comm_overlap: false
  grad_reduce_in_fp32: true
)");
  Plan expected;
  expected.tensor_parallel = 4;
  expected.pipeline_parallel = 4;
  expected.virtual_stages = 5;
  expected.context_parallel = 2;
  expected.expert_parallel = 8;
  expected.expert_tensor_parallel = 1;
  expected.data_parallel = 16;
  expected.micro_batch_size = 2;
  expected.global_batch_size = 128;
  expected.sequence_parallel = true;
  expected.schedule = "interleaved";
  expected.data_parallel_kind = DataParallelKind::zero1;
  expected.recompute = Recompute::selective;
  expected.rank_order = "tp-cp-ep-pp-dp";
  expected.placement = PlacementKind::rail;
  expected.overlap_grad_reduce = true;
  expected.overlap_param_gather = false;
  expected.overlap_p2p = true;
  expected.tp_comm_overlap = false;
  expected.grad_reduce_type = DataType::fp32;
  CHECK(read_back.plan == expected);
  CHECK(read_back.workload == workload_8k());
}

TEST_CASE("short aliases say the same") {
  const Plan short_names = plan("{tp: 2, pp: 3, vpp: 4, dp: 5, cp: 6, ep: 7, etp: 8, mbs: 9, gbs: 10}");
  CHECK(short_names == plan("{tensor_model_parallel_size: 2, pipeline_model_parallel_size: 3, "
                            "num_virtual_stages_per_pipeline_rank: 4, data_parallel_size: 5, context_parallel_size: 6, "
                            "expert_model_parallel_size: 7, expert_tensor_parallel_size: 8, micro_batch_size: 9, "
                            "global_batch_size: 10}"));
  CHECK(short_names.expert_tensor_parallel == 8);
}

TEST_CASE("two spellings of one setting are an error") {
  CHECK_THAT(plan_error("tp: 2\ntensor_model_parallel_size: 2"), Contains("the same setting, given twice"));
}

TEST_CASE("the schedule follows from the virtual stages unless given") {
  CHECK(plan("{pp: 4}").schedule == "1f1b");
  CHECK(plan("{pp: 4, vpp: 2}").schedule == "interleaved");
  CHECK(plan("{pp: 4, vpp: 2, schedule: 1f1b}").schedule == "1f1b");
  for (const std::string& word : schedule_names()) CHECK(plan("{schedule: " + word + "}").schedule == word);
}

TEST_CASE("use_distributed_optimizer is another word for zero1") {
  CHECK(plan("{use_distributed_optimizer: true}").data_parallel_kind == DataParallelKind::zero1);
  CHECK(plan("{use_distributed_optimizer: false}").data_parallel_kind == DataParallelKind::ddp);
  CHECK(plan("{use_distributed_optimizer: true, data_parallel: zero1}").data_parallel_kind == DataParallelKind::zero1);
  CHECK_THAT(plan_error("{use_distributed_optimizer: true, data_parallel: ddp}"), Contains("contradicts"));
}

TEST_CASE("the global batch may stand in workload or plan, but must stand in one") {
  CHECK(read("workload: {sequence_length: 10, global_batch_size: 4}").plan.global_batch_size == 4);
  CHECK(read("workload: {sequence_length: 10}\nplan: {gbs: 4}").plan.global_batch_size == 4);
  CHECK(read("workload: {sequence_length: 10, gbs: 4}\nplan: {gbs: 4}").plan.global_batch_size == 4);
  CHECK_THAT(error("workload: {sequence_length: 10}\nplan: {tp: 4}"),
             Contains("scenario.yaml:1:11: missing key 'global_batch_size' in workload"));
  CHECK_THAT(error("workload: {sequence_length: 10, gbs: 4}\nplan: {gbs: 8}"),
             Contains("scenario.yaml:2:13: plan.gbs is 8, but workload.gbs is 4"));
}

TEST_CASE("layers per chunk are a list, under either name") {
  CHECK(plan("{layers_per_chunk: [0, 2, 1]}").layers_per_chunk == std::vector<int>{0, 2, 1});
  CHECK(plan("{pipeline_layout: [3, 4]}").layers_per_chunk == std::vector<int>{3, 4});
  CHECK_THAT(plan_error("{pipeline_layout: []}"), Contains("is empty"));
  CHECK_THAT(plan_error("{pipeline_layout: [1, -1]}"), Contains("pipeline_layout[1] is -1, outside 0"));
}

TEST_CASE("explicit placement is a mapping with one list per node") {
  const Plan placed = plan("placement: {explicit: [[1, 0], [0, 1]]}");
  CHECK(placed.placement == PlacementKind::explicit_list);
  CHECK(placed.explicit_placement == std::vector<std::vector<int>>{{1, 0}, {0, 1}});
  CHECK_THAT(plan_error("placement: explicit"), Contains("needs its lists"));
  CHECK_THAT(plan_error("placement: {implicit: [[0]]}"), Contains("missing key 'explicit'"));
}

TEST_CASE("errors point at the key and suggest the word") {
  CHECK_THAT(plan_error("tp: 2\npipeline_paralel_size: 2"), Contains("plan.yaml:2:1: unknown key"));
  CHECK_THAT(plan_error("tp: 2\nschedule: 1f2b"), Contains("plan.yaml:2:11: schedule cannot be '1f2b' (did you mean"));
  CHECK_THAT(plan_error("tp: 0"), Contains("tp is 0, outside 1 to"));
  CHECK_THAT(plan_error("tp: 99999999999999999999"), Contains("outside 1 to 2147483647"));
  CHECK_THAT(plan_error("tp: 4.5"), Contains("whole number"));
  CHECK_THAT(plan_error("sequence_parallel: yes please"), Contains("true or false"));
  CHECK_THAT(plan_error("rank_order: tp-dp"), Contains("must name each of tp, cp, ep, dp, pp once"));
  CHECK_THAT(error("workload: {sequence_length: 10, gbs: 1, precision: int8}"), Contains("precision cannot be 'int8'"));
  CHECK_THAT(error("workload: {gbs: 1}"), Contains("missing key 'sequence_length' in workload"));
  CHECK_THAT(error("workload: {sequence_length: 1, gbs: 1, epochs: 3}"), Contains("unknown key 'epochs' in workload"));
}

TEST_CASE("what to_yaml writes reads back the same") {
  for (const char* text :
       {"{}", "{tp: 4, pp: 4, vpp: 2, gbs: 64, dp: 2}", "{placement: {explicit: [[1, 0], [2, 3]]}}",
        "{pp: 2, layers_per_chunk: [3, 5], schedule: gpipe, recompute_granularity: full}",
        "{overlap_grad_reduce: false, grad_reduce_in_fp32: false, data_parallel: hsdp, etp: 2, ep: 2}",
        "{placement: scatter, rank_order: pp-dp-cp-tp, sequence_parallel: true, cp: 2}"}) {
    INFO(text);
    const PlanAndWorkload original{plan(text), {.sequence_length = 4096, .precision = DataType::fp16}};
    CHECK(read(to_yaml(original.plan, original.workload)) == original);
  }
}

TEST_CASE("the canonical key tells plans apart and is stable") {
  CHECK(canonical_key(legal_plan()) == canonical_key(legal_plan()));
  const Plan base = legal_plan();
  Plan other = base;
  other.overlap_grad_reduce = false;
  CHECK(canonical_key(other) != canonical_key(base));
  other = base;
  other.layers_per_chunk = {20, 20, 20, 20};
  CHECK(canonical_key(other) != canonical_key(base));
  CHECK(canonical_key(base) ==
        "tp=4 pp=4 vpp=1 dp=0 cp=1 ep=1 etp=0 mbs=1 gbs=32 sp=off schedule=1f1b data_parallel=ddp recompute=none "
        "order=tp-cp-ep-dp-pp placement=packed layers=[] overlap_grad_reduce=default overlap_param_gather=default "
        "overlap_p2p=default tp_comm_overlap=default grad_reduce=default");
}

TEST_CASE("every enumerator has a word that reads back") {
  for (const std::string& word : data_parallel_names()) CHECK(data_parallel_from(word));
  CHECK(data_parallel_from("distributed_optimizer") == DataParallelKind::zero1);
  CHECK(name(DataParallelKind::zero1) == "zero1");
  for (const std::string& word : recompute_names()) CHECK(name(*recompute_from(word)) == word);
  for (const std::string& word : placement_names()) CHECK(name(*placement_from(word)) == word);
  CHECK_FALSE(axis_from("xp"));
}

TEST_CASE("an override lands on the spelling that the scenario uses") {
  const YamlValue scenario = read_yaml_text(
      "plan: {tensor_model_parallel_size: 4, pp: 2}\nworkload: {sequence_length: 8, global_batch_size: 16}\n", "f");
  CHECK(override_path(scenario, "plan.tp") == "plan.tensor_model_parallel_size");
  CHECK(override_path(scenario, "plan.pipeline_model_parallel_size") == "plan.pp");
  CHECK(override_path(scenario, "plan.vpp") == "plan.vpp");
  CHECK(override_path(scenario, "plan.gbs") == "workload.global_batch_size");
  CHECK(override_path(scenario, "workload.sequence_length") == "workload.sequence_length");
  CHECK(override_path(scenario, "workload.seq_length") == "workload.sequence_length");
  CHECK(override_path(scenario, "nodes") == "nodes");
  const YamlValue spelled = read_yaml_text("workload: {seq_length: 8, fp8_dot_product_attention: true, gbs: 2}\n", "f");
  CHECK(override_path(spelled, "workload.sequence_length") == "workload.seq_length");
  CHECK(override_path(spelled, "workload.fp8_attention") == "workload.fp8_dot_product_attention");
}
