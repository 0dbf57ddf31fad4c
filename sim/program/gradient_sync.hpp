// Data-parallel traffic of a stage: gradients when they are ready, parameters before they are used, and what ends a
// step (replicated and tied gradients, the norm, the optimizer, its offload).
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "sim/program/stage_context.hpp"

namespace trainyard {

class GradientSync {
 public:
  explicit GradientSync(const StageContext& context) : context_(context) {}

  void begin_stage();
  bool reduces() const { return context_.in.gradient_ranks() > 1; }
  bool shards_optimizer() const;   // ZeRO-1 or 2: reduce-scatter, then gather of the updated parameters
  bool every_micro_batch() const;  // ZeRO-2 keeps gradients partitioned, so that every backward reduces
  // Does this stage reduce bucket by bucket under its last backward?
  bool by_bucket() const;

  // After all compute written so far.
  void emit(double dense, double experts);
  bool any_emitted() const { return !pending_.empty(); }
  // Gathers of a chunk bucket by bucket, in forward order, after nothing; the last instruction of each.
  std::vector<int> emit_parameter_gathers(const ModelChunk& chunk);
  // Reductions of sharded units, which the step's end must wait for as well.
  void add_pending(int id) { pending_.push_back(id); }
  const std::vector<int>& pending() const { return pending_; }
  int last_pending() const { return pending_.empty() ? -1 : pending_.back(); }

  void emit_step_end(int last_send);

 private:
  void sum_over_instances(double dense);
  CommGroup gradient_group(bool expert) const;
  Collective reduction(double parameters, bool expert) const;
  int reduction_work(double parameters, bool expert);
  Collective gather(double parameters, bool expert) const;
  int emit_gather(double dense, double experts);
  template <class Join>
  void emit_replicated_gradients(Join&& join);
  template <class Join>
  void emit_tied_embedding(Join&& join);
  template <class Join>
  void emit_mirrored(Join&& join);
  template <class Join>
  void emit_optimizer(Join&& join);

  const StageContext& context_;
  StageParameters parameters_;
  int dense_path_ = 0, expert_path_ = 0, replica_path_ = 0;
  std::map<std::pair<double, bool>, int> reductions_;  // (parameters, expert) -> work
  std::map<double, int> sums_;                         // (parameters) -> work, over instances
  std::vector<int> pending_;                           // reductions that the step's end waits for
};

}  // namespace trainyard
