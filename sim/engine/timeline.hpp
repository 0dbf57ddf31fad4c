// When every instruction of a step ran.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/base/ids.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

struct Span {
  Seconds start{};
  Seconds end{};
  friend bool operator==(const Span&, const Span&) = default;
};

struct Timeline {
  std::vector<std::vector<Span>> spans;  // [list][instruction], as StepProgram orders them
  Seconds makespan{};
  // What the lists are: empty = the program's kinds in order; else the ranks behind each.
  struct List {
    std::int32_t kind = 0;
    std::int32_t ranks = 1;
    RankId representative;
    double slowdown = 1.0;  // of its kernels
    friend bool operator==(const List&, const List&) = default;
  };
  std::vector<List> lists = {};
  std::vector<std::int32_t> list_of_rank = {};  // empty where lists are kinds
  friend bool operator==(const Timeline&, const Timeline&) = default;
};

// The kind of a list, and the first list of a kind.
inline std::size_t kind_of_list(const Timeline& timeline, std::size_t list) {
  return timeline.lists.empty() ? list : static_cast<std::size_t>(timeline.lists[list].kind);
}
inline std::size_t list_of_kind(const Timeline& timeline, std::size_t kind) {
  std::size_t list = 0;
  while (kind_of_list(timeline, list) != kind) ++list;
  return list;
}

}  // namespace trainyard
