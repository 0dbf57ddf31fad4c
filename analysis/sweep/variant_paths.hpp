// Where the ranks of a plan's placement variants sit and what their groups cross, kept for as long as plans share it.
#pragma once

#include <deque>
#include <vector>

#include "analysis/sweep/plan_space.hpp"
#include "sim/plan/communication_paths.hpp"
#include "sim/plan/rank_layout.hpp"
#include "topology/routes.hpp"

namespace trainyard {

struct Variant {
  RankLayout layout;
  CommunicationPaths paths;
  std::vector<int> path_numbers;  // of the paths by kind and stage; equal numbers are equal paths
};

class VariantPaths {
 public:
  // Both are kept by reference.
  VariantPaths(const PlanSpace& space, const Routes& routes, bool moe);

  // Of a resolved plan that is legal but for its rank order and placement; valid until the next call.
  const std::vector<Variant>& of(const Plan& resolved);

 private:
  // Everything about a plan that layouts and paths depend on.
  struct Key {
    int tp, cp, pp, dp, ep, etp;
    ContextParallelKind cp_kind;
    int cp_inner;
    bool hybrid, mirrored;
    Sharding sharding;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Entry {
    Key key;
    std::vector<Variant> variants;
  };
  static Key key_of(const Plan& plan);
  int number_of(const TierPath& path);
  Variant variant(Plan plan, int index);

  const PlanSpace& space_;
  const Routes& routes_;
  bool moe_;
  std::deque<Entry> known_;      // latest first
  std::vector<TierPath> paths_;  // by number
};

}  // namespace trainyard
