#include "sim/engine/rank_lists.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sim/engine/rank_engine.hpp"

namespace trainyard {
namespace {

// Operators of a work, at least one.
double kernels_of(const Work& work, const std::vector<Segment>& segments) {
  const auto* block = std::get_if<Block>(&work);
  if (block == nullptr) return 1;
  double count = 0;
  for (const std::vector<SegmentUse>* uses : {&block->uses, &block->partner})
    for (const SegmentUse& use : *uses)
      count += use.repeat * static_cast<double>(segments[static_cast<std::size_t>(use.segment)].steps.size());
  return std::max(1.0, count);
}

std::uint64_t hashed(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}
double uniform(std::uint64_t x) { return (static_cast<double>(hashed(x) >> 11) + 0.5) * 0x1p-53; }

}  // namespace

RankLists::RankLists(const Cast& cast) {
  const StepProgram& program = *cast.program;
  std::vector<bool> occupies;
  for (const WorkTransfer& t : cast.traffic->works) occupies.push_back(t.channels > 0);
  for (const Work& work : program.works) kernels_.push_back(kernels_of(work, program.segments));
  lists_.resize(program.kinds.size());
  followed_.resize(program.kinds.size());
  for (std::size_t k = 0; k < program.kinds.size(); ++k) {
    const std::vector<Instruction>& all = program.kinds[k].instructions;
    for (std::size_t i = 0; i < all.size(); ++i)
      lists_[k][static_cast<std::size_t>(all[i].stream)].push_back(static_cast<std::int32_t>(i));
    std::vector<std::size_t>& used = used_.emplace_back();
    for (std::size_t s = 0; s < streams; ++s)
      if (!lists_[k][s].empty()) used.push_back(s);
    if (cast.compute_contention) find_followed(cast, k, occupies);
  }
}

// A kernel can run beside a communication kernel unless the one waits for the other: in the order of the compute
// stream, those after the last one that it waits for and before the first one that waits for it.
void RankLists::find_followed(const Cast& cast, std::size_t k, const std::vector<bool>& occupies) {
  const RankKind& kind = cast.program->kinds[k];
  const std::size_t n = kind.instructions.size();
  constexpr std::size_t compute = static_cast<std::size_t>(Stream::compute);
  // Latest compute instruction that precedes, in every order, the end of each instruction.
  std::vector<std::int32_t> after(n, -1), last_of_stream(streams, -1);
  std::vector<std::int32_t> waiter(n, static_cast<std::int32_t>(n));  // first compute instruction that waits for it
  for (std::size_t i = 0; i < n; ++i) {
    const Instruction& in = kind.instructions[i];
    const auto s = static_cast<std::size_t>(in.stream);
    const auto self = static_cast<std::int32_t>(i);
    const auto follows = [&](std::int32_t d) {
      after[i] = std::max(after[i], kind.instructions[static_cast<std::size_t>(d)].stream == Stream::compute
                                        ? d
                                        : after[static_cast<std::size_t>(d)]);
      if (s == compute) waiter[static_cast<std::size_t>(d)] = std::min(waiter[static_cast<std::size_t>(d)], self);
    };
    if (last_of_stream[s] >= 0) follows(last_of_stream[s]);
    for (std::int32_t a = 0; a < in.after_count; ++a)
      follows(kind.after[static_cast<std::size_t>(in.after_begin + a)].value);
    last_of_stream[s] = self;
  }
  std::vector<std::int32_t> change(n + 1, 0);
  for (std::size_t i = 0; i < n; ++i) {
    if (!occupies[static_cast<std::size_t>(kind.instructions[i].work)]) continue;
    const std::int32_t from = after[i] + 1, to = waiter[i];
    if (from >= to) continue;
    ++change[static_cast<std::size_t>(from)];
    --change[static_cast<std::size_t>(to)];
  }
  std::vector<bool>& followed = followed_[k];
  followed.assign(n, false);
  std::int32_t beside = 0;
  for (std::size_t i = 0; i < n; ++i) {
    beside += change[i];
    followed[i] = beside > 0 && kind.instructions[i].stream == Stream::compute;
  }
}

double normal_draw(std::uint64_t seed, std::int32_t rank, std::int32_t instruction) {
  const std::uint64_t key =
      hashed(hashed(seed) ^ static_cast<std::uint64_t>(rank)) ^ (static_cast<std::uint64_t>(instruction) << 1);
  // Box and Muller 1958
  return std::sqrt(-2.0 * std::log(uniform(key))) * std::cos(2.0 * std::numbers::pi * uniform(key + 1));
}

}  // namespace trainyard
