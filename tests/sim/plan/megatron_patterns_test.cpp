#include "sim/plan/megatron_patterns.hpp"

#include <catch2/catch.hpp>

using namespace trainyard;

TEST_CASE("a pipeline layout gives the layers of each chunk") {
  CHECK(pipeline_layout("Et|ttL")->layers == std::vector<int>{1, 2});
  CHECK(pipeline_layout("E|(t|)*3,m|m||L") == PipelineLayout{{0, 1, 1, 1, 0, 0, 0, 0}, {0, 0, 0, 0, 1, 1, 0, 0}});
  CHECK(pipeline_layout("Et*3|(tt|)*2,t*2,L")->layers == std::vector<int>{3, 2, 2, 2});
}

TEST_CASE("what is not a pipeline layout is refused") {
  for (const char* layout : {"", "tt|tt", "Ett|tt", "tEL", "Ex|L", "E(t|*3L", "Et*|L", "EL|EL", "E(t)L",
                             "Et*99999999999999999999L", "Et*9999999L"})
    CHECK_FALSE(pipeline_layout(layout));
}

TEST_CASE("a layout is written from the layers and predictions of each chunk") {
  CHECK(layout_text({{1, 2}, {}}) == "Et|ttL");
  CHECK(layout_text({{1, 2, 0}, {0, 1, 0}}) == "Et|ttm|L");
  const PipelineLayout layout{{0, 3, 2, 0}, {0, 0, 0, 2}};
  CHECK(pipeline_layout(layout_text(layout)) == layout);
}

TEST_CASE("prediction modules sit in one chunk, in the last, or in several") {
  CHECK(pipeline_layout("Et|tm|tL")->prediction_chunk() == 1);
  CHECK(pipeline_layout("Et|t|tmmL")->prediction_chunk() == -1);
  CHECK(pipeline_layout("Et|t|tL")->prediction_chunk() == -1);
  CHECK(pipeline_layout("Et|tm|tmL")->prediction_chunk() == std::nullopt);
}

TEST_CASE("a layer frequency is a period or a list") {
  CHECK(sparse_layers("1", 3) == std::vector<bool>{true, true, true});
  CHECK(sparse_layers("2", 5) == std::vector<bool>{true, false, true, false, true});
  CHECK(sparse_layers("([0]*1+[1]*2)", 3) == std::vector<bool>{false, true, true});
  CHECK(sparse_layers("([1]*2 + [0,1])*2", 8) == std::vector<bool>{true, true, false, true, true, true, false, true});
}

TEST_CASE("what is not a layer frequency is refused") {
  for (const char* frequency : {"", "0", "-1", "[2]*3", "[0]*2", "([0]*1+[1]*2", "[0]*1+", "[1]*99999999999"})
    CHECK_FALSE(sparse_layers(frequency, 3));
}
