#include "tests/support/architecture.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <fstream>

namespace trainyard::testing {
namespace {

namespace fs = std::filesystem;

// A small source tree that is deleted again.
class FakeTree {
 public:
  FakeTree() : root_(fs::temp_directory_path() / fmt::format("trainyard_fake_tree_{}", getpid())) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~FakeTree() { fs::remove_all(root_); }
  FakeTree(const FakeTree&) = delete;
  FakeTree& operator=(const FakeTree&) = delete;

  void add(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::vector<std::string> violations() const { return architecture_violations(root_); }

 private:
  fs::path root_;
};

std::vector<std::string> violations_of(const std::string& path, const std::string& text) {
  FakeTree tree;
  tree.add(path, text);
  return tree.violations();
}

using Lines = std::vector<std::string>;

TEST_CASE("trainyard keeps to its architecture") {
  const Lines found = architecture_violations(TRAINYARD_SOURCE_DIR);
  for (const std::string& violation : found) UNSCOPED_INFO(violation);
  CHECK(found.empty());
}

TEST_CASE("an include against the table is named with its line and what is allowed") {
  CHECK(violations_of("models/a.cpp", "#include <vector>\n\n#include \"topology/cluster.hpp\"\n") ==
        Lines{"models/a.cpp:3: includes topology/cluster.hpp; models may include sim/base"});
  CHECK(violations_of("sim/base/a.hpp", "#pragma once\n#include \"models/a.hpp\"\n") ==
        Lines{"sim/base/a.hpp:2: includes models/a.hpp; sim/base may include nothing else"});
  CHECK(violations_of("sim/program/a.cpp", "#include \"topology/routes.hpp\"\n").size() == 1);
  CHECK(violations_of("sim/engine/a.cpp", "#include \"analysis/step_result.hpp\"\n").size() == 1);
  CHECK(violations_of("analysis/a.cpp", "#include \"sim/cli/command.hpp\"\n").size() == 1);
  CHECK(violations_of("analysis/a.cpp", "#include \"analysis/sweep/pareto.hpp\"\n").size() == 1);
  CHECK(violations_of("analysis/calibration/fit.cpp", "#include \"sim/engine/engine.hpp\"\n").size() == 1);
  CHECK(violations_of("sim/cli/a.cpp", "#include \"tests/support/architecture.hpp\"\n").size() == 1);
}

TEST_CASE("an include with the table is silent") {
  CHECK(violations_of("sim/plan/a.cpp", "#include \"topology/cluster.hpp\"\n#include \"sim/plan/plan.hpp\"\n").empty());
  CHECK(violations_of("analysis/validation/a.cpp", "#include \"analysis/simulate.hpp\"\n").empty());
  CHECK(violations_of("sim/cli/a.cpp", "#include \"analysis/sweep/pareto.hpp\"\n").empty());
}

TEST_CASE("a commented include is no include") {
  CHECK(violations_of("models/a.cpp", "// #include \"topology/cluster.hpp\"\n").empty());
}

TEST_CASE("an include is written from the root and never climbs") {
  CHECK(violations_of("models/a.cpp", "#include \"../sim/base/units.hpp\"\n") ==
        Lines{"models/a.cpp:1: includes ../sim/base/units.hpp through '..'"});
  CHECK(violations_of("models/a.cpp", "#include \"b.hpp\"\n") ==
        Lines{"models/a.cpp:1: includes b.hpp without its path from the root"});
}

TEST_CASE("microbenchmarks include what lies beside them, and nothing that lies elsewhere") {
  FakeTree tree;
  tree.add("analysis/calibration/microbench/support/check.hpp", "#pragma once\n");
  tree.add("analysis/calibration/microbench/gemm.cu", "#include \"support/check.hpp\"\n");
  CHECK(tree.violations().empty());
  tree.add("analysis/calibration/microbench/gemm.cu", "#include \"support/absent.hpp\"\n");
  CHECK(tree.violations().size() == 1);
}

TEST_CASE("a library is included only at its door") {
  CHECK(violations_of("sim/plan/a.cpp", "#include <nlohmann/json.hpp>\n") ==
        Lines{"sim/plan/a.cpp:1: includes <nlohmann/json.hpp>, whose door is *_json, *json_, *hugging_face_config, "
              "topology/describe, sim/cli/, tests/"});
  CHECK(violations_of("analysis/report_json.cpp", "#include <nlohmann/json.hpp>\n").empty());
  CHECK(violations_of("models/a.cpp", "#include <yaml-cpp/yaml.h>\n").size() == 1);
  CHECK(violations_of("models/profile_yaml.cpp", "#include <yaml-cpp/yaml.h>\n").empty());
  CHECK(violations_of("topology/cluster.cpp", "#include <boost/graph/adjacency_list.hpp>\n").size() == 1);
  CHECK(violations_of("analysis/a.cpp", "#include <boost/program_options.hpp>\n").size() == 1);
  CHECK(violations_of("analysis/a.cpp", "#include <protozero/pbf_writer.hpp>\n").size() == 1);
  CHECK(violations_of("sim/engine/a.cpp", "#include <simgrid/s4u.hpp>\n").size() == 1);
  CHECK(violations_of("sim/engine/a.cpp", "#include <catch2/catch.hpp>\n").size() == 1);
}

TEST_CASE("a header guards itself and opens no namespace for others") {
  CHECK(violations_of("models/a.hpp", "int f();\n") == Lines{"models/a.hpp:1: has no #pragma once"});
  CHECK(violations_of("models/a.hpp", "#pragma once\nusing namespace std;\n") ==
        Lines{"models/a.hpp:2: opens a namespace for everyone who includes it"});
  CHECK(violations_of("models/a.cpp", "using namespace std::literals;\n").empty());
}

TEST_CASE("nothing new lies at the top, and every source has a folder of the table") {
  CHECK(violations_of("helpers.py", "") == Lines{"helpers.py: nothing but the agreed entries lies at the top"});
  CHECK(violations_of("sim/misc/a.cpp", "") == Lines{"sim/misc/a.cpp: its folder is in no row of the table"});
}

}  // namespace
}  // namespace trainyard::testing
