// What plans share: the outline of a program in the place of the program, its paths by name in the place of its paths.
#include <catch2/catch.hpp>
#include <set>

#include "analysis/sweep/skeleton.hpp"
#include "sim/engine/pricing.hpp"
#include "tests/support/drawn_plans.hpp"

namespace trainyard::testing {
namespace {

struct DrawnJob {
  const char* scenario;
  int sequences;
};
constexpr DrawnJob jobs[] = {{"llama3-70b-64xh100", 256}, {"mixtral-8x7b-64xh100", 256}};

// In double parentheses: works are not worth printing.
void check_outline(const StepProgram& outline, const StepProgram& whole) {
  CHECK((outline.works == whole.works));
  CHECK((outline.path_keys == whole.path_keys));
  CHECK((outline.paths == whole.paths));
  CHECK((outline.memory_changes == whole.memory_changes));
  CHECK((outline.layer_paths == whole.layer_paths));
  REQUIRE(outline.kinds.size() == whole.kinds.size());
  for (std::size_t k = 0; k < whole.kinds.size(); ++k) CHECK(outline.kinds[k].resident == whole.kinds[k].resident);
}

// Units that reduce once, and those of V-shaped pipelines, do more in some micro-batches between the first and the last
// two than in these: skeletons see that the numbers differ, and programs are built whole.
bool is_numbered_alike(const Plan& plan) {
  const ScheduleRow& row = *find_schedule(plan.schedule);
  return !gathers_units(plan) || (plan.sharding.sync_every_micro_batch && row.virtual_stages != 2);
}

}  // namespace

TEST_CASE("an outline has the works, paths and memory changes of the whole program") {
  std::size_t outlined = 0, instructions = 0;
  for (const DrawnJob& drawn : jobs) {
    const Job job = job_of_batch(drawn.scenario, drawn.sequences);
    const Routes routes(job.cluster);
    for (const Plan& plan : drawn_plans(job, 4, 2)) {
      const PreparedPlan p(job, plan, routes);
      const StepProgram whole = build_step(p.inputs(), Granularity::block);
      const StepProgram outline = outline_of(p.inputs());
      INFO(canonical_key(p.plan));
      if (is_numbered_alike(p.plan)) check_outline(outline, whole);
      outlined += outline.instruction_count();
      instructions += whole.instruction_count();
    }
  }
  CHECK(2 * outlined < instructions);  // most have more than 8 micro-batches
}

TEST_CASE("the outline of fewer micro-batches has the works of the whole program") {
  for (const DrawnJob& drawn : jobs) {
    const Job job = job_of_batch(drawn.scenario, drawn.sequences);
    const Routes routes(job.cluster);
    for (const Plan& plan : drawn_plans(job, 3, 3)) {
      if (!find_schedule(plan.schedule)->periodic) continue;
      const PreparedPlan p(job, plan, routes);
      const Plan fewer = with_micro_batches(p.plan, shortened(p.plan, p.micro_batches()).outline);
      StepInputs in = p.inputs();
      in.plan = &fewer;
      INFO(canonical_key(p.plan) << ", outlined with " << fewer.global_batch_size << " sequences");
      const StepProgram whole = build_step(p.inputs(), Granularity::block), outline = outline_of(in);
      if (is_numbered_alike(p.plan)) check_outline(outline, whole);
      // What the evaluator goes by: a skeleton only where all that is priced has its number.
      const ShortStep lengths = shortened(p.plan, p.micro_batches());
      Skeletons skeletons;
      if (skeletons.of(outline, p.inputs(), lengths.skeleton, lengths.group) != nullptr) check_outline(outline, whole);
    }
  }
}

TEST_CASE("every path of a program is found by its key") {
  std::set<PathKind> seen;
  for (const DrawnJob& drawn : jobs) {
    const Job job = job_of_batch(drawn.scenario, drawn.sequences);
    const Routes routes(job.cluster);
    for (const Plan& plan : drawn_plans(job, 3, 4)) {
      const PreparedPlan p(job, plan, routes);
      const StepProgram program = outline_of(p.inputs());
      INFO(canonical_key(p.plan));
      REQUIRE(program.path_keys.size() == program.paths.size());
      for (std::size_t i = 0; i < program.paths.size(); ++i) {
        CHECK(path_at(p.paths, program.path_keys[i]) == program.paths[i]);
        seen.insert(program.path_keys[i].kind);
      }
    }
  }
  for (const PathKind kind : {PathKind::tp, PathKind::cp, PathKind::ep, PathKind::gradients, PathKind::expert_gradients,
                              PathKind::shard, PathKind::replicas, PathKind::next_stage, PathKind::mirror})
    CHECK(seen.contains(kind));
}

TEST_CASE("a program priced with the paths of another placement is the program of that placement") {
  int differ = 0;
  for (const DrawnJob& drawn : jobs) {
    const Job job = job_of_batch(drawn.scenario, drawn.sequences);
    const Routes routes(job.cluster);
    for (const Plan& plan : drawn_plans(job, 3, 5)) {
      Plan elsewhere = plan;
      elsewhere.placement = plan.placement == PlacementKind::packed ? PlacementKind::scatter : PlacementKind::packed;
      const PreparedPlan here(job, plan, routes), there(job, elsewhere, routes);
      if (here.costs != there.costs || here.paths.cp_inner != there.paths.cp_inner ||
          here.paths.ep_nodes != there.paths.ep_nodes)
        continue;  // another program
      const StepProgram program = build_step(here.inputs(), Granularity::block);
      const StepProgram placed = build_step(there.inputs(), Granularity::block);
      std::vector<TierPath> paths;
      for (const PathKey& key : program.path_keys) paths.push_back(path_at(there.paths, key));
      PricingContext context = there.pricing();
      context.paths = &paths;
      INFO(canonical_key(here.plan));
      CHECK(program.works == placed.works);
      CHECK(price(program, context).works == price(placed, there.pricing()).works);
      differ += price(program, here.pricing()).works == price(program, context).works ? 0 : 1;
    }
  }
  CHECK(differ > 20);  // placements matter to most of them
}

TEST_CASE("times of collectives that were asked for before are the same") {
  const Job job = job_of_batch("mixtral-8x7b-64xh100", 256);
  const Routes routes(job.cluster);
  CollectiveTimes known;
  for (const Plan& plan : drawn_plans(job, 2, 6)) {
    const PreparedPlan p(job, plan, routes);
    const StepProgram program = build_step(p.inputs(), Granularity::block);
    PricingContext context = p.pricing();
    const PricedProgram anew = price(program, context);
    context.known = &known;
    INFO(canonical_key(p.plan));
    CHECK(price(program, context).works == anew.works);
    CHECK(price(program, context).works == anew.works);
  }
}

}  // namespace trainyard::testing
