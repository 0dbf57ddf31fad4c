#include "sim/base/output_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

TEST_CASE("files are replaced as a whole, and nothing is left of a failed attempt") {
  const fs::path folder = fs::temp_directory_path() / fmt::format("trainyard_output_test_{}", getpid());
  fs::create_directories(folder);
  const std::string file = (folder / "a.yaml").string();
  write_whole_file(file, "first, and longer");
  write_whole_file(file, "second");
  std::ifstream in(file);
  CHECK(std::string((std::istreambuf_iterator<char>(in)), {}) == "second");
  CHECK_THROWS_AS(write_whole_file(folder.string(), "x"), InputError);
  CHECK_THROWS_AS(write_whole_file((folder / "missing" / "a.yaml").string(), "x"), InputError);
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 1);
  fs::remove_all(folder);
}

TEST_CASE("what is read is not written over, by whatever name, and nothing is written twice") {
  const fs::path folder = fs::temp_directory_path() / fmt::format("trainyard_output_names_test_{}", getpid());
  fs::create_directories(folder);
  const auto file = [&](const char* name) { return (folder / name).string(); };
  std::ofstream(file("in.yaml")) << "x";
  fs::create_symlink("in.yaml", folder / "link.yaml");
  CHECK_THROWS_AS(require_separate_files({file("in.yaml")}, {file("in.yaml")}), InputError);
  CHECK_THROWS_AS(require_separate_files({file("in.yaml")}, {file("./in.yaml")}), InputError);
  CHECK_THROWS_AS(require_separate_files({file("in.yaml")}, {file("link.yaml")}), InputError);
  CHECK_THROWS_AS(require_separate_files({}, {file("new"), file("../") + folder.filename().string() + "/new"}),
                  InputError);
  CHECK_NOTHROW(require_separate_files({file("in.yaml")}, {file("a"), file("b"), "/dev/null", "/dev/null"}));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace trainyard
