#include "analysis/sweep/batches.hpp"

#include <algorithm>

namespace trainyard {
namespace {

std::int64_t quotient_up(std::int64_t a, std::int64_t b) { return a / b + (a % b == 0 ? 0 : 1); }

// Either `grids` whole grids per batch, or `parts` batches per grid; the other is 1.
struct Cut {
  std::int64_t grids = 1;
  std::int64_t parts = 1;
};

Cut cut_of(const PlanSpace& space) {
  const std::int64_t fewest = quotient_up(space.structures(), most_batches);
  const std::int64_t most = std::max(fewest, space.structures() / least_batches);
  const std::int64_t wanted = std::clamp<std::int64_t>(plans_per_batch / space.variants(), fewest, most);
  const std::int64_t structures = std::max<std::int64_t>(wanted, 1);
  if (structures >= space.inner_size()) return {.grids = structures / space.inner_size()};
  return {.parts = quotient_up(space.inner_size(), structures)};
}

// Where part `part` of `parts` equal ones begins; written so that nothing overflows.
std::int64_t start_of(std::int64_t part, std::int64_t parts, std::int64_t size) {
  return size / parts * part + std::min(part, size % parts);
}

std::int64_t grids_of(const PlanSpace& space) { return static_cast<std::int64_t>(space.axes().grids.size()); }

}  // namespace

std::int64_t batch_count(const PlanSpace& space) {
  if (space.structures() == 0) return 0;
  const Cut cut = cut_of(space);
  return quotient_up(grids_of(space), cut.grids) * cut.parts;
}

BatchRange batch_range(const PlanSpace& space, std::int64_t batch) {
  const Cut cut = cut_of(space);
  const std::int64_t inner = space.inner_size();
  if (cut.parts == 1) {
    const std::int64_t last = std::min((batch + 1) * cut.grids, grids_of(space));
    return {batch * cut.grids * inner, last * inner};
  }
  const std::int64_t grid = batch / cut.parts, part = batch % cut.parts;
  return {grid * inner + start_of(part, cut.parts, inner), grid * inner + start_of(part + 1, cut.parts, inner)};
}

}  // namespace trainyard
