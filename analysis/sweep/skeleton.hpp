// Instructions without their works' prices: shared by all plans whose outlines are alike, compiled once.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "sim/engine/compiled_step.hpp"
#include "sim/engine/pricing.hpp"
#include "sim/program/build_step.hpp"

namespace trainyard {

struct Skeleton {
  CompiledStep step;
  int micro_batches = 0;  // of the program that was compiled
  int group = 1;          // micro-batches of a cycle of the steady state
  // [kind] indices into StepProgram::memory_changes in the order of the instructions.
  std::vector<std::vector<std::int32_t>> memory;
};

std::vector<std::vector<std::int32_t>> memory_orders(const StepProgram& program);

// How many micro-batches the outline and the first try at a skeleton of a plan have; `all` = the plan's.
struct ShortStep {
  int outline = 1;
  int skeleton = 1;
  int group = 1;
};
ShortStep shortened(const Plan& resolved, int all);

// The plan with fewer micro-batches.
Plan with_micro_batches(const Plan& resolved, int micro_batches);

// For any number of threads.
class Skeletons {
 public:
  // The skeleton of the program with `micro_batches` micro-batches whose outline this is; nullptr where the outline's
  // works are not numbered as the whole program's (then the program has to be built for every plan). `inputs` are the
  // whole plan's.
  std::shared_ptr<const Skeleton> of(const StepProgram& outline, const StepInputs& inputs, int micro_batches,
                                     int group);

 private:
  struct Entry;
  using Entries = std::vector<std::shared_ptr<Entry>>;
  Entries with_hash(std::uint64_t hash);
  void keep(std::shared_ptr<Entry> entry);

  std::mutex mutex_;
  Entries known_;
  std::size_t kept_ = 0;     // instructions
  std::uint64_t clock_ = 0;  // counts uses
};

}  // namespace trainyard
