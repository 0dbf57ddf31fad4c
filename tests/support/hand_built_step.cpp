#include "tests/support/hand_built_step.hpp"

#include <map>

namespace trainyard::testing {
namespace {

// Indices into StepProgram::works and ::paths.
enum Works { forward, backward, send_activations, receive_activations, send_gradients, receive_gradients, all_reduce };
enum Paths { pipeline_path, gradient_path };
enum Channels { activations_channel, gradients_channel };
enum Memories { keep_activations, free_activations };

StepProgram program() {
  StepProgram p;
  p.micro_batches = 2;
  p.segments = {{.label = "layer forward", .steps = {}, .phase = Phase::forward, .layer = true},
                {.label = "layer backward", .steps = {}, .phase = Phase::backward, .layer = true}};
  p.paths = {{{.ranks = 2, .link = LinkClass::net, .bandwidth = 50_GBps}},
             {{.ranks = 4, .link = LinkClass::nvlink, .bandwidth = 450_GBps},
              {.ranks = 2, .link = LinkClass::net, .bandwidth = 50_GBps}}};
  Collective gradients;
  gradients.axis = Axis::dp;
  gradients.kind = CollectiveKind::all_reduce;
  gradients.bytes = 64_MiB;
  gradients.path = gradient_path;
  gradients.label = "gradients";
  p.works = {Block{.uses = {{.segment = 0, .repeat = 16}}},
             Block{.uses = {{.segment = 1, .repeat = 16}}},
             Send{.bytes = 8_MiB, .path = pipeline_path, .channel = activations_channel},
             Receive{.bytes = 8_MiB, .path = pipeline_path, .channel = activations_channel},
             Send{.bytes = 8_MiB, .path = pipeline_path, .channel = gradients_channel},
             Receive{.bytes = 8_MiB, .path = pipeline_path, .channel = gradients_channel},
             gradients};
  p.memory_changes = {{{.owner = MemoryOwner::activations, .at_start = 1_GiB, .at_end = 0_B}},
                      {{.owner = MemoryOwner::activations, .at_start = 0_B, .at_end = -1_GiB}}};
  return p;
}

struct Builder {
  RankKind kind;
  std::vector<Span> spans;

