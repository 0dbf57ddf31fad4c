// The settings of a plan one by one: to carry what one key of the sweep file sets from plan to plan.
#pragma once

#include <span>
#include <vector>

#include "sim/plan/plan.hpp"

namespace trainyard {

struct PlanField {
  bool (*same)(const Plan& a, const Plan& b) = nullptr;
  void (*copy)(const Plan& from, Plan& to) = nullptr;
  bool of_grid = false;  // a field of ParallelGrid
};

// All of them: plans whose fields are all the same are equal.
std::span<const PlanField> plan_fields();

// The fields in which any of `plans` differs from `base`.
std::vector<const PlanField*> changed_fields(const Plan& base, const std::vector<Plan>& plans);

}  // namespace trainyard
