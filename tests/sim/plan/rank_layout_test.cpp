#include "sim/plan/rank_layout.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "sim/plan/expert_grid.hpp"
#include "tests/sim/plan/small_cluster.hpp"

using namespace trainyard;
using trainyard::test::cluster_of;

namespace {

using Groups = std::vector<std::vector<int>>;

std::vector<int> members(const RankGroup& group) {
  std::vector<int> ranks;
  for (int i = 0; i < group.size; ++i) ranks.push_back(group.at(i).value);
  return ranks;
}

// Every group of one axis, once, ordered by its first rank.
template <class Layout>
Groups groups(const Layout& layout, Axis axis) {
  std::set<std::vector<int>> all;
  for (int rank = 0; rank < layout.world_size(); ++rank) all.insert(members(layout.group(axis, RankId(rank))));
  return {all.begin(), all.end()};
}

bool partitions_the_world(const Groups& all, int world_size) {
  std::multiset<int> seen;
  for (const std::vector<int>& group : all) seen.insert(group.begin(), group.end());
  std::multiset<int> every_rank;
  for (int rank = 0; rank < world_size; ++rank) every_rank.insert(rank);
  return seen == every_rank;
}

Plan plan_of(int tp, int cp, int dp, int pp, const std::string& order = "tp-cp-ep-dp-pp") {
  Plan plan;
  plan.tensor_parallel = tp;
  plan.context_parallel = cp;
  plan.data_parallel = dp;
  plan.pipeline_parallel = pp;
  plan.rank_order = order;
  return plan;
}

std::vector<std::string> all_rank_orders() {
  std::vector<std::string> axes{"cp", "dp", "ep", "pp", "tp"};
  std::vector<std::string> orders;
  do {
    orders.push_back(fmt::format("{}", fmt::join(axes, "-")));
  } while (std::next_permutation(axes.begin(), axes.end()));
  return orders;
}

}  // namespace

TEST_CASE("the default order is Megatron's rank = tp + t*(cp + c*(dp + D*pp))") {
  const RankLayout layout = lay_out(plan_of(2, 3, 4, 5), cluster_of(15, 8));
  // 1 + 2*(2 + 3*(3 + 4*4)) = 1 + 2*(2 + 57) = 119
  CHECK(layout.rank({.tp = 1, .cp = 2, .dp = 3, .pp = 4}) == RankId(119));
  // 0 + 2*(1 + 3*(2 + 4*1)) = 38
  CHECK(layout.rank({.tp = 0, .cp = 1, .dp = 2, .pp = 1}) == RankId(38));
}

TEST_CASE("the groups are those of Megatron's worked example: 16 GPUs, tp 2, pp 4") {
  const RankLayout layout = lay_out(plan_of(2, 1, 0, 4, "tp-cp-ep-dp-pp"), cluster_of(2, 8));
  CHECK(layout.dp == 2);
  CHECK(groups(layout, Axis::tp) == Groups{{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}, {12, 13}, {14, 15}});
  CHECK(groups(layout, Axis::pp) == Groups{{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15}});
  CHECK(groups(layout, Axis::dp) == Groups{{0, 2}, {1, 3}, {4, 6}, {5, 7}, {8, 10}, {9, 11}, {12, 14}, {13, 15}});
}

TEST_CASE("tp-pp-dp numbers the pipeline before data parallelism") {
  const RankLayout layout = lay_out(plan_of(2, 1, 2, 4, "tp-cp-ep-pp-dp"), cluster_of(2, 8));
  CHECK(groups(layout, Axis::pp) == Groups{{0, 2, 4, 6}, {1, 3, 5, 7}, {8, 10, 12, 14}, {9, 11, 13, 15}});
  CHECK(members(layout.group(Axis::dp, RankId(9))) == std::vector<int>{1, 9});
}

TEST_CASE("in every rank order coordinates are a bijection and the groups of an axis partition the world") {
  for (const std::string& order : all_rank_orders()) {
    INFO(order);
    const RankLayout layout = lay_out(plan_of(2, 3, 2, 4, order), cluster_of(6, 8));
    for (int rank = 0; rank < 48; ++rank) REQUIRE(layout.rank(layout.coordinates(RankId(rank))) == RankId(rank));
    for (Axis axis : {Axis::tp, Axis::cp, Axis::ep, Axis::dp, Axis::pp})
      REQUIRE(partitions_the_world(groups(layout, axis), 48));
  }
}

