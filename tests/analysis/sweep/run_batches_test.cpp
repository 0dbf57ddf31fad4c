// How a space is cut into batches.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "analysis/sweep/batches.hpp"

namespace trainyard {
namespace {

struct Size {
  std::int64_t grids, inner, variants;
};

PlanSpace space_of(const Size& size) {
  SpaceAxes axes;
  for (std::int64_t g = 0; g < size.grids; ++g)
    axes.grids.push_back({.micro_batch_size = static_cast<int>(g) + 1, .schedule = ""});
  SweepAxis axis{"recompute", {}};
  for (std::int64_t i = 0; i < size.inner; ++i) axis.values.push_back({fmt::format("{}", i), [](Plan&) {}});
  axes.inner.push_back(axis);
  axes.variants.resize(static_cast<std::size_t>(size.variants));
  return PlanSpace(Plan{}, std::move(axes));
}

std::int64_t grid_of(const PlanSpace& space, StructureIndex s) { return s / space.inner_size(); }

// Every structure in exactly one batch, in order; a batch is whole grids or lies in one.
void check_cut(const PlanSpace& space) {
  StructureIndex next = 0;
  const std::int64_t inner = space.inner_size();
  for (std::int64_t b = 0; b < batch_count(space); ++b) {
    const BatchRange range = batch_range(space, b);
    REQUIRE(range.first == next);
    REQUIRE(range.last > range.first);
    const bool one_grid = grid_of(space, range.first) == grid_of(space, range.last - 1);
    const bool whole_grids = range.first % inner == 0 && range.last % inner == 0;
    REQUIRE((one_grid || whole_grids));
    next = range.last;
  }
  CHECK(next == space.structures());
}

TEST_CASE("batches cover every structure once and straddle no grid that they do not hold whole") {
  for (const std::int64_t grids : {1, 2, 7, 100, 1000})
    for (const std::int64_t inner : {1, 3, 96, 513, 5000})
      for (const std::int64_t variants : {1, 6, 1000}) {
        INFO(fmt::format("{} grids of {} structures of {} variants", grids, inner, variants));
        check_cut(space_of({grids, inner, variants}));
      }
}

TEST_CASE("a grid of more plans than a batch should have is cut into equal parts") {
  // 512 plans / 6 variants = 85 structures; 192 / 85 -> 3 parts of 64.
  const PlanSpace space = space_of({100, 192, 6});
  CHECK(batch_count(space) == 300);
  CHECK(batch_range(space, 0) == BatchRange{0, 64});
  CHECK(batch_range(space, 2) == BatchRange{128, 192});
  CHECK(batch_range(space, 299) == BatchRange{19136, 19200});
}

TEST_CASE("parts differ by at most one structure") {
  // 1 000 structures of one variant: at least 48 batches -> at most 20 each -> 50 parts.
  CHECK(batch_count(space_of({1, 1000, 1})) == 50);
  // 10 structures: each is a batch, though 48 are wanted.
  CHECK(batch_count(space_of({1, 10, 1})) == 10);
  // 700 plans per structure: one structure is the least.
  CHECK(batch_range(space_of({2, 5, 700}), 7) == BatchRange{7, 8});
  const PlanSpace space = space_of({3, 67, 1});
  // 201 structures / 48 = 4 each; 67 / 4 -> 17 parts, 16 of four and one of three.
  CHECK(batch_count(space) == 3 * 17);
  CHECK(batch_range(space, 15) == BatchRange{60, 64});
  CHECK(batch_range(space, 16) == BatchRange{64, 67});
}

TEST_CASE("small grids are taken together") {
  // 512 plans / (8 structures * 2 variants) = 32 grids.
  const PlanSpace space = space_of({10'000, 8, 2});
  CHECK(batch_count(space) == 313);  // 10 000 / 32 = 312.5
  CHECK(batch_range(space, 0) == BatchRange{0, 256});
  CHECK(batch_range(space, 312) == BatchRange{79'872, 80'000});
}

TEST_CASE("a huge space has larger batches, not more of them") {
  // 2e8 structures / 20 000 = 10 000 structures = 10 grids.
  const PlanSpace space = space_of({200'000, 1000, 6});
  CHECK(batch_count(space) == 20'000);
  CHECK(batch_range(space, 19'999) == BatchRange{199'990'000, 200'000'000});
}

TEST_CASE("a space without a grid has no batch") { CHECK(batch_count(space_of({0, 3, 1})) == 0); }

}  // namespace
}  // namespace trainyard
