// An answer written by hand, every part of it filled in, so that writers can be tested without a sweep.
#pragma once

#include "analysis/sweep/answer.hpp"

namespace trainyard::testing {

inline RankedPlan ranked_plan(PlanIndex index, const std::string& line, double step) {
  RankedPlan plan;
  plan.index = index;
  plan.line = line;
  plan.key = "tp=8,\"quoted\"";
  plan.settings = {"plan.tensor_model_parallel_size=8", "plan.layers_per_chunk=[1, 2]"};
  plan.step_time = Seconds(step);
  plan.step_time_p10 = Seconds(0.9 * step);
  plan.step_time_p90 = Seconds(1.1 * step);
  plan.layer_step_time = Seconds(step + 0.1);  // 0.1 has no exact binary form: a round trip must keep the nearest one
  plan.fluid_step_time = Seconds(step / 3);
  plan.mfu = 0.513;
  plan.tokens_per_second_per_gpu = 953.25;
  plan.peak = 61.5_GiB;
  plan.reserved = 64_GiB;
  plan.breakdown.compute = Seconds(step * 0.8);
  plan.breakdown.bubble = Seconds(step * 0.2);
  return plan;
}

inline SweepCounts built_counts() {
  SweepCounts counts;
  counts.excluded = 4'312;
  counts.infeasible = 900'000;
  counts.infeasible_reasons = {{"heads are not divisible by tensor_model_parallel_size", 600'000},
                               {"layers do not split over pipeline_model_parallel_size", 300'000}};
  counts.out_of_memory = 200'000;
  counts.same_placement = 50'000;
  counts.pruned = 40'000;
  counts.evaluated = 10'000;
  return counts;  // 1 204 312 in all
}

inline SweepAnswer built_answer() {
  SweepAnswer answer;
  answer.name = "hand-built";
  answer.model = "gpt3-175b";
  answer.cluster = "8 × dgx-h100";
  answer.gpus = 64;
  answer.memory_limit = 77.5_GiB;
  answer.hash = "0123456789abcdef";
  answer.version = "0.1.0";
  answer.counts = built_counts();
  answer.best = {ranked_plan(17, "tp 8 · pp 8 · vpp 3 · dp 1 · mbs 1 · gbs 128 · interleaved · zero1", 12.25),
                 ranked_plan(4, "tp 4 · pp 8 · vpp 6 · dp 2 · mbs 1 · gbs 128 · interleaved · zero1", 12.75),
                 ranked_plan(9, "tp 8 · pp 4 · dp 2 · mbs 2 · gbs 128 · 1f1b · zero1", 14.5)};
  answer.best[1].ties = true;
  answer.best[2].fluid_step_time.reset();
  answer.pareto = {
      {17, answer.best[0].line, Seconds(12.25), 61.5_GiB, 64_GiB},
      {3, "tp 8 · pp 8 · dp 1 · mbs 1 · gbs 128 · 1f1b · zero1 · recompute full", Seconds(15.5), 30_GiB, 31_GiB}};
  answer.launch = {{"Megatron-LM", "--tensor-model-parallel-size 8 \\\n--pipeline-model-parallel-size 8\n"}};
  answer.runner_up = {"tp 4 · pp 8 takes 0.5 s longer (+4.1 %)", "pipeline bubble 0.42 s longer"};
  answer.placement =
      PlacementWorth{2, "tp-cp-ep-dp-pp packed", "dp-tp-cp-ep-pp scatter", Seconds(12.25), Seconds(24.5)};
  answer.sensitivity = {
      {"NIC bandwidth x 2", answer.best[1].line, Seconds(11.0), 1.25 / 12.25, false, Seconds(12.0)},
      {"HBM size x 0.5", "", std::nullopt, 0, false, std::nullopt},
  };
  answer.warnings = {"a warning about \"something\""};
  return answer;
}

inline SweepAnswer answer_without_plans() {
  SweepAnswer answer = built_answer();
  answer.counts = {};
  answer.counts.out_of_memory = 12;
  answer.best.clear();
  answer.pareto.clear();
  answer.launch.clear();
  answer.runner_up.clear();
  answer.placement.reset();
  answer.closest = ClosestPlan{"tp 8 · pp 8 · dp 1", 93.2_GiB};
  return answer;
}

}  // namespace trainyard::testing
