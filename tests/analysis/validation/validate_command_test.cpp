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
namespace fs = std::filesystem;

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

TEST_CASE("validate --explain shows what is wrong together, --assumptions what was assumed, --spread the range") {
  const std::vector<std::string> few = {runs, "--group", "korthikanti,zero_bubble"};
  const auto with = [&](const std::string& option) {
    std::vector<std::string> args = few;
    args.push_back(option);
    return validated(args).out;
  };
  CHECK_THAT(with("--explain"), Catch::Contains("within groups") && Catch::Contains("Every row has a prediction") &&
                                    Catch::Contains("ssumed"));
  CHECK_THAT(with("--assumptions"), Catch::Contains("ssumed") && !Catch::Contains("within groups"));
  CHECK_THAT(with("--spread"), Catch::Contains("measured p90") && Catch::Contains("zero-bubble-2023"));
  CHECK_THAT(validated(few).out, Catch::Contains("of 92 measured steps"));  // 9 and 83 rows
  CHECK_THAT(with("--json"), Catch::Contains("\"coverage\""));
}

TEST_CASE("validate --leave-one-out and --page: the study beside the scores, and two files") {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("trainyard_page_{}", getpid());
  std::filesystem::create_directories(folder);
  const Answer answer = validated({runs, "--rows", "kor-0001,kor-0002,kor-0003,kor-0004,kor-0005,zbp-0001,zbp-0002",
                                   "--leave-one-out", "--page", folder.string()});
  CHECK(answer.code == 0);
  CHECK_THAT(answer.out, Catch::Contains("prior only") && Catch::Contains("korthikanti"));
  CHECK_THAT(answer.err, Catch::Contains("leave one out: without korthikanti"));
  CHECK(std::filesystem::file_size(folder / "predicted_against_measured.svg") > 0);
  std::ifstream stream(folder / "RESIDUALS.md");
  const std::string page(std::istreambuf_iterator<char>(stream), {});
  CHECK_THAT(page, Catch::Contains("## What remains wrong, largest first") && Catch::Contains("zero_bubble"));
  CHECK_THROWS_AS(validated({runs, "--rows", "kor-0001", "--page", "/nonexistent"}), InputError);
}

TEST_CASE("validate --page tries its folder before the study of minutes") {
  const fs::path folder = fs::temp_directory_path() / fmt::format("trainyard_{}_page", getpid());
  fs::create_directories(folder / "predicted_against_measured.svg");  // in the way of the picture
  std::ostringstream out, err;
  CHECK_THROWS_AS(validate_command({runs, "--rows", "kor-0001", "--page", folder.string()}, out, err), InputError);
  CHECK_THAT(err.str(), !Catch::Contains("leave one out"));
  CHECK_THROWS_AS(validated({runs, "--rows", "kor-0001", "--page", ""}), boost::program_options::error);
  fs::remove_all(folder);
}
