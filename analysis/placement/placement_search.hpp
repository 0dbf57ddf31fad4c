// The book of a placement search: which placements were simulated, which were recognised, which is best.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "analysis/placement/rank_traffic.hpp"
#include "analysis/placement_gain.hpp"
#include "sim/plan/job.hpp"
#include "topology/routes.hpp"
#include "topology/symmetry.hpp"

namespace trainyard {

struct PlacedTraffic {
  RankLayout layout;
  RankTraffic traffic;
};

class PlacementSearch {
 public:
  // The job's plan has passed check_plan with its placement; routes are of its cluster.
  PlacementSearch(const Job& job, const Routes& routes, int most_evaluations);

  struct Candidate {
    Plan plan;
    bool fits = false;
    Seconds step{};
    Seconds exposed{};
  };

  // Simulates the plan unless it is illegal, equivalent to one that was, or the budget is spent. The first one
  // considered is what the others are measured against, and always simulated.
  void consider(const Plan& plan);
  bool exhausted() const { return gain_.evaluated >= most_evaluations_; }
  const Candidate& best() const { return best_; }
  PlacementGain gain() const;

  RankLayout layout(const Plan& plan) const;
  PlacedTraffic traffic(const Plan& plan) const;  // with the messages of a simulated step

 private:
  bool recognised(const Plan& plan);
  Candidate simulated(const Plan& plan);
  RankTraffic groups(const Plan& plan, const RankLayout& layout) const;

  Job job_;
  const Routes& routes_;
  int most_evaluations_;
  bool by_symmetry_;  // small enough for canonical forms
  ClusterSymmetry symmetry_;
  struct Known {
    std::vector<PlacedGroup> groups;
    PlacementForm form;  // empty until it is asked for
  };
  std::map<std::uint64_t, std::vector<Known>> known_;  // by fingerprint
  Candidate best_;
  PlacementGain gain_;
};

}  // namespace trainyard
