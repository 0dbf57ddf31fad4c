#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <boost/program_options/errors.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "sim/base/errors.hpp"
#include "sim/cli/validate_command.hpp"

using namespace trainyard;

namespace {

struct Answer {
  int code = 0;
  std::string out;
  std::string err;
};

Answer validated(std::vector<std::string> args) {
  std::ostringstream out, err;
  const int code = validate_command(args, out, err);
  return {code, out.str(), err.str()};
}

const std::string runs = std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/published/training_runs.csv";

}  // namespace

TEST_CASE("validate --help ends with an example") {
  const Answer answer = validated({"--help"});
  CHECK(answer.code == 0);
  CHECK_THAT(answer.out, Catch::Contains("usage: trainyard validate RUNS.csv") &&
                             Catch::Contains("example:\n  trainyard validate"));
}

TEST_CASE("validate: usage and input errors") {
  CHECK_THROWS_AS(validated({}), boost::program_options::error);
  CHECK_THROWS_AS(validated({runs, "--grop", "x"}), boost::program_options::error);
  CHECK_THROWS_AS(validated({runs, "--group", "no_such_group"}), boost::program_options::error);
  CHECK_THROWS_AS(validated({runs, "--group", ","}), boost::program_options::error);
  CHECK_THROWS_AS(validated({runs, "--json", "--markdown"}), boost::program_options::error);
  CHECK_THROWS_AS(validated({"/nonexistent.csv"}), InputError);
  CHECK_THROWS_AS(validated({runs, "--rows", "kor-0001", "--predictions", "/nonexistent/out.csv"}), InputError);
}

TEST_CASE("validate predicts the chosen rows and writes them") {
  const auto file = (std::filesystem::temp_directory_path() / fmt::format("trainyard_{}.csv", getpid())).string();
  const Answer answer =
      validated({runs, "--rows", "kor-0001,kor-0002", "--details", "--explain", "--predictions", file});
  CHECK(answer.code == 0);
  CHECK_THAT(answer.out, Catch::Contains("korthikanti") && Catch::Contains("kor-0001") && Catch::Contains("kor-0002"));
  CHECK_THAT(answer.err, Catch::Contains("2 rows written"));
  std::ifstream stream(file);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  CHECK_THAT(text, Catch::StartsWith(
                       "id,predicted_step_time_s,predicted_peak_mem_gib,predicted_oom,skipped_reason\nkor-0001,"));
}
