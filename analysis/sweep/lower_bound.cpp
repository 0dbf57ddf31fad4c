#include "analysis/sweep/lower_bound.hpp"

#include <algorithm>
#include <map>

#include "analysis/memory_ledger.hpp"

namespace trainyard {
namespace {

struct StageTime {
  Seconds per_micro_batch{};  // all passes of all chunks
  Seconds first_forward{};    // of chunk 0
  Seconds last_backward{};
};

// Passes of one micro-batch of every chunk: those of the first micro-batch that the outline shows.
StageTime stage_time(const StepProgram& outline, const RankKind& kind, const std::vector<Seconds>& segments) {
  StageTime time;
  std::map<std::pair<int, Phase>, std::int32_t> shown;  // (chunk, phase) -> micro-batch
  for (const Instruction& i : kind.instructions) {
    if (i.stream != Stream::compute || i.micro_batch < 0) continue;
    if (shown.try_emplace({i.chunk, i.phase}, i.micro_batch).first->second != i.micro_batch) continue;
    const auto* block = std::get_if<Block>(&outline.works[static_cast<std::size_t>(i.work)]);
    if (block == nullptr || block->only_slowdown) continue;
    Seconds duration{};
    for (const SegmentUse& use : block->uses) duration += use.repeat * segments[static_cast<std::size_t>(use.segment)];
    time.per_micro_batch += duration;
    if (i.chunk == 0 && i.phase == Phase::forward) time.first_forward += duration;
    if (i.chunk == 0 && i.phase == Phase::backward) time.last_backward += duration;
  }
  return time;
}

// Activations that the forwards before a stage's first backward leave; of one chunk's first forward if `only_first`.
Bytes saved_before_backward(const StepProgram& outline, const RankKind& kind, const std::vector<int>& warm_up,
                            bool only_first) {
  Bytes saved{};
  std::vector<std::int32_t> shown(warm_up.size(), -1);  // micro-batch
  int first = -1;
  for (const Instruction& i : kind.instructions) {
    if (i.stream != Stream::compute || i.phase != Phase::forward || i.memory < 0) continue;
    const auto chunk = static_cast<std::size_t>(i.chunk);
    if (first < 0) first = i.chunk;
    if (shown[chunk] < 0) shown[chunk] = i.micro_batch;
    if (shown[chunk] != i.micro_batch) continue;
    const int forwards = only_first ? (i.chunk == first ? 1 : 0) : warm_up[chunk];
    for (const MemoryChange& c : outline.memory_changes[static_cast<std::size_t>(i.memory)])
      if (c.owner == MemoryOwner::activations) saved += static_cast<double>(forwards) * (c.at_start + c.at_end);
  }
  return saved;
}

bool runs_in_pairs(const StepProgram& outline) {
  return std::any_of(outline.kinds.begin(), outline.kinds.end(), [](const RankKind& k) { return !k.pairs.empty(); });
}

// Does every micro-batch enter by chunk 0 of the first stage, pass it on to chunk 0 of the next, and leave that way?
bool enters_by_first_chunks(const ScheduleRow& schedule, int stages, int chunks) {
  const PipelineShape shape{stages, chunks, 1, 0, false, {}};
  for (int s = 0; s < stages; ++s)
    if (schedule.place(shape, s, 0) != ChunkPlace{s, 0}) return false;
  return true;
}

}  // namespace

LeastMemory least_memory(const StepOutline& outline, const ScheduleRow& schedule, const Plan& plan,
                         const Profile& profile) {
  LeastMemory least;
  for (std::size_t k = 0; k < outline.program.kinds.size(); ++k) {
    const RankKind& kind = outline.program.kinds[k];
    Bytes resident{};
    for (const Bytes b : kind.resident) resident += b;
    Bytes peak = resident + profile.device.blas_workspace;
    // Copies to the host free activations on their own time.
    if (plan.activation_offload_layers == 0)
      peak += saved_before_backward(outline.program, kind, outline.warm_up[k], schedule.plans_ahead);
    least.peak = std::max(least.peak, peak);
    least.reserved = std::max(least.reserved, reserved_for(resident, peak, profile.stack));
  }
  return least;
}

std::vector<Seconds> compute_alone(const std::vector<SegmentTimes>& segments) {
  std::vector<Seconds> alone;
  for (const SegmentTimes& s : segments) alone.push_back(s.price.gemm + s.price.attention + s.price.memory_bound);
  return alone;
}

std::vector<Seconds> durations_of(const std::vector<SegmentTimes>& segments) {
  std::vector<Seconds> durations;
  for (const SegmentTimes& s : segments) durations.push_back(s.price.duration);
  return durations;
}

Seconds lower_bound(const StepProgram& outline, const ScheduleRow& schedule, const std::vector<Seconds>& segments,
                    int micro_batches) {
  if (schedule.copies > 1 || runs_in_pairs(outline)) return Seconds(0);
  int chunks = 1;
  for (const RankKind& kind : outline.kinds)
    for (const Instruction& i : kind.instructions) chunks = std::max(chunks, i.chunk + 1);
  const bool fills =
      !outline.steps_overlap && enters_by_first_chunks(schedule, static_cast<int>(outline.kinds.size()), chunks);
  Seconds bound{}, filled{}, drained{};
  for (const RankKind& kind : outline.kinds) {
    const StageTime time = stage_time(outline, kind, segments);
    bound = std::max(bound, filled + static_cast<double>(micro_batches) * time.per_micro_batch + drained);
    if (!fills) continue;
    filled += time.first_forward;
    if (!schedule.splits_backward) drained += time.last_backward;
  }
  return bound;
}

}  // namespace trainyard
