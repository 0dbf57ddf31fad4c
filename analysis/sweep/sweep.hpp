// A sweep file: what is swept, over which plans, and what is wanted of it.
//   model, cluster, nodes, workload, stack, stragglers   as in a scenario
//   gpus: 64                       instead of nodes; whole nodes
//   plan: {…}                      settings that every plan shares, as in a scenario
//   space:                         ranges of plan keys, in any of their spellings; each is a value, a list or `all`
//     tp: [1, 2, 4, 8]
//     schedule: [1f1b, interleaved]
//     placement: [packed, {devices: [0, 8, 1, 9, …]}]
//   where: "tp*cp <= 8"            or a list of such, all of which must hold: see where_expression.hpp
//   top: 10                        plans that the answer lists, 1 … most_top
// An axis that is neither in `space` nor in `plan` takes all its legal values, as far as anyone would want them: see
// space_grids.hpp for tp, pp, vpp, cp, ep, etp, micro_batch_size and schedule and space_axes.hpp for recompute (a word
// of its own), data_parallel, sequence_parallel, the overlaps, rank_order and placement. Any other setting of a plan
// stays at its default unless `space` names it. data_parallel_size is what the GPUs leave; naming it leaves out the
// grids that leave something else. `all` is every legal value of an axis.
//
// A scenario is a sweep file, too: its plan fixes what it says. `--set plan={}` sweeps everything instead, and the
// loader says so where a file without `space` fixes tp and pp.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/sweep/plan_space.hpp"
#include "sim/plan/job.hpp"

namespace trainyard {

inline constexpr int most_top = 1000;

struct Sweep {
  Job job;  // the base; job.plan has what all plans share
  PlanSpace space;
  int top = 10;      // plans that the answer lists
  std::string text;  // of the sweep file, with its overrides applied: what a store keeps to go on later
  std::string file;  // absolute path, for relative names inside
  std::string hash;  // 16 hexadecimal digits over everything the answer depends on
  std::vector<std::string> warnings;
};

// A path, or a name of scenarios/sweeps. `overrides` are --set pairs ("space.tp", "[1, 2]"), applied in order before
// reading; `profile_file` as of load_job. Throws InputError.
Sweep load_sweep(const std::string& file, const std::vector<std::pair<std::string, std::string>>& overrides = {},
                 const std::optional<std::string>& profile_file = std::nullopt);

// The same from a text that a store kept; `file` for relative names and messages.
Sweep load_sweep_text(const std::string& text, const std::string& file,
                      const std::optional<std::string>& profile_file = std::nullopt);

}  // namespace trainyard