TEST_CASE("the first axis of the order varies fastest") {
  for (const std::string& order : all_rank_orders()) {
    INFO(order);
    const RankLayout layout = lay_out(plan_of(2, 2, 2, 2, order), cluster_of(2, 8));
    const Axis fastest = axes_of(order)->front() == Axis::ep ? axes_of(order)->at(1) : axes_of(order)->front();
    CHECK(members(layout.group(fastest, RankId(0))) == std::vector<int>{0, 1});
  }
}

TEST_CASE("an axis of size one is a group of the rank alone, and so is ep in the dense grid") {
  const RankLayout layout = lay_out(plan_of(4, 1, 4, 1), cluster_of(2, 8));
  CHECK(members(layout.group(Axis::pp, RankId(7))) == std::vector<int>{7});
  CHECK(members(layout.group(Axis::ep, RankId(7))) == std::vector<int>{7});
}

TEST_CASE("gradients are reduced over dp and cp together, in rank order") {
  const RankLayout layout = lay_out(plan_of(2, 2, 2, 2), cluster_of(2, 8));
  CHECK(layout.gradient_group(RankId(3)) == std::vector<RankId>{RankId(1), RankId(3), RankId(5), RankId(7)});
  // cp and dp apart: not one progression.
  const RankLayout apart = lay_out(plan_of(2, 2, 2, 2, "cp-tp-pp-dp"), cluster_of(2, 8));
  CHECK(apart.gradient_group(RankId(0)) == std::vector<RankId>{RankId(0), RankId(1), RankId(8), RankId(9)});
}

TEST_CASE("the expert grid counts the same ranks as etp-ep-edp-pp") {
  Plan plan = plan_of(2, 1, 0, 2);
  plan.expert_parallel = 4;
  plan.expert_tensor_parallel = 1;
  const ExpertGrid grid = expert_grid(plan, 16);
  CHECK(grid.edp == 2);  // 16 / (1 * 4 * 2)
  CHECK(groups(grid, Axis::ep) == Groups{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}, {12, 13, 14, 15}});
  CHECK(members(grid.group(Axis::dp, RankId(5))) == std::vector<int>{1, 5});
  CHECK(members(grid.group(Axis::pp, RankId(5))) == std::vector<int>{5, 13});
}

TEST_CASE("without expert_tensor_parallel_size experts are cut by tp") {
  Plan plan = plan_of(2, 1, 0, 2);
  plan.expert_parallel = 2;
  const ExpertGrid grid = expert_grid(plan, 16);
  CHECK(grid.etp == 2);
  CHECK(members(grid.group(Axis::ep, RankId(1))) == std::vector<int>{1, 3});
}

TEST_CASE("in every rank order the expert grid is a bijection with the dense grid's pipelines where pp is last") {
  for (const std::string& order : all_rank_orders()) {
    INFO(order);
    Plan plan = plan_of(4, 1, 6, 2, order);
    plan.expert_parallel = 3;
    plan.expert_tensor_parallel = 2;
    const ExpertGrid grid = expert_grid(plan, 48);
    for (int rank = 0; rank < 48; ++rank) REQUIRE(grid.rank(grid.coordinates(RankId(rank))) == RankId(rank));
    for (Axis axis : {Axis::tp, Axis::ep, Axis::dp, Axis::pp}) REQUIRE(partitions_the_world(groups(grid, axis), 48));
    if (order.ends_with("pp")) REQUIRE(groups(grid, Axis::pp) == groups(lay_out(plan, cluster_of(6, 8)), Axis::pp));
  }
}

TEST_CASE("16384 ranks are laid out") {
  const RankLayout layout = lay_out(plan_of(8, 1, 128, 16), cluster_of(2048, 8));
  CHECK(layout.device.size() == 16384);
  CHECK(layout.group(Axis::dp, RankId(16383)).stride == 8);
}