  void add(Works work, Stream stream, Phase phase, int micro_batch, double from_ms, double to_ms, int memory = -1) {
    Instruction i;
    i.work = work;
    i.stream = stream;
    i.phase = phase;
    i.micro_batch = micro_batch;
    i.memory = memory;
    kind.instructions.push_back(i);
    spans.push_back({Seconds(from_ms * 1e-3), Seconds(to_ms * 1e-3)});
  }
};

Builder first_stage() {
  Builder b;
  b.kind.stage = StageId(0);
  b.kind.ranks = 8;
  b.kind.representative = RankId(0);
  b.kind.resident[0] = 2_GiB;
  b.add(forward, Stream::compute, Phase::forward, 0, 0.0, 1.0, keep_activations);
  b.add(send_activations, Stream::send_forward, Phase::forward, 0, 1.0, 1.5);
  b.add(forward, Stream::compute, Phase::forward, 1, 1.0, 2.0, keep_activations);
  b.add(send_activations, Stream::send_forward, Phase::forward, 1, 2.0, 2.5);
  b.add(receive_gradients, Stream::receive_backward, Phase::backward, 0, 5.5, 6.0);
  b.add(backward, Stream::compute, Phase::backward, 0, 6.0, 7.5, free_activations);
  b.add(receive_gradients, Stream::receive_backward, Phase::backward, 1, 7.0, 7.5);
  b.add(backward, Stream::compute, Phase::backward, 1, 7.5, 9.0, free_activations);
  b.add(all_reduce, Stream::dp, Phase::gradient_sync, -1, 9.0, 10.0);
  return b;
}

Builder last_stage() {
  Builder b;
  b.kind.stage = StageId(1);
  b.kind.ranks = 8;
  b.kind.representative = RankId(8);
  b.kind.resident[0] = 3_GiB;
  b.add(receive_activations, Stream::receive_forward, Phase::forward, 0, 1.0, 1.5);
  b.add(forward, Stream::compute, Phase::forward, 0, 1.5, 2.5, keep_activations);
  b.add(receive_activations, Stream::receive_forward, Phase::forward, 1, 2.0, 2.5);
  b.add(forward, Stream::compute, Phase::forward, 1, 2.5, 4.0, keep_activations);
  b.add(backward, Stream::compute, Phase::backward, 0, 4.0, 5.5, free_activations);
  b.add(send_gradients, Stream::send_backward, Phase::backward, 0, 5.5, 6.0);
  b.add(backward, Stream::compute, Phase::backward, 1, 5.5, 7.0, free_activations);
  b.add(send_gradients, Stream::send_backward, Phase::backward, 1, 7.0, 7.5);
  b.add(all_reduce, Stream::dp, Phase::gradient_sync, -1, 9.0, 10.0);
  return b;
}

StageMemory stage_memory(int stage, Bytes weights) {
  StageMemory m;
  m.stage = stage;
  m.at_peak = {weights, 1_GiB, 4_GiB, 2_GiB, Bytes{}, Bytes{}};
  m.allocated = weights + 7_GiB;
  m.reserved = 1.05 * m.allocated;
  m.device_used = m.reserved + 1_GiB;
  m.peak_at = "backward of micro-batch 0";
  m.layers = 16;
  m.parameters = 1'070'000'000;
  return m;
}

StepResult result() {
  StepResult r;
  r.step_time = 10_ms;
  r.step_time_p10 = Seconds(9.5e-3);
  r.step_time_p90 = Seconds(10.8e-3);
  r.tokens_per_second_per_gpu = 4096;
  r.model_flops_per_gpu = 412.3_TFLOPS;
  r.mfu = 0.417;
  r.hfu = 0.44;
  r.flops_convention = "palm";
  // 5.25 + 0.5 + 3.0 + 1.0 + 0.25 = 10 ms
  r.breakdown.compute = Seconds(5.25e-3);
  r.breakdown.exposed_pp = Seconds(0.5e-3);
  r.breakdown.bubble = Seconds(3.0e-3);
  r.breakdown.exposed_dp = Seconds(1.0e-3);
  r.breakdown.optimizer = Seconds(0.25e-3);
  r.compute = {Seconds(4e-3), Seconds(0.75e-3), Seconds(0.5e-3), Seconds{}};
  r.per_stage = {r.breakdown, r.breakdown};
  r.communication = {
      {Axis::dp, "all-reduce", "gradients", 8, 64_MiB, 1, 1_ms, 1_ms, LinkClass::net, 48_GBps},
      {Axis::pp, "send/recv", "activations", 2, 8_MiB, 4, 2_ms, Seconds(0.5e-3), LinkClass::net, 16_GBps}};
  r.memory.limit = 76_GiB;
  r.memory.fits = true;
  r.memory.stages = {stage_memory(0, 2_GiB), stage_memory(1, 3_GiB)};
  r.diagnosis.bound = Bound::pipeline;
  r.diagnosis.evidence = {"30 % of the step is pipeline bubble: (pp − 1) / micro-batches = 1/2 of the work"};
  r.diagnosis.slow_path = "dp all-reduce over NET, 1.0 ms exposed";
  r.diagnosis.reason = "more micro-batches per step fill the pipeline";
  r.diagnosis.experiments = {{"global_batch_size: 8 -> 16", "--set plan.gbs=16", 16_ms, true},
                             {"micro_batch_size: 1 -> 4", "--set plan.mbs=4", Seconds{}, false}};
  r.engine = "analytic";
  r.events = 18;
  r.wall_time = 3_ms;
  r.inputs_hash = "0123456789abcdef";
  r.warnings = {"the profile extrapolates to 16 GPUs"};
  return r;
}

}  // namespace

Job hand_built_job() {
  Job job;
  job.name = "hand-built";
  job.model.name = "two-stage";
  job.cluster.name = "dgx-h100";
  job.cluster.nodes = 2;
  job.cluster.node.gpus.assign(8, "GPU");
  job.workload.sequence_length = 4096;
  job.profile.device.name = "h100-sxm-80gb";
  job.profile.network.name = "infiniband";
  job.profile.stack.name = "megatron";
  job.profile.device.provenance = {{"gemm.sustained", "0.8", "public GEMM tables", 3, "5.9 % MAPE"}};
  return job;
}

SimulatedStep connected_step() {
  SimulatedStep step = hand_built_step();
  const auto wait = [&](std::size_t stage, std::size_t instruction, int before) {
    RankKind& kind = step.program.kinds[stage];
    kind.instructions[instruction].after_begin = static_cast<std::int32_t>(kind.after.size());
    kind.instructions[instruction].after_count = 1;
    kind.after.push_back(InstructionId(before));
  };
  using Waits = std::map<std::size_t, int>;  // instruction, and the one it waits for
  for (const auto& [instruction, before] : Waits{{1, 0}, {3, 2}, {5, 4}, {7, 6}, {8, 7}}) wait(0, instruction, before);
  for (const auto& [instruction, before] : Waits{{1, 0}, {3, 2}, {5, 4}, {7, 6}, {8, 6}}) wait(1, instruction, before);
  return step;
}

SimulatedStep hand_built_step() {
  SimulatedStep step;
  step.plan.tensor_parallel = 4;
  step.plan.pipeline_parallel = 2;
  step.plan.data_parallel = 2;
  step.plan.global_batch_size = 4;
  step.plan.schedule = "gpipe";
  step.plan.layers_per_chunk = {16, 16};
  step.layout.tp = 4;
  step.layout.dp = 2;
  step.layout.pp = 2;
  step.program = program();
  Builder first = first_stage();
  Builder last = last_stage();
  step.program.kinds = {std::move(first.kind), std::move(last.kind)};
  step.timeline.spans = {std::move(first.spans), std::move(last.spans)};
  step.timeline.makespan = 10_ms;
  step.result = result();
  return step;
}

}  // namespace trainyard::testing
