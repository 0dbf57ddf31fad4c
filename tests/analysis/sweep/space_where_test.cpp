#include <catch2/catch.hpp>

#include "analysis/sweep/sweep.hpp"
#include "analysis/sweep/where_expression.hpp"

namespace trainyard {
namespace {

constexpr WhereConstants machine{.gpus = 64, .nodes = 8, .gpus_per_node = 8, .layers = 80};

Plan plan() {
  Plan p;
  p.tensor_parallel = 8;
  p.pipeline_parallel = 4;
  p.virtual_stages = 5;
  p.data_parallel = 2;
  p.micro_batch_size = 2;
  p.global_batch_size = 128;
  return p;
}

bool holds(const std::string& text) { return WhereExpression(text, machine, {"s.yaml", 3, 8}).holds(plan()); }

TEST_CASE("conditions compare the numbers of a plan") {
  CHECK(holds("tp*cp <= 8"));
  CHECK_FALSE(holds("tp*cp < 8"));
  CHECK(holds("pp*vpp == 20 && layers % (pp*vpp) == 0"));
  CHECK(holds("gpus == nodes * gpus_per_node and gpus == tp*cp*pp*dp"));
  CHECK(holds("not (tp == 1 or pp == 1)"));
  CHECK(holds("!(ep > 1)"));
  CHECK(holds("min(tp, pp) == 4 && max(tp, pp) == 8"));
  CHECK(holds("mbs != 1 && gbs == 128"));
  CHECK(holds("micro_batches == 32 && m == 32"));  // 128 / 2 / 2
  CHECK(holds("m % pp == 0"));
  CHECK(holds("etp == tp"));  // as tp where the plan does not say
}

TEST_CASE("conditions that are none point at their column") {
  const auto refused = [](const std::string& text, const std::string& what) {
    INFO(text);
    CHECK_THROWS_WITH(holds(text), Catch::Matchers::StartsWith("s.yaml:3:8: ") && Catch::Matchers::Contains(what));
  };
  refused("cp < 2 && tpp < 3", "column 11: unknown name 'tpp' (did you mean");
  refused("foo < 3", "names are tp, pp");
  refused("tp <=", "column 6");
  refused("(tp < 3", "Missing parenthesis");
  refused("tp < 3)", "column 7");
  refused("tp = 8", "column 4: '=' sets a value (== compares)");
  refused("tp < 8, cp < 2", "several expressions");
  refused("tp*cp", "neither true nor false but 8");
  refused("", "empty");
  refused("tp < \"8\"", "No suitable overload");
  refused(std::string(2000, '('), "longer than");
  refused(std::string("tp\0<1", 5), "no text");
}

// tp 4 divides neither by 3 nor by 0; a NaN equals nothing.
TEST_CASE("conditions with impossible numbers are false or refused") {
  CHECK_FALSE(holds("tp % 0 == 0"));
  CHECK_THROWS_WITH(holds("tp % 0"), Catch::Matchers::Contains("neither true nor false"));
}

TEST_CASE("a sweep leaves out what its conditions refuse") {
  const Sweep all = load_sweep("tiny", {{"where", "tp > 0"}});
  const Sweep some = load_sweep("tiny", {{"where", "[tp*pp <= 8, \"vpp < 3\"]"}});
  REQUIRE(all.space.size() == some.space.size());  // indices do not move
  for (StructureIndex s = 0; s < all.space.structures(); ++s) {
    const ParallelGrid& grid = all.space.grid(s);
    const bool wanted = grid.tp * grid.pp <= 8 && grid.vpp < 3;
    CHECK(some.space.structure(s).has_value() == (wanted && all.space.structure(s).has_value()));
  }
}

TEST_CASE("a sweep finds a wrong condition before it starts") {
  CHECK_THROWS_WITH(load_sweep("tiny", {{"where", "tp*pp"}}), Catch::Matchers::Contains("neither true nor false"));
  CHECK_THROWS_WITH(load_sweep("tiny", {{"where", "{tp: 8}"}}), Catch::Matchers::Contains("must be a single value"));
}

}  // namespace
}  // namespace trainyard
