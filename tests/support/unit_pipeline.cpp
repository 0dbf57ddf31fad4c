#include "tests/support/unit_pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/plan/schedule.hpp"

namespace trainyard::testing {
namespace {

ModelShape tiny_model(int layers) {
  ModelShape m;
  m.name = "tiny";
  m.layers = layers;
  m.hidden = 256;
  m.heads = m.kv_heads = 4;
  m.head_dim = 64;
  m.ffn = 1024;
  m.vocabulary = 1024;
  return m;
}

// A share of an integer-valued time prints as "3" or "0.5".
std::string number(double v) { return fmt::format("{:g}", v); }

}  // namespace

StepProgram program_of(const UnitPipeline& u) {
  Plan plan;
  plan.pipeline_parallel = u.stages;
  plan.virtual_stages = u.chunks;
  plan.data_parallel = 1;
  plan.schedule = u.schedule;
  plan.global_batch_size = u.micro_batches;
  plan.overlap_p2p = !u.blocking;
  plan.layers_per_chunk.assign(static_cast<std::size_t>(u.stages * u.chunks), 1);
  const ModelShape model = tiny_model(u.stages * u.chunks);
  Workload workload;
  workload.sequence_length = 128;
  const StackProfile stack;
  RankLayout layout;
  layout.pp = u.stages;
  for (int i = 0; i < u.stages; ++i) layout.device.push_back(DeviceId(i));
  CommunicationPaths paths;
  paths.stages.resize(static_cast<std::size_t>(u.stages));
  return build_step({&plan, &model, &workload, &stack, &layout, &paths}, Granularity::block);
}

PricedProgram prices_of(const UnitPipeline& u, const StepProgram& program) {
  PricedProgram prices;
  const ScheduleRow& row = *find_schedule(u.schedule);
  const double share = 1.0 / u.chunks;  // of a stage's model in one chunk
  const auto time_of = [&](const std::vector<SegmentUse>& uses) {
    if (uses.empty()) return 0.0;
    const std::string& label = program.segments[static_cast<std::size_t>(uses.front().segment)].label;
    const auto says = [&](const char* word) { return label.find(word) != std::string::npos; };
    return share * (says("forward")           ? u.forward
                    : says("input gradient")  ? u.input_gradient
                    : says("weight gradient") ? u.weight_gradient
                    : row.splits_backward     ? u.input_gradient + u.weight_gradient
                                              : u.backward);
  };
  for (const Work& work : program.works) {
    WorkPrice& price = prices.works.emplace_back();
    if (const auto* block = std::get_if<Block>(&work))
      price.duration = Seconds(time_of(block->uses) + time_of(block->partner));
    if (std::holds_alternative<Send>(work) || std::holds_alternative<Receive>(work)) price.duration = Seconds(u.hop);
    price.compute = price.duration;
  }
  return prices;
}

double makespan(const UnitPipeline& u) {
  const StepProgram program = program_of(u);
  return run_analytic(program, prices_of(u, program)).makespan.value;
}

std::string start_times(const UnitPipeline& u, std::size_t stage) {
  const StepProgram program = program_of(u);
  const Timeline timeline = run_analytic(program, prices_of(u, program));
  const RankKind& kind = program.kinds[stage];
  std::string text;
  auto pair = kind.pairs.begin();
  for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
    const Instruction& instruction = kind.instructions[i];
    if (instruction.stream != Stream::compute || instruction.micro_batch < 0) continue;
    if (!text.empty()) text += ' ';
    if (pair != kind.pairs.end() && pair->backward.index() == i) text += fmt::format("F{}+", (pair++)->micro_batch);
    const char* letter = instruction.phase == Phase::forward ? "F" : instruction.phase == Phase::weight ? "W" : "B";
    text += fmt::format("{}{}@{}", letter, instruction.micro_batch, number(timeline.spans[stage][i].start.value));
  }
  return text;
}

double in_flight(const UnitPipeline& u, std::size_t stage) {
  const StepProgram program = program_of(u);
  int now = 0, most = 0;
  for (const Instruction& i : program.kinds[stage].instructions) {
    if (i.stream != Stream::compute || i.micro_batch < 0 || i.phase == Phase::weight) continue;
    now += i.phase == Phase::forward ? 1 : -1;
    most = std::max(most, now);
  }
  return static_cast<double>(most) / u.chunks;
}

}  // namespace trainyard::testing
