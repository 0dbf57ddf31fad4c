#include "tests/support/built_step.hpp"

#include <stdexcept>

#include "models/model_config.hpp"

namespace trainyard::testing {

StepProgram BuiltStep::build(Granularity granularity) {
  layout.tp = plan.tensor_parallel;
  layout.cp = plan.context_parallel;
  layout.dp = plan.data_parallel;
  layout.pp = plan.pipeline_parallel;
  layout.device.clear();
  for (int i = 0; i < layout.world_size(); ++i) layout.device.push_back(DeviceId(i));
  layout.cp_stride = layout.tp;
  layout.dp_stride = layout.tp * layout.cp;
  layout.pp_stride = layout.dp_stride * layout.dp;
  paths.stages.assign(static_cast<std::size_t>(layout.pp), {});
  paths.shard_group = plan.sharding.group > 0 ? plan.sharding.group : layout.dp * layout.cp;
  return build_step({&plan, &model, &workload, &stack, &layout, &paths}, granularity);
}

BuiltStep built_step(const char* model, int tp, int dp, int pp) {
  BuiltStep t;
  t.model = load_model(model).shape;
  t.workload.sequence_length = 8192;
  t.plan.tensor_parallel = tp;
  t.plan.data_parallel = dp;
  t.plan.pipeline_parallel = pp;
  t.plan.global_batch_size = dp * pp;
  const int per_stage = static_cast<int>(t.model.layers) / pp;
  t.plan.layers_per_chunk.assign(static_cast<std::size_t>(pp), per_stage);
  t.plan.layers_per_chunk.front() += static_cast<int>(t.model.layers) - per_stage * pp;
  return t;
}

std::vector<Collective> collectives(const StepProgram& program, std::string_view label) {
  std::vector<Collective> found;
  for (const RankKind& kind : program.kinds)
    for (const Instruction& i : kind.instructions)
      if (const auto* c = std::get_if<Collective>(&program.works[static_cast<std::size_t>(i.work)]);
          c != nullptr && c->label == label)
        found.push_back(*c);
  return found;
}

double bytes_of(const std::vector<Collective>& list) {
  double sum = 0;
  for (const Collective& c : list) sum += c.bytes.value;
  return sum;
}

const Segment& segment(const StepProgram& program, std::string_view label) {
  for (const Segment& s : program.segments)
    if (s.label == label) return s;
  throw std::logic_error("no segment of that label");
}

}  // namespace trainyard::testing
