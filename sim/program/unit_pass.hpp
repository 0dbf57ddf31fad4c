// Passes layer by layer: sharded parameters are gathered ahead of each unit and its gradients scattered behind it
// (FSDP, ZeRO-3, HSDP, ZeRO++), activations wait in host memory (CPU offload). A unit is a layer; embedding, head and
// what else is no layer form the root unit, gathered for as long as a micro-batch needs it.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "sim/program/gradient_sync.hpp"
#include "sim/program/stage_context.hpp"

namespace trainyard {

class UnitPasses {
 public:
  UnitPasses(const StageContext& context, GradientSync& sync);

  static bool needed(const Plan& plan) { return gathers_units(plan) || plan.activation_offload_layers > 0; }
  void begin_stage();
  // Bytes held all the time beside the shards: unsharded gradients that accumulate without synchronisation.
  Bytes unsharded_gradients() const;
  // Layers' parameters in the smaller group that backward gathers stay in (ZeRO++ hpZ, FSDP2's reshard number).
  Bytes secondary_shards() const;

  // All compute of a pass. The first instruction waits for `received`; `gathers_input`: it starts with the gather of a
  // scattered pipeline message. `last`: the chunk's last pass of this kind in the step.
  void emit(const ModelChunk& chunk, Pass pass, PassOf of, int received, bool gathers_input, bool last);

 private:
  // What two passes with the same instructions agree in.
  struct Likeness {
    const ModelChunk* chunk;
    Pass pass;
    bool held, left, reduces, received, started, gathers_input;
    friend auto operator<=>(const Likeness&, const Likeness&) = default;
  };
  struct Known {
    std::optional<Passage> passage;
    std::vector<int> reductions;  // instructions in it that the step's end waits for
  };
  void put_together(const ModelChunk& chunk, Pass pass, PassOf of, int received, bool gathers_input, bool reduce);

  // One piece of compute of a pass and the transfers that belong to it.
  struct Piece {
    int part = 0;
    bool root = false;      // needs the root unit
    bool gathered = false;  // its own unit is gathered for it
    bool offloaded = false;
    int gather = -1;  // instruction it waits for
    int fetch = -1;
  };
  std::vector<Piece> pieces_of(const ModelChunk& chunk, Pass pass, bool held) const;
  bool reshards() const;
  bool reduces(Pass pass, bool last) const;
  double unit_parameters(const ModelChunk& chunk, const Piece& piece, bool root, bool expert) const;

  // Emits the gather of a unit; -1 where nothing is gathered. `works` receives what runs beside compute.
  int emit_gather(double dense, double experts, bool backward, int after, std::vector<int>& works);
  void emit_reduction(double dense, double experts, std::vector<int>& works);
  int path(PathKind kind);
  struct Gather {
    int work = -1;
    int memory = -1;  // change
  };
  const Gather& gather(double parameters, bool expert, bool backward);
  int copy_work(Bytes bytes, int part);
  int piece_memory(const ModelChunk& chunk, const Piece& piece, Pass pass, bool frees_unit, bool frees_root,
                   bool reduces);
  int block_work(const ComputeRun& run, int part, Pass pass);
  int cached(std::vector<MemoryChange> changes);

  const StageContext& context_;
  GradientSync& sync_;
  std::map<std::tuple<double, bool, bool>, Gather> gathers_;  // by (parameters, expert, backward)
  std::map<std::tuple<double, bool, int>, int> reductions_;   // (parameters, expert, step of the reduction) -> work
  int gather_input_ = -1;                                     // work of the gather of a scattered pipeline message
  std::map<int, int> copies_;                                 // part -> work
  std::map<std::vector<double>, int> memories_;
  // (chunk, part, pass, frees its unit, frees the root, reduces) -> memory change
  std::map<std::tuple<const ModelChunk*, int, Pass, bool, bool, bool>, int> piece_memories_;
  std::map<std::tuple<int, Pass, std::vector<int>>, int> blocks_;  // (part, pass, beside) -> work
  std::map<Likeness, Known> known_;
  std::map<const ModelChunk*, int> in_flight_;  // micro-batches between forward and backward
};

}  // namespace trainyard
