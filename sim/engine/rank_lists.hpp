// What the rank engine knows of a program before it runs: the instructions of every stream, and the kernels that a
// communication kernel may run beside.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/program/step_program.hpp"

namespace trainyard {

struct Cast;

using StreamLists = std::array<std::vector<std::int32_t>, streams>;  // instructions in order
using StreamPositions = std::array<std::int32_t, streams>;           // next entry of each list

class RankLists {
 public:
  explicit RankLists(const Cast& cast);
  const StreamLists& of_kind(std::int32_t kind) const { return lists_[static_cast<std::size_t>(kind)]; }
  const std::vector<std::size_t>& streams_of(std::int32_t kind) const {  // those that it uses
    return used_[static_cast<std::size_t>(kind)];
  }
  // May a communication kernel that occupies multiprocessors run beside this one?
  bool followed(std::int32_t kind, std::int32_t instruction) const {
    const std::vector<bool>& all = followed_[static_cast<std::size_t>(kind)];
    return !all.empty() && all[static_cast<std::size_t>(instruction)];
  }
  double kernels(std::int32_t work) const { return kernels_[static_cast<std::size_t>(work)]; }  // >= 1

 private:
  void find_followed(const Cast& cast, std::size_t kind, const std::vector<bool>& occupies);

  std::vector<StreamLists> lists_;  // [kind]
  std::vector<std::vector<std::size_t>> used_;
  std::vector<std::vector<bool>> followed_;  // [kind][instruction]
  std::vector<double> kernels_;              // [work]
};

// Standard normal, a function of its arguments alone.
double normal_draw(std::uint64_t seed, std::int32_t rank, std::int32_t instruction);

}  // namespace trainyard
