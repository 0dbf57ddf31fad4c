// A sweep file: what is swept, over which plans, and what is wanted of it.
//   model, cluster, nodes, workload, stack, stragglers   as in a scenario
//   gpus: 64                       instead of nodes
//   plan: {…}                      settings that every plan shares, as in a scenario
//   space:                         ranges of plan keys; each is a value, a list or `all`
//     tp: [1, 2, 4, 8]
//     schedule: [1f1b, interleaved]
//   where: "tp*cp <= 8"            or a list of such, all of which must hold
//   top: 10
// Without `space` (or where an axis is neither in `space` nor in `plan`) an axis takes all its legal values: see
// space_axes.hpp.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/sweep/plan_space.hpp"
#include "sim/plan/job.hpp"

namespace trainyard {

struct Sweep {
  Job job;  // the base; job.plan has what all plans share
  PlanSpace space;
  int top = 10;      // plans that the answer lists
  std::string text;  // of the sweep file, with its overrides applied: what a store keeps to go on later
  std::string file;  // absolute path, for relative names inside
  std::string hash;  // 16 hexadecimal digits over everything the answer depends on
  std::vector<std::string> warnings;
};

// Throws InputError.
Sweep load_sweep(const std::string& file, const std::vector<std::pair<std::string, std::string>>& overrides = {},
                 const std::optional<std::string>& profile_file = std::nullopt);

// The same from a text that a store kept; `file` for relative names and messages.
Sweep load_sweep_text(const std::string& text, const std::string& file,
                      const std::optional<std::string>& profile_file = std::nullopt);

}  // namespace trainyard
