// The model cut into chunks and segments: what every instruction of a step is made of.
#pragma once

#include <array>
#include <vector>

#include "sim/program/instruction.hpp"
#include "sim/program/step_inputs.hpp"

namespace trainyard {

// Positions in StepProgram::segments.
enum SegmentIndex { layer_f, layer_b, embed_f, embed_b, head_f, head_b, gather_input, segment_count };

std::vector<Segment> step_segments(const StepInputs& inputs);

// Does a stage receive 1/tp of its input per rank and gather it over NVLink (Narayanan et al. 2021, scatter/gather)?
bool gathers_pipeline_input(const StepInputs& inputs);

// Bytes that segments hold, rounded up to whole bytes so that sums are exact.
struct SegmentMemory {
  Bytes layer{};  // saved by a layer's forward until its backward
  Bytes head{};
  Bytes working_set{};  // alive while a layer's backward runs
};
SegmentMemory segment_memory(const StepInputs& inputs);

// One model chunk of one stage.
struct ModelChunk {
  int layers = 0;
  bool embedding = false;
  bool head = false;
  double parameters = 0;                         // of one rank
  std::vector<std::vector<SegmentUse>> buckets;  // backward segments by gradient bucket, in backward order
  std::vector<double> bucket_parameters;
  std::vector<SegmentUse> forward() const;
  std::vector<SegmentUse> backward() const;
};
// [stage * virtual stages + chunk]
std::vector<ModelChunk> model_chunks(const StepInputs& inputs);

}  // namespace trainyard
