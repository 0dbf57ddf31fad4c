// How the space of a sweep is cut into batches. Depends on the sweep alone, so that every thread, shard and re-run cuts
// alike: about plans_per_batch plans each, fewer where that gives less than least_batches, more where it gives more
// than most_batches. A batch is several whole grids, or an equal part of one grid: what evaluation works out per grid
// is worked out as seldom as possible.
#pragma once

#include <cstdint>

#include "analysis/sweep/sweep.hpp"

namespace trainyard {

inline constexpr std::int64_t plans_per_batch = 512;  // 10 ms to 1 s at 20 us to 2 ms per plan
inline constexpr std::int64_t least_batches = 48;     // so that threads and shards end together, if there are plans
inline constexpr std::int64_t most_batches = 20'000;  // a store lists its batches, and each is a transaction

// Structures [first, last).
struct BatchRange {
  StructureIndex first = 0;
  StructureIndex last = 0;
  std::int64_t structures() const { return last - first; }
  friend bool operator==(const BatchRange&, const BatchRange&) = default;
};

std::int64_t batch_count(const PlanSpace& space);
BatchRange batch_range(const PlanSpace& space, std::int64_t batch);  // 0 <= batch < batch_count

}  // namespace trainyard
