// Traffic and memory of sharded states: FSDP, ZeRO-2 and -3, HSDP, ZeRO++, and what is offloaded.
#include <catch2/catch.hpp>

#include "tests/support/built_step.hpp"

using namespace trainyard;
using testing::built_step;
using testing::BuiltStep;
using testing::bytes_of;
using testing::collectives;

namespace {

constexpr double llama_8b = 8030261248.0;  // parameters

BuiltStep sharded(DataParallelKind kind, int ranks, int micro_batches = 1) {
  BuiltStep t = built_step("llama3-8b", 1, ranks, 1);
  t.plan.data_parallel_kind = kind;
  t.plan.global_batch_size = ranks * micro_batches;
  t.plan.overlap_grad_reduce = true;
  t.plan.overlap_param_gather = true;
  return t;
}

double resident(const StepProgram& program, MemoryOwner owner) {
  return program.kinds.front().resident[static_cast<std::size_t>(owner)].value;
}

}  // namespace

TEST_CASE("fully sharded data parallelism gathers twice and scatters once per micro-batch: 1.5 times DDP") {
  for (DataParallelKind kind : {DataParallelKind::zero3, DataParallelKind::fsdp}) {
    BuiltStep t = sharded(kind, 8);
    t.stack.fsdp_reduce_type = DataType::bf16;
    const StepProgram program = t.build();
    const std::vector<Collective> gathers = collectives(program, "parameters");
    const std::vector<Collective> scatters = collectives(program, "gradients");
    // The root unit (embedding, head, final norm) stays gathered between forward and backward.
    const double root = 2 * 128256.0 * 4096 + 4096;
    CHECK(bytes_of(gathers) == 2 * (2 * llama_8b - root));
    CHECK(bytes_of(scatters) == 2 * llama_8b);
    for (const Collective& c : gathers) CHECK(c.kind == CollectiveKind::all_gather);
    for (const Collective& c : scatters) CHECK(c.kind == CollectiveKind::reduce_scatter);
    // An all-reduce is a scatter and a gather: DDP moves 2 x 2 bytes per parameter.
    CHECK((bytes_of(gathers) + bytes_of(scatters)) / (4 * llama_8b) == Approx(1.5).epsilon(0.05));
    CHECK(violations(program).empty());
  }
}

TEST_CASE("units are gathered and scattered every micro-batch unless told otherwise") {
  BuiltStep t = sharded(DataParallelKind::fsdp, 8, 4);
  const std::size_t gathers = collectives(sharded(DataParallelKind::fsdp, 8).build(), "parameters").size();
  const std::size_t scatters = collectives(sharded(DataParallelKind::fsdp, 8).build(), "gradients").size();
  CHECK(collectives(t.build(), "parameters").size() == 4 * gathers);
  CHECK(collectives(t.build(), "gradients").size() == 4 * scatters);
  t.plan.sharding.sync_every_micro_batch = false;
  CHECK(collectives(t.build(), "gradients").size() == scatters);
  // … whose unsharded fp32 gradients then stay: 4 B per parameter beside the 4 B shards.
  CHECK(resident(t.build(), MemoryOwner::gradients) == 4 * llama_8b / 8 + 4 * llama_8b);
  t.plan.sharding.reshard_after_forward = false;
  CHECK(collectives(t.build(), "parameters").size() == 4 * (gathers - 32));  // no gathers in the backward
}

TEST_CASE("FSDP keeps 16 bytes per parameter, divided by the ranks of a shard group") {
  for (int ranks : {8, 64}) {
    const StepProgram program = sharded(DataParallelKind::fsdp, ranks).build();
    CHECK(resident(program, MemoryOwner::weights) == 4 * llama_8b / ranks);
    CHECK(resident(program, MemoryOwner::gradients) == 4 * llama_8b / ranks);
    CHECK(resident(program, MemoryOwner::optimizer_states) == 8 * llama_8b / ranks);
  }
  BuiltStep hybrid = sharded(DataParallelKind::hsdp, 64);
  hybrid.plan.sharding.group = 8;
  CHECK(resident(hybrid.build(), MemoryOwner::optimizer_states) == llama_8b);
}

TEST_CASE("hybrid sharding sums the gradient shards over its replicas") {
  BuiltStep t = sharded(DataParallelKind::hsdp, 64);
  t.plan.sharding.group = 8;
  double scattered = 0, summed = 0;
  for (const Collective& c : collectives(t.build(), "gradients"))
    (c.kind == CollectiveKind::reduce_scatter ? scattered : summed) += c.bytes.value;
  CHECK(scattered == 4 * llama_8b);
  CHECK(summed == 4 * llama_8b / 8);
}

