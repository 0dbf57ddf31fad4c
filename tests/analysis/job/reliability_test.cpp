#include "analysis/job/reliability.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "sim/base/errors.hpp"
#include "sim/base/scenario_files.hpp"
#include "tests/analysis/job/published_jobs.hpp"

namespace trainyard {
namespace {

// Tests run side by side.
std::string test_file() {
  return (std::filesystem::temp_directory_path() / fmt::format("trainyard-reliability-test-{}.yaml", getpid()))
      .string();
}

using Catch::Contains;
using testing::hour;

double mttf_hours(const std::string& profile, int nodes) {
  return mean_time_to_failure(load_reliability(profile), nodes)->value / hour;
}

// A file that is gone when the test ends.
class ProfileFile {
 public:
  explicit ProfileFile(const std::string& text) : path_(test_file()) { std::ofstream(path_) << text; }
  ~ProfileFile() { std::filesystem::remove(path_); }
  ProfileFile(const ProfileFile&) = delete;
  ProfileFile& operator=(const ProfileFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string with_constant(const std::string& line) {
  return "kind: reliability\nname: mine\ninherits: large-cluster\nconstants:\n  " + line + "\n";
}

TEST_CASE("every shipped profile is complete and every constant names its source") {
  const std::vector<std::string> names = scenario_names("profiles/reliability");
  CHECK(names.size() >= 5);
  for (const std::string& name : names) {
    INFO(name);
    const ReliabilityProfile profile = load_reliability(name);
    CHECK(profile.name == name);
    for (const Provenance& p : profile.provenance) CHECK_FALSE(p.source.empty());
  }
}

TEST_CASE("16384 GPUs of Llama 3 fail every 3.09 hours") {
  // 54 x 24 h / 419 unexpected interruptions = 3.093 h (arXiv 2407.21783, table 5)
  CHECK(mttf_hours("meta-llama3-h100", 2048) == Approx(54.0 * 24 / 419).epsilon(1e-3));
}

TEST_CASE("RSC-1's rate gives the published projections") {
  // 1000 x 24 h / (2048 x 6.5) = 1.80 h and / (16384 x 6.5) = 0.225 h (arXiv 2410.21680: 1.8 h and 0.23 h).
  CHECK(mttf_hours("meta-rsc1-a100", 2048) == Approx(1.80).margin(0.005));
  CHECK(mttf_hours("meta-rsc1-a100", 16384) == Approx(0.225).margin(0.0005));
}

TEST_CASE("OPT-175B was interrupted every seven and a half hours") {
  CHECK(mttf_hours("opt-175b-a100", 124) == Approx(7.5).margin(0.01));
}

TEST_CASE("machines that never fail have no mean time between failures") {
  CHECK_FALSE(mean_time_to_failure(load_reliability("no-failures"), 2048));
}

TEST_CASE("a pool holds its share of spares, at least one") {
  ReliabilityProfile profile;
  profile.spare_policy = SparePolicy::pool;
  profile.spare_share = 0.02;
  CHECK(spare_nodes(profile, 2048) == 41);
  CHECK(spare_nodes(profile, 8) == 1);
  profile.spare_policy = SparePolicy::unlimited;
  CHECK_FALSE(spare_nodes(profile, 8));
}

TEST_CASE("spares run out as the Poisson distribution says") {
  // Mean 2: 1 - e^-2 (1 + 2 + 2) = 0.32332
  CHECK(shortage_probability(2, 12_s, 24_s) == Approx(0.32332).margin(1e-5));
  CHECK(shortage_probability(0, 12_s, 0_s) == 0);
}

TEST_CASE("a wrong profile is refused where it is wrong") {
  const auto refusal = [](const std::string& line, const std::string& message) {
    const ProfileFile file(with_constant(line));
    INFO(line);
    CHECK_THROWS_AS(load_reliability(file.path()), InputError);
    CHECK_THROWS_WITH(load_reliability(file.path()), Contains(message) && Contains(".yaml:5:"));
  };
  refusal("detect: {value: -3min, source: me}", "negative");
  refusal("detect: {value: 3 weeks, source: me}", "unknown unit");
  refusal("gpu_speed_sigma: {value: .nan, source: me}", "finite number");
  refusal("gpu_speed_sigma: {value: 1.5, source: me}", "outside");
  refusal("weibull_shape: {value: 0, source: me}", "outside");
  refusal("storage_bandwidth: {value: 0, source: me}", "more than zero");
  refusal("checkpoint_mode: {value: asynchronous, source: me}", "asynchronous");
  refusal("detekt: {value: 3min, source: me}", "detect");
  refusal("detect: {value: 3min}", "source");
}

TEST_CASE("a profile without one of its constants is refused by the constant's name") {
  const ProfileFile file("kind: reliability\nname: mine\nconstants: {}\n");
  CHECK_THROWS_WITH(load_reliability(file.path()), Contains("gpu_speed_sigma"));
}

TEST_CASE("profiles that inherit in a circle are refused") {
  const ProfileFile file("kind: reliability\nname: mine\ninherits: " + test_file() + "\n");
  CHECK_THROWS_WITH(load_reliability(file.path()), Contains("circle"));
}

TEST_CASE("the command line replaces constants, also inherited ones") {
  const ReliabilityProfile profile =
      load_reliability("meta-llama3-h100", {{"detect", "90s"}, {"checkpoint_mode", "synchronous"}});
  CHECK(profile.detect == 90_s);
  CHECK(profile.checkpoint_mode == CheckpointMode::synchronous);
  CHECK(profile.initialise == load_reliability("meta-llama3-h100").initialise);
  CHECK_THROWS_AS(load_reliability("meta-llama3-h100", {{"detekt", "90s"}}), InputError);
  CHECK_THROWS_AS(load_reliability("meta-llama3-h100", {{"detect.value", "90s"}}), InputError);
  CHECK_THROWS_AS(load_reliability("meta-llama3-h100", {{"detect", "soon"}}), InputError);
}

}  // namespace
}  // namespace trainyard
