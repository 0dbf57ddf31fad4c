#include "analysis/trace/model_layers.hpp"

#include <map>
#include <utility>
#include <variant>

#include "sim/plan/schedule.hpp"

namespace trainyard {
namespace {

class LayerCount {
 public:
  LayerCount(const SimulatedStep& step, std::size_t kind) : program_(step.program), kind_(program_.kinds[kind]) {
    const ScheduleRow& schedule = *find_schedule(step.plan.schedule);
    const PipelineShape shape{step.plan.pipeline_parallel, schedule.chunks(step.plan.virtual_stages)};
    for (int chunk = 0; chunk < shape.chunks; ++chunk) {
      const int model_stage = schedule.place(shape, kind_.stage.value, chunk).model_stage;
      std::int32_t first = 0;
      for (int before = 0; before < model_stage; ++before)
        first += step.plan.layers_per_chunk.at(static_cast<std::size_t>(before));
      first_.push_back(first);
    }
  }

  std::vector<LayerRange> run() {
    std::vector<LayerRange> ranges;
    for (std::size_t i = 0; i < kind_.instructions.size(); ++i) ranges.push_back(range(i));
    return ranges;
  }

 private:
  struct Progress {
    std::int32_t forward = 0, backward = 0, weight = 0;  // layers begun so far
  };

  LayerRange range(std::size_t i) {
    const Instruction& instruction = kind_.instructions[i];
    if (instruction.micro_batch < 0) return {};
    Progress& pass = progress_[{instruction.micro_batch, instruction.chunk}];
    const Work& work = program_.works[static_cast<std::size_t>(instruction.work)];
    if (const auto* op = std::get_if<OperatorWork>(&work)) return in_segment(instruction, op->segment, op->step, pass);
    if (const auto* c = std::get_if<Collective>(&work)) return in_segment(instruction, c->segment, c->step, pass);
    const auto* block = std::get_if<Block>(&work);
    if (block == nullptr || block->only_slowdown) return {};
    const PairedForward* pair = paired_forward(kind_, InstructionId(i));
    if (pair == nullptr) return next(instruction, layers_in(block->uses), pass);
    progress_[{pair->micro_batch, pair->chunk}].forward += layers_in(block->uses);
    return next(instruction, layers_in(block->partner), pass);
  }

  // A segment's first step begins a layer; the others belong to the layer begun last, in a forward the one below.
  LayerRange in_segment(const Instruction& instruction, int segment, int step, Progress& pass) const {
    if (segment < 0 || !program_.segments[static_cast<std::size_t>(segment)].layer) return {};
    const std::int32_t layer = next(instruction, step == 0 ? 1 : 0, pass).first;
    return {step == 0 || instruction.phase != Phase::forward ? layer : layer - 1, 1};
  }

  LayerRange next(const Instruction& instruction, std::int32_t count, Progress& pass) const {
    const std::int32_t first = first_[static_cast<std::size_t>(instruction.chunk)];
    if (instruction.phase == Phase::forward) {
      pass.forward += count;
      return {first + pass.forward - count, count};
    }
    std::int32_t& done = instruction.phase == Phase::weight ? pass.weight : pass.backward;
    done += count;
    return {first + pass.forward - done, count};  // what ran last forward is first
  }

  std::int32_t layers_in(const std::vector<SegmentUse>& uses) const {
    std::int32_t count = 0;
    for (const SegmentUse& use : uses)
      if (program_.segments[static_cast<std::size_t>(use.segment)].layer) count += use.repeat;
    return count;
  }

  const StepProgram& program_;
  const RankKind& kind_;
  std::vector<std::int32_t> first_;                                     // [chunk]
  std::map<std::pair<std::int32_t, std::int16_t>, Progress> progress_;  // by micro-batch and chunk
};

}  // namespace

std::vector<LayerRange> model_layers(const SimulatedStep& step, std::size_t kind) {
  return LayerCount(step, kind).run();
}

}  // namespace trainyard
