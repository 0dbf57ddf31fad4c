#include "sim/program/unit_pass.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace trainyard {
namespace {

constexpr double compute_bytes = 2.0;             // gathered parameters and unsharded gradients, 16 bit
constexpr double quantized_weight_bytes = 1;      // ZeRO++ qwZ: int8
constexpr double quantized_gradient_bytes = 0.5;  // ZeRO++ qgZ: int4

// Ranks that backward gathers stay in, where they are fewer than those of the forward's; 0 = they are not.
int backward_group(const Sharding& sharding) { return std::max(sharding.secondary_group, sharding.reshard_group); }

bool frees_activations(Pass pass) { return pass == Pass::backward || pass == Pass::backward_input; }

}  // namespace

UnitPasses::UnitPasses(const StageContext& context, GradientSync& sync) : context_(context), sync_(sync) {}

void UnitPasses::begin_stage() {
  gathers_.clear();  // paths differ by stage
  reductions_.clear();
  copies_.clear();
  blocks_.clear();
  in_flight_.clear();
  known_.clear();
  piece_memories_.clear();
  gather_input_ = -1;
}

Bytes UnitPasses::unsharded_gradients() const {
  const Plan& plan = context_.plan();
  if (!gathers_units(plan) || plan.sharding.sync_every_micro_batch || context_.shape.micro_batches == 1)
    return Bytes(0);
  return whole_bytes(bytes_per_element(unit_reduce_type(context_.plan(), *context_.in.stack)) *
                     stage_parameters(context_.model, context_.stage).total());
}

Bytes UnitPasses::secondary_shards() const {
  const int group = backward_group(context_.plan().sharding);
  if (!gathers_units(context_.plan()) || group <= 1) return Bytes(0);
  double parameters = 0;
  for (int c = 0; c < context_.shape.chunks; ++c)
    for (const PartUse& use : context_.chunk(c).parts) {
      const ModelPart& part = context_.model.parts[static_cast<std::size_t>(use.part)];
      if (part.layer) parameters += use.count * (part.dense_parameters + part.expert_parameters);
    }
  return whole_bytes(compute_bytes * parameters / group);
}

bool UnitPasses::reshards() const { return context_.plan().sharding.reshard_after_forward.value_or(true); }

bool UnitPasses::reduces(Pass pass, bool last) const {
  if (!gathers_units(context_.plan()) || !sync_.reduces()) return false;
  if (pass != Pass::backward && pass != Pass::backward_weight) return false;
  return last || context_.plan().sharding.sync_every_micro_batch;
}

