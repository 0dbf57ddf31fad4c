// Every plan of a sweep, each with a fixed index. A grid is one way to cut the GPUs and the batch; under each grid
// stands the product of the inner axes (recomputation, data-parallel kind, overlaps …), and under each of these
// structures the variants: rank order and placement, which change where ranks sit and nothing else.
//   structure = grid * inner_size() + digits of the inner axes, the last axis fastest
//   plan      = structure * variants() + variant
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/plan/job.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

using PlanIndex = std::int64_t;
using StructureIndex = std::int64_t;

// Axes whose legal values depend on each other.
struct ParallelGrid {
  int tp = 1, pp = 1, vpp = 1, cp = 1, ep = 1;
  int etp = 1;  // 0 = as tp, what a plan without experts leaves it at
  int dp = 1;   // what the cluster leaves; 0 where the product does not divide it (then the plan is infeasible)
  int micro_batch_size = 1;
  std::string schedule = "1f1b";
  friend bool operator==(const ParallelGrid&, const ParallelGrid&) = default;
};
void apply(const ParallelGrid& grid, Plan& plan);

// One value of an axis and what it does to a plan.
struct AxisChoice {
  std::string text;  // as the sweep file writes it: "zero1"
  std::function<void(Plan&)> apply;
  // Would it make the same plan as another choice of its axis? Asked of the plan with its grid and the choices of the
  // axes before. Empty: never.
  std::function<bool(const Plan&)> repeats = {};
};
struct SweepAxis {
  std::string key;  // the plan's key: "data_parallel"
  std::vector<AxisChoice> values;
};

// How ranks sit on the machine.
struct PlacementVariant {
  std::string rank_order;
  Plan placement;  // only its placement fields are read
};

struct SpaceAxes {
  std::vector<ParallelGrid> grids;         // no two alike
  std::vector<SweepAxis> inner;            // none without values
  std::vector<PlacementVariant> variants;  // at least one
  // Does the sweep's `where` let the plans of this grid be? Empty: every plan. Asked of a plan with its grid and
  // nothing else; from several threads at once.
  std::function<bool(const Plan&)> where;
};

class PlanSpace {
 public:
  PlanSpace() = default;
  PlanSpace(Plan base, SpaceAxes axes);  // base: every setting that no axis changes

  std::int64_t size() const { return structures() * variants(); }
  StructureIndex structures() const { return static_cast<StructureIndex>(axes_.grids.size()) * inner_size_; }
  std::int64_t inner_size() const { return inner_size_; }
  int variants() const { return static_cast<int>(axes_.variants.size()); }
  const SpaceAxes& axes() const { return axes_; }

  const ParallelGrid& grid(StructureIndex s) const { return axes_.grids[static_cast<std::size_t>(s / inner_size_)]; }
  // Digits of the inner axes.
  std::vector<int> digits(StructureIndex s) const;
  StructureIndex structure_at(std::size_t grid, const std::vector<int>& digits) const;

  // The plan with variant 0; nothing where it is excluded: by `where`, or because it repeats another structure.
  std::optional<Plan> structure(StructureIndex s) const;
  void place(Plan& plan, int variant) const;
  Plan plan(PlanIndex index) const;  // also of excluded structures

 private:
  // Applies the inner axes; false where a choice repeats another.
  bool choose(StructureIndex s, Plan& plan) const;

  Plan base_;  // with variant 0
  SpaceAxes axes_;
  std::int64_t inner_size_ = 1;
};

}  // namespace trainyard
