#include "sim/base/scenario_files.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

#include "tests/topology/topology_words.hpp"

using namespace trainyard;
using Catch::Contains;

TEST_CASE("a name is a file of the scenarios, a path is itself") {
  CHECK_THAT(scenario_file("clusters", "dgx-h100"), Catch::EndsWith("scenarios/clusters/dgx-h100.yaml"));
  const std::string path = scenario_file("clusters", "dgx-h100");
  CHECK(scenario_file("clusters", path) == path);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  CHECK(scenario_file("topologies", "../topologies/dgx-h100.txt", folder) == folder + "/../topologies/dgx-h100.txt");
}

TEST_CASE("an unknown name or path is an error with a hint") {
  CHECK_THAT(error_of([] { scenario_file("clusters", "dgx-h10"); }),
             Contains("nothing is called 'dgx-h10' in scenarios/clusters") && Contains("dgx-h100"));
  CHECK_THAT(error_of([] { scenario_file("clusters", "./nowhere.yaml"); }), Contains("cannot open the file"));
  CHECK_THAT(error_of([] { scenario_file("clusters", "qqqqqqqqqqqqqqqqqqqqqqqq"); }), Contains("known: "));
}