// `held`: an earlier micro-batch still keeps what it gathered.
std::vector<UnitPasses::Piece> UnitPasses::pieces_of(const ModelChunk& chunk, Pass pass, bool held) const {
  const bool sharded = gathers_units(context_.plan()) && sync_.reduces();
  const bool needs_units = pass == Pass::forward ? reshards() || !held : pass != Pass::backward_weight && reshards();
  const bool gathers = sharded && needs_units;
  std::vector<Piece> pieces;
  int layer = 0;
  for (const PartUse& use : chunk.parts)
    for (int i = 0; i < use.count; ++i) {
      const ModelPart& part = context_.model.parts[static_cast<std::size_t>(use.part)];
      Piece piece;
      piece.part = use.part;
      piece.root = sharded && !part.layer;
      piece.gathered = gathers && part.layer;
      piece.offloaded = part.layer && layer++ < context_.plan().activation_offload_layers;
      pieces.push_back(piece);
    }
  if (pass != Pass::forward) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

double UnitPasses::unit_parameters(const ModelChunk& chunk, const Piece& piece, bool root, bool expert) const {
  const auto of = [&](int part) {
    const ModelPart& p = context_.model.parts[static_cast<std::size_t>(part)];
    return expert ? p.expert_parameters : p.dense_parameters;
  };
  if (!root) return of(piece.part);
  double sum = 0;
  for (const PartUse& use : chunk.parts)
    if (!context_.model.parts[static_cast<std::size_t>(use.part)].layer) sum += use.count * of(use.part);
  return sum;
}

int UnitPasses::path(PathKind kind) {
  return context_.writer.path({kind, context_.stage, context_.in.stack->single_rail_sharding});
}

const UnitPasses::Gather& UnitPasses::gather(double parameters, bool expert, bool backward) {
  const auto [known, added] = gathers_.try_emplace({parameters, expert, backward});
  if (!added) return known->second;
  const Sharding& sharding = context_.plan().sharding;
  const bool secondary = backward && backward_group(sharding) > 1;
  Collective c;
  c.axis = Axis::dp;
  c.kind = CollectiveKind::all_gather;
  const double bytes = sharding.quantized_weights ? quantized_weight_bytes : parameter_bytes(context_.plan());
  c.bytes = Bytes(bytes * parameters);
  c.path = path(expert ? PathKind::expert_gradients : secondary ? PathKind::secondary : PathKind::shard);
  c.group = expert ? CommGroup::expert_gradients : secondary ? CommGroup::secondary : CommGroup::shard;
  c.label = expert ? "expert parameters" : "parameters";
  c.slowdown = context_.in.stack->gather_efficiency > 0 ? 1.0 / context_.in.stack->gather_efficiency : 1.0;
  const Bytes unsharded = whole_bytes(compute_bytes * parameters);
  known->second.work = context_.writer.work(c);
  known->second.memory = cached({{MemoryOwner::weights, unsharded, Bytes(0)}});
  return known->second;
}

int UnitPasses::emit_gather(double dense, double experts, bool backward, int after, std::vector<int>& works) {
  StageWriter& writer = context_.writer;
  int last = -1;
  const auto one = [&](double parameters, bool expert) {
    if (parameters <= 0) return;
    const Gather& known = gather(parameters, expert, backward);
    works.push_back(known.work);
    writer.wait(after);
    last = writer.emit(known.work, Stream::dp, Phase::parameter_gather, {-1, 0}, known.memory);
  };
  one(dense, false);
  if (context_.in.model->moe && context_.in.expert_replicas() > 1) one(experts, true);
  return last;
}

void UnitPasses::emit_reduction(double dense, double experts, std::vector<int>& works) {
  StageWriter& writer = context_.writer;
  const StackProfile& stack = *context_.in.stack;
  const Sharding& sharding = context_.plan().sharding;
  const double element = bytes_per_element(unit_reduce_type(context_.plan(), stack));
  const auto one = [&](double parameters, bool expert, int step, Collective c, double bytes) {
    const auto [known, added] = reductions_.try_emplace({parameters, expert, step}, -1);
    if (added) {
      c.axis = Axis::dp;
      c.bytes = Bytes(bytes);
      c.label = expert ? "expert gradients" : "gradients";
      c.slowdown = stack.gather_efficiency > 0 ? 1.0 / stack.gather_efficiency : 1.0;
      known->second = writer.work(c);
    }
    works.push_back(known->second);
    writer.wait_for_compute();
    sync_.add_pending(writer.emit(known->second, Stream::dp, Phase::gradient_sync, {-1, 0}));
  };
  Collective scatter;
  scatter.kind = sharding.quantized_gradients ? CollectiveKind::all_to_all : CollectiveKind::reduce_scatter;
  const double wire = sharding.quantized_gradients ? quantized_gradient_bytes : element;
  scatter.path = path(PathKind::shard);
  scatter.group = CommGroup::shard;
  if (dense > 0) one(dense, false, 0, scatter, wire * dense);
  if (dense > 0 && context_.in.paths->shard_group < context_.in.gradient_ranks()) {
    Collective replicas;
    replicas.kind = CollectiveKind::all_reduce;
    replicas.path = path(PathKind::replicas);
    replicas.group = CommGroup::replicas;
    one(dense, false, 1, replicas, element * dense / context_.in.paths->shard_group);
  }
  if (experts > 0 && context_.in.expert_replicas() > 1) {
    scatter.path = path(PathKind::expert_gradients);
    scatter.group = CommGroup::expert_gradients;
    one(experts, true, 0, scatter, wire * experts);
  }
}

int UnitPasses::copy_work(Bytes bytes, int part) {
  const auto [known, added] = copies_.try_emplace(part, -1);
  if (added) known->second = context_.writer.work(HostCopy{bytes, context_.writer.path(PathKind::host), "activations"});
  return known->second;
}

int UnitPasses::cached(std::vector<MemoryChange> changes) {
  std::vector<double> key;
  for (const MemoryChange& c : changes)
    key.insert(key.end(), {static_cast<double>(c.owner), c.at_start.value, c.at_end.value});
  const auto [known, added] = memories_.try_emplace(std::move(key), -1);
  if (added) known->second = context_.writer.memory(std::move(changes));
  return known->second;
}

// What a piece saves and frees itself, the parameters it was gathered, and the gradients it leaves until they are
// reduced.
int UnitPasses::piece_memory(const ModelChunk& chunk, const Piece& piece, Pass pass, bool frees_unit, bool frees_root,
                             bool reduces) {
  const auto known = piece_memories_.find({&chunk, piece.part, pass, frees_unit, frees_root, reduces});
  if (known != piece_memories_.end()) return known->second;
  const ModelPart& part = context_.model.parts[static_cast<std::size_t>(piece.part)];
  const MemoryEffect& own = part.memory[static_cast<std::size_t>(pass)];
  std::vector<MemoryChange> changes = {{MemoryOwner::activations, own.at_start, own.at_end},
                                       {MemoryOwner::temporary, own.temporary, -own.temporary}};
  const auto unsharded = [&](bool root) {
    double bytes = whole_bytes(compute_bytes * unit_parameters(chunk, piece, root, false)).value;
    if (context_.in.expert_replicas() > 1 && context_.in.model->moe)
      bytes += whole_bytes(compute_bytes * unit_parameters(chunk, piece, root, true)).value;
    return Bytes(bytes);
  };
  if (frees_unit) changes.push_back({MemoryOwner::weights, Bytes(0), -unsharded(false)});
  if (frees_root) changes.push_back({MemoryOwner::weights, Bytes(0), -unsharded(true)});
  if (reduces) {
    // The gradient in 16 bit, and the copy in the type of the reduction.
    const double element = bytes_per_element(unit_reduce_type(context_.plan(), *context_.in.stack));
    const Bytes gradient = whole_bytes((compute_bytes + (element > compute_bytes ? element : 0.0)) *
                                       (part.dense_parameters + part.expert_parameters));
    changes.push_back({MemoryOwner::gradients, gradient, -gradient});
  }
  return piece_memories_[{&chunk, piece.part, pass, frees_unit, frees_root, reduces}] = cached(std::move(changes));
}

int UnitPasses::block_work(const ComputeRun& run, int part, Pass pass) {
  const auto [known, added] = blocks_.try_emplace({part, pass, run.beside}, -1);
  if (added) known->second = context_.writer.work(Block{{run.uses.begin(), run.uses.end()}, false, run.beside, {}});
  return known->second;
}

void UnitPasses::emit(const ModelChunk& chunk, Pass pass, PassOf of, int received, bool gathers_input, bool last) {
  StageWriter& writer = context_.writer;
  const int before = in_flight_[&chunk];
  const int after = before + (pass == Pass::forward ? 1 : 0) - (frees_activations(pass) ? 1 : 0);
  const StageWriter::Mark mark = writer.mark(received);
  const bool reduce = reduces(pass, last);
  const Likeness likeness{&chunk, pass, before > 0, after > 0, reduce, received >= 0, mark.start >= 0, gathers_input};
  const auto known = known_.find(likeness);
  if (known != known_.end() && known->second.passage) {
    in_flight_[&chunk] = after;
    writer.repeat(*known->second.passage, mark, of);
    for (const int id : known->second.reductions) sync_.add_pending(mark.first + id);
    return;
  }
  const std::size_t pending = sync_.pending().size();
  put_together(chunk, pass, of, received, gathers_input, reduce);
  if (known != known_.end()) return;
  Known& made = known_[likeness];
  made.passage = writer.passage_since(mark);
  for (std::size_t i = pending; i < sync_.pending().size(); ++i)
    made.reductions.push_back(sync_.pending()[i] - mark.first);
}

void UnitPasses::put_together(const ModelChunk& chunk, Pass pass, PassOf of, int received, bool gathers_input,
                              bool reduce) {
  StageWriter& writer = context_.writer;
  const bool sharded = gathers_units(context_.plan()) && sync_.reduces();
  const bool forward = pass == Pass::forward;
  const bool frees = frees_activations(pass);
  int& in_flight = in_flight_[&chunk];
  const bool held = in_flight > 0;
  if (forward) ++in_flight;
  if (frees) --in_flight;
  std::vector<Piece> pieces = pieces_of(chunk, pass, held);
  const bool has_root = std::any_of(pieces.begin(), pieces.end(), [](const Piece& p) { return p.root; });
  const std::size_t ahead = context_.overlaps.param_gather
                                ? static_cast<std::size_t>(std::max(0, context_.plan().sharding.prefetch_units))
                                : 0;
  std::vector<int> gather_works, reduce_works;  // in flight beside the next piece
  const int start = writer.last_compute();
  int root = -1;
  if (has_root && forward && !held)
    root = emit_gather(unit_parameters(chunk, pieces.front(), true, false),
                       unit_parameters(chunk, pieces.front(), true, true), false, start, gather_works);
  std::vector<int> compute(pieces.size(), -1), to_host(pieces.size(), -1);
  int reduced = -1;  // a reduction that the next piece waits for
  std::size_t requested = 0;
  // A unit is gathered once the unit before its predecessors is done: at most `ahead` + 1 are unsharded.
  const auto request_until = [&](std::size_t end) {
    for (; requested < std::min(end, pieces.size()); ++requested) {
      Piece& p = pieces[requested];
      const int after = requested > ahead ? compute[requested - 1 - ahead] : start;
      if (p.gathered)
        p.gather = emit_gather(unit_parameters(chunk, p, false, false), unit_parameters(chunk, p, false, true),
                               !forward, after, gather_works);
      if (!p.offloaded || !frees) continue;
      const Bytes saved = context_.model.parts[static_cast<std::size_t>(p.part)].saved;
      writer.wait(after);
      p.fetch = writer.emit(copy_work(saved, p.part), Stream::from_host, Phase::offload, of,
                            cached({{MemoryOwner::activations, saved, Bytes(0)}}));
    }
  };
  request_until(ahead + 1);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Piece& p = pieces[i];
    if (i > 0) gather_works.clear();
    request_until(i + ahead + 1);
    if (i == 0) writer.wait(received);
    if (i == 0 && gathers_input) {
      const std::array<SegmentUse, 1> gather = {{{context_.model.gather_input, 1}}};
      if (gather_input_ < 0) gather_input_ = writer.work(Block{{gather.begin(), gather.end()}, false, {}, {}});
      writer.emit_compute({gather, -1, gather_input_, false, {}}, phase_of(pass), of);
    }
    if (p.root) writer.wait(root);
    writer.wait(p.gather);
    writer.wait(p.fetch);
    writer.wait(std::exchange(reduced, -1));
    // Double buffer: the copy of the layer before the last must have left.
    if (i >= 2) writer.wait(to_host[i - 2]);
    const ModelPart& part = context_.model.parts[static_cast<std::size_t>(p.part)];
    const bool parameters = part.dense_parameters + part.expert_parameters > 0;
    const bool frees_unit =
        sharded && part.layer && ((forward && reshards()) || (frees && (reshards() || in_flight == 0)));
    const bool frees_root = sharded && has_root && frees && in_flight == 0 && i + 1 == pieces.size();
    ComputeRun run;
    const std::vector<SegmentUse> uses = context_.model.uses({{p.part, 1}}, pass);
    run.uses = uses;
    run.memory = piece_memory(chunk, p, pass, frees_unit, frees_root, reduce && parameters);
    run.beside = gather_works;
    run.beside.insert(run.beside.end(), reduce_works.begin(), reduce_works.end());
    run.cached_work = block_work(run, p.part, pass);
    writer.emit_compute(run, phase_of(pass), of);
    compute[i] = writer.last_compute();
    reduce_works.clear();
    if (reduce && parameters) emit_reduction(part.dense_parameters, part.expert_parameters, reduce_works);
    if (reduce && !context_.overlaps.grad_reduce) reduced = sync_.last_pending();
    if (!p.offloaded || !forward) continue;
    writer.wait_for_compute();
    to_host[i] = writer.emit(copy_work(part.saved, p.part), Stream::to_host, Phase::offload, of,
                             cached({{MemoryOwner::activations, Bytes(0), -part.saved}}));
  }
}

}  // namespace trainyard
