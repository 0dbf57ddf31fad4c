#include "analysis/sweep/space_grids.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <tuple>
#include <utility>

#include "analysis/sweep/grid_values.hpp"
#include "sim/base/errors.hpp"
#include "sim/plan/check_plan.hpp"
#include "sim/plan/schedule.hpp"

namespace trainyard {
namespace {

// Combinations looked at; a few microseconds each.
constexpr std::int64_t most_candidates = 2'000'000;

std::ptrdiff_t schedule_row(const std::string& name) {
  const auto rows = schedules();
  return std::find_if(rows.begin(), rows.end(), [&](const ScheduleRow& row) { return row.name == name; }) -
         rows.begin();
}

auto order_of(const ParallelGrid& g) {
  return std::tuple(g.tp, g.cp, g.ep, g.etp, g.micro_batch_size, g.pp, g.vpp, schedule_row(g.schedule));
}

void in_order(std::vector<ParallelGrid>& grids) {
  std::sort(grids.begin(), grids.end(),
            [](const ParallelGrid& a, const ParallelGrid& b) { return order_of(a) < order_of(b); });
  grids.erase(std::unique(grids.begin(), grids.end()), grids.end());
}

class GridEnumeration {
 public:
  GridEnumeration(const GridRequest& request, const Job& job)
      : request_(request), job_(job), values_(job), plan_(job.plan) {}

  std::vector<ParallelGrid> grids() && {
    check_named();
    for (const int tp : either(request_.tp, values_.tensor_parallel()))
      for (const int cp : either(request_.cp, values_.context_parallel()))
        for (const int pp : either(request_.pp, values_.pipeline_parallel(tp, cp))) cut({.tp = tp, .pp = pp, .cp = cp});
    add_lost_values();
    in_order(grids_);
    return std::move(grids_);
  }

 private:
  template <class Value>
  static std::vector<Value> either(const GridAxis<Value>& axis, std::vector<Value> automatic) {
    return axis.automatic() ? std::move(automatic) : axis.named;
  }

  void cut(ParallelGrid grid) {
    count_candidate();
    grid.dp = values_.data_parallel(grid.tp, grid.cp, grid.pp);
    if (!request_.dp.empty() && std::find(request_.dp.begin(), request_.dp.end(), grid.dp) == request_.dp.end()) return;
    for (const int vpp : either(request_.vpp, values_.virtual_stages(grid.pp))) {
      grid.vpp = vpp;
      for (std::string& schedule : either(request_.schedule, values_.schedules(grid.pp, vpp, request_.schedule.all))) {
        grid.schedule = std::move(schedule);
        add_experts(grid);
      }
    }
  }

  void add_experts(ParallelGrid grid) {
    for (const int ep : either(request_.ep, values_.expert_parallel(grid.pp)))
      for (const int etp : either(request_.etp, values_.expert_tensor_parallel(grid.tp)))
        for (const int mbs :
             either(request_.micro_batch_size, values_.micro_batch_size(grid.dp, request_.micro_batch_size.all))) {
          grid.ep = ep;
          grid.etp = etp;
          grid.micro_batch_size = mbs;
          add(grid);
        }
  }

  void add(const ParallelGrid& grid) {
    count_candidate();
    if (!is_kept(grid)) return;
    if (std::ssize(grids_) >= most_grids) too_many();
    grids_.push_back(grid);
  }

  void check_named() const {
    const GridRequest& r = request_;
    std::int64_t combinations = 1;
    for (const std::size_t named : {r.tp.named.size(), r.pp.named.size(), r.vpp.named.size(), r.cp.named.size(),
                                    r.ep.named.size(), r.etp.named.size(), r.micro_batch_size.named.size()}) {
      combinations *= static_cast<std::int64_t>(std::max<std::size_t>(named, 1));
      if (combinations > most_grids) too_many();
    }
  }

  void count_candidate() {
    if (++candidates_ > most_candidates) too_many();
  }

  [[noreturn]] static void too_many() {
    throw InputError(
        {},
        fmt::format("the sweep has more than {} combinations of tp, pp, vpp, cp, ep, etp, micro_batch_size "
                    "and schedule",
                    most_grids),
        "fix some of them, or list fewer values");
  }

