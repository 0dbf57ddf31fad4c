#include "sim/engine/steady_state.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace trainyard {
namespace {

// Where the cycles of one kind begin.
class Cycles {
 public:
  Cycles(const RankKind& kind, int group) : kind_(kind), group_(group) {
    std::int32_t next = 0;
    std::set<std::pair<int, Phase>> kinds_of_pass;
    for (const PairedForward& pair : kind.pairs) kinds_of_pass.insert({pair.chunk, Phase::forward});
    for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
      const Instruction& instruction = kind.instructions[i];
      if (instruction.stream != Stream::compute || instruction.micro_batch < 0) continue;
      kinds_of_pass.insert({instruction.chunk, instruction.phase});
      if (instruction.phase != Phase::backward) continue;
      if (instruction.micro_batch != next) continue;
      begin_.push_back(i);
      next += group;
    }
    passes_ = kinds_of_pass.size();
  }

  std::size_t begin(int cycle) const { return begin_[static_cast<std::size_t>(cycle)]; }
  std::size_t length(int cycle) const { return begin(cycle + 1) - begin(cycle); }
  int complete() const { return static_cast<int>(begin_.size()) - 1; }  // cycles whose end is known

  // Is the cycle the same instructions as the one before it, a group of micro-batches later?
  bool repeats(int cycle) const {
    if (cycle < 1 || length(cycle) != length(cycle - 1)) return false;
    const std::size_t distance = length(cycle - 1);
    for (std::size_t i = begin(cycle); i < begin(cycle + 1); ++i)
      if (!same(i - distance, i)) return false;
    return true;
  }

  // Every pass of every chunk for as many micro-batches as a group has.
  bool is_whole(int cycle) const {
    std::set<std::tuple<int, Phase, int>> seen;  // (chunk, phase, micro-batch)
    std::map<std::pair<int, Phase>, int> micro_batches;
    const auto see = [&](int chunk, Phase phase, int micro_batch) {
      if (seen.insert({chunk, phase, micro_batch}).second) ++micro_batches[{chunk, phase}];
    };
    for (std::size_t i = begin(cycle); i < begin(cycle + 1); ++i) {
      const Instruction& instruction = kind_.instructions[i];
      if (instruction.stream != Stream::compute || instruction.micro_batch < 0) continue;
      see(instruction.chunk, instruction.phase, instruction.micro_batch);
      if (const PairedForward* pair = paired_forward(kind_, InstructionId(static_cast<int>(i))))
        see(pair->chunk, Phase::forward, pair->micro_batch);
    }
    return micro_batches.size() == passes_ &&
           std::all_of(micro_batches.begin(), micro_batches.end(), [&](const auto& p) { return p.second == group_; });
  }

 private:
  bool same(std::size_t earlier, std::size_t later) const {
    const Instruction& a = kind_.instructions[earlier];
    const Instruction& b = kind_.instructions[later];
    if (a.work != b.work || a.stream != b.stream || a.phase != b.phase || a.chunk != b.chunk || a.memory != b.memory ||
        a.after_count != b.after_count)
      return false;
    if (b.micro_batch != (a.micro_batch < 0 ? a.micro_batch : a.micro_batch + group_)) return false;
    for (std::int32_t d = 0; d < a.after_count; ++d) {
      const std::size_t of_a = earlier - kind_.after[static_cast<std::size_t>(a.after_begin + d)].index();
      const std::size_t of_b = later - kind_.after[static_cast<std::size_t>(b.after_begin + d)].index();
      if (of_a != of_b) return false;
    }
    return true;
  }

  const RankKind& kind_;
  std::int32_t group_;
  std::vector<std::size_t> begin_;
  std::size_t passes_ = 0;  // kinds of pass: chunk and phase
};

}  // namespace

std::vector<SteadyPair> steady_pairs(const StepProgram& program, int group) {
  std::vector<Cycles> cycles;
  int last = program.micro_batches;
  for (const RankKind& kind : program.kinds) {
    cycles.emplace_back(kind, group);
    last = std::min(last, cycles.back().complete() - 1);
  }
  // The last cycle that repeats the ones before it on every stage.
  const auto repeats = [&](int cycle) {
    return std::all_of(cycles.begin(), cycles.end(), [&](const Cycles& c) {
      for (int back = 0; back < compared_cycles; ++back)
        if (!c.repeats(cycle - back)) return false;
      return c.is_whole(cycle);
    });
  };
  while (last >= compared_cycles && !repeats(last)) --last;
  std::vector<SteadyPair> pairs;
  if (last < compared_cycles) return pairs;
  for (std::size_t k = 0; k < cycles.size(); ++k) {
    const std::size_t distance = cycles[k].length(last);
    for (std::size_t i = cycles[k].begin(last - compared_cycles + 1); i < cycles[k].begin(last + 1); ++i)
      pairs.push_back({k, i - distance, i});
  }
  return pairs;
}

}  // namespace trainyard
