#include <catch2/catch.hpp>

#include "analysis/trace/shown_ranks.hpp"
#include "sim/base/errors.hpp"
#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

std::vector<int> numbers(std::string_view text) {
  const SimulatedStep step = testing::hand_built_step();
  std::vector<int> ranks;
  for (const ShownRank& shown : shown_ranks(text, step, "--trace-ranks")) ranks.push_back(shown.rank.value);
  return ranks;
}

TEST_CASE("stages shows one rank of each, which stands for the others") {
  const SimulatedStep step = testing::hand_built_step();
  const std::vector<ShownRank> ranks = shown_ranks("stages", step, "--trace-ranks");
  REQUIRE(ranks.size() == 2);
  CHECK(ranks[0].rank == step.program.kinds[0].representative);
  CHECK(ranks[1].rank == step.program.kinds[1].representative);
  CHECK(ranks[1].list == 1);
  CHECK(ranks[0].stands_for == step.program.kinds[0].ranks);
}

TEST_CASE("all shows every rank, each for itself") {
  const SimulatedStep step = testing::hand_built_step();
  const std::vector<ShownRank> ranks = shown_ranks("all", step, "--trace-ranks");
  REQUIRE(static_cast<int>(ranks.size()) == step.layout.world_size());
  for (const ShownRank& shown : ranks) {
    CHECK(shown.stands_for == 1);
    CHECK(static_cast<int>(shown.kind) == step.layout.coordinates(shown.rank).pp);
  }
}

TEST_CASE("lists and ranges of ranks are ascending, each once") {
  CHECK(numbers("3,1") == std::vector<int>{1, 3});
  CHECK(numbers("0-2,2,1") == std::vector<int>{0, 1, 2});
}

TEST_CASE("what names no rank of the job is refused") {
  for (const char* text : {"", ",", "x", "-1", "1-", "2-1", "1,,2", "99999999999", "1000000", "0x1", "1.5", "all,1"}) {
    INFO(text);
    CHECK_THROWS_AS(numbers(text), InputError);
  }
}

}  // namespace
}  // namespace trainyard