TEST_CASE("ZeRO++ gathers int8 weights and exchanges int4 gradients") {
  BuiltStep t = sharded(DataParallelKind::zero3, 8);
  t.stack.fsdp_reduce_type = DataType::bf16;
  const double gathers = bytes_of(collectives(t.build(), "parameters"));
  const double reductions = bytes_of(collectives(t.build(), "gradients"));
  t.plan.sharding.quantized_weights = true;
  t.plan.sharding.quantized_gradients = true;
  CHECK(bytes_of(collectives(t.build(), "parameters")) == gathers / 2);
  CHECK(bytes_of(collectives(t.build(), "gradients")) == reductions / 4);
  CHECK(collectives(t.build(), "gradients").front().kind == CollectiveKind::all_to_all);
}

TEST_CASE("ZeRO-2 reduces in every micro-batch, ZeRO-1 once") {
  const double once = bytes_of(collectives(sharded(DataParallelKind::zero1, 8, 4).build(), "gradients"));
  CHECK(once == 4 * llama_8b);
  CHECK(bytes_of(collectives(sharded(DataParallelKind::zero2, 8, 4).build(), "gradients")) == 4 * once);
  // 2 Psi + (4 + 12) Psi / N
  const StepProgram program = sharded(DataParallelKind::zero2, 8).build();
  CHECK(resident(program, MemoryOwner::weights) == 2 * llama_8b);
  CHECK(resident(program, MemoryOwner::gradients) == 4 * llama_8b / 8);
  CHECK(resident(program, MemoryOwner::optimizer_states) == 12 * llama_8b / 8);
}

TEST_CASE("an offloaded optimizer leaves the GPU, moves gradients out and parameters back") {
  BuiltStep t = sharded(DataParallelKind::zero1, 8);
  t.plan.optimizer_offload = OffloadTarget::cpu;
  t.plan.optimizer_offload_fraction = 0.5;
  const StepProgram program = t.build();
  CHECK(resident(program, MemoryOwner::optimizer_states) == 6 * llama_8b / 8);
  double copied = 0;
  for (const Work& w : program.works)
    if (const auto* copy = std::get_if<HostCopy>(&w)) copied += copy->bytes.value;
  CHECK(copied == (4 + 2) * 0.5 * llama_8b / 8);
}

TEST_CASE("offloaded activations leave after their forward and come back before their backward") {
  BuiltStep t = sharded(DataParallelKind::zero1, 8);
  t.plan.activation_offload_layers = 5;
  const StepProgram program = t.build();
  int out = 0, back = 0;
  for (const Instruction& i : program.kinds.front().instructions) {
    out += i.stream == Stream::to_host ? 1 : 0;
    back += i.stream == Stream::from_host ? 1 : 0;
  }
  CHECK(out == 5);
  CHECK(back == 5);
  CHECK(violations(program).empty());
}

TEST_CASE("several instances of the distributed optimizer each hold all states and sum their gradient shards") {
  BuiltStep t = sharded(DataParallelKind::zero1, 8);
  t.plan.sharding.group = 4;
  const StepProgram program = t.build();
  CHECK(resident(program, MemoryOwner::optimizer_states) == 12 * llama_8b / 4);
  CHECK(bytes_of(collectives(program, "gradients")) == 4 * llama_8b);
  CHECK(bytes_of(collectives(program, "gradients of other instances")) == Approx(4 * llama_8b / 4));
  t.plan.sharding.group = 0;
  CHECK(collectives(t.build(), "gradients of other instances").empty());
}

TEST_CASE("a smaller group for backward gathers holds a second copy of the layers' parameters") {
  BuiltStep t = sharded(DataParallelKind::zero3, 64);
  const double before = resident(t.build(), MemoryOwner::weights);
  const double layers = 32 * 218112000.0;
  t.plan.sharding.secondary_group = 8;
  CHECK(resident(t.build(), MemoryOwner::weights) - before == 2 * layers / 8);
  t.plan.sharding.secondary_group = 0;
  t.plan.sharding.reshard_group = 16;  // FSDP2's integer
  CHECK(resident(t.build(), MemoryOwner::weights) - before == 2 * layers / 16);
}

TEST_CASE("a given bucket size decides how often gradients are reduced") {
  BuiltStep t = sharded(DataParallelKind::zero1, 8);
  const std::size_t usual = collectives(t.build(), "gradients").size();
  t.plan.sharding.reduce_bucket = 1000000000;
  CHECK(collectives(t.build(), "gradients").size() < usual);
  CHECK(bytes_of(collectives(t.build(), "gradients")) == 4 * llama_8b);
}

TEST_CASE("checkpoints further apart than a chunk is long are as far apart as it is") {
  BuiltStep t = sharded(DataParallelKind::zero1, 8);
  t.plan.recompute = Recompute::full;
  t.plan.recompute_layers = 32;
  const StepProgram whole = t.build();
  t.plan.recompute_layers = 1000;
  CHECK(t.build().memory_changes.size() == whole.memory_changes.size());
  for (std::size_t m = 0; m < whole.memory_changes.size(); ++m)
    for (std::size_t c = 0; c < whole.memory_changes[m].size(); ++c)
      CHECK(t.build().memory_changes[m][c].at_start == whole.memory_changes[m][c].at_start);
}