  bool is_kept(const ParallelGrid& grid) {
    if (!any_automatic()) return true;
    apply(grid, plan_);
    const std::vector<PlanProblem> problems = check_plan(plan_, job_.model, job_.workload, job_.cluster);
    return std::none_of(problems.begin(), problems.end(),
                        [this](const PlanProblem& p) { return may_be_blamed(p.axis); });
  }

  bool any_automatic() const {
    const GridRequest& r = request_;
    return r.tp.automatic() || r.pp.automatic() || r.vpp.automatic() || r.cp.automatic() || r.ep.automatic() ||
           r.etp.automatic() || r.micro_batch_size.automatic() || r.schedule.automatic();
  }

  // Could another automatic value solve a problem of this axis (the words of check_plan)? Those of other axes come from
  // settings that are not the grid's.
  bool may_be_blamed(std::string_view axis) const {
    const GridRequest& r = request_;
    const bool ranks = r.tp.automatic() || r.cp.automatic() || r.pp.automatic();
    if (axis == "tp" || axis == "cp") return r.tp.automatic() || r.cp.automatic();
    if (axis == "pp") return r.pp.automatic() || r.vpp.automatic();
    if (axis == "world") return ranks;
    if (axis == "ep") return r.ep.automatic() || r.etp.automatic() || ranks;
    if (axis == "etp") return r.etp.automatic() || r.tp.automatic();
    if (axis == "batch") return r.micro_batch_size.automatic() || ranks;
    if (axis == "schedule")
      return r.schedule.automatic() || r.vpp.automatic() || r.micro_batch_size.automatic() || ranks;
    return false;
  }

  template <class Value, class Field>
  void add_lost(const GridAxis<Value>& axis, Field field) {
    for (const Value& value : axis.named) {
      const bool found =
          std::any_of(grids_.begin(), grids_.end(), [&](const ParallelGrid& g) { return g.*field == value; });
      if (found) continue;
      ParallelGrid grid = least_grid();
      grid.*field = value;
      grid.dp = values_.data_parallel(grid.tp, grid.cp, grid.pp);
      lost_.push_back(std::move(grid));
    }
  }

  void add_lost_values() {
    if (!request_.dp.empty()) return;  // what it leaves out is left out on purpose
    add_lost(request_.tp, &ParallelGrid::tp);
    add_lost(request_.pp, &ParallelGrid::pp);
    add_lost(request_.vpp, &ParallelGrid::vpp);
    add_lost(request_.cp, &ParallelGrid::cp);
    add_lost(request_.ep, &ParallelGrid::ep);
    add_lost(request_.etp, &ParallelGrid::etp);
    add_lost(request_.micro_batch_size, &ParallelGrid::micro_batch_size);
    add_lost(request_.schedule, &ParallelGrid::schedule);
    grids_.insert(grids_.end(), std::make_move_iterator(lost_.begin()), std::make_move_iterator(lost_.end()));
  }

  ParallelGrid least_grid() const {
    const auto least = [](const GridAxis<int>& axis, int otherwise) {
      return axis.automatic() ? otherwise : *std::min_element(axis.named.begin(), axis.named.end());
    };
    const GridRequest& r = request_;
    ParallelGrid grid{.tp = least(r.tp, 1), .pp = least(r.pp, 1), .vpp = least(r.vpp, 1), .cp = least(r.cp, 1)};
    grid.ep = least(r.ep, 1);
    grid.etp = least(r.etp, values_.expert_tensor_parallel(1).front());
    grid.micro_batch_size = least(r.micro_batch_size, 1);
    grid.schedule = r.schedule.automatic() ? (grid.vpp > 1 ? "interleaved" : "1f1b") : r.schedule.named.front();
    return grid;
  }

  const GridRequest& request_;
  const Job& job_;
  GridValues values_;
  Plan plan_;
  std::vector<ParallelGrid> grids_, lost_;
  std::int64_t candidates_ = 0;
};

}  // namespace

std::vector<ParallelGrid> enumerate_grids(const GridRequest& request, const Job& job) {
  return GridEnumeration(request, job).grids();
}

}  // namespace trainyard
