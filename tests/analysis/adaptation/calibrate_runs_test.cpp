#include "sim/cli/calibrate_runs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "analysis/adaptation/adaptation_rows.hpp"
#include "analysis/validation/shipped_presets.hpp"
#include "analysis/validation/simulated_prediction.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/errors.hpp"
#include "sim/cli/validate_command.hpp"

using namespace trainyard;
namespace po = boost::program_options;
namespace fs = std::filesystem;

namespace {

std::string file_named(const std::string& name) {
  return (fs::temp_directory_path() / fmt::format("trainyard_{}_{}", getpid(), name)).string();
}
std::string written(const std::string& name, const std::string& text) {
  std::ofstream(file_named(name), std::ios::binary) << text;
  return file_named(name);
}
std::string text_in(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

struct Answer {
  int code = 0;
  std::string out;
  std::string err;
};

Answer calibrated(const std::vector<std::pair<std::string, std::string>>& options, bool json = false) {
  po::variables_map given;
  for (const auto& [name, value] : options) given.insert({name, po::variable_value(boost::any(value), false)});
  if (json) given.insert({"json", po::variable_value(boost::any(), false)});
  std::ostringstream out, err;
  const int code = calibrate_runs(given, out, err);
  return {code, out.str(), err.str()};
}

constexpr std::string_view header =
    "id,split_group,hardware,gpus,gpus_per_node,model,seq_len,precision,global_batch,micro_batch,tp,pp,dp,"
    "zero_stage_or_fsdp,recompute,flash_attention,software,date,outcome,step_time_s\n";

// Llama-3-8B on 16 H100 at the given tp and micro-batch.
std::string line(int tp, int micro_batch, double seconds, std::string_view hardware = "DGX-H100-80GB-SXM") {
  return fmt::format(
      "tp{0}mbs{1},own,{2},16,8,llama3-8b,8192,bf16,128,{1},{0},1,{3},zero1,none,True,NeMo 24.12,2025-03,"
      "ok,{4:.9g}\n",
      tp, micro_batch, hardware, 16 / tp, seconds);
}

// What a machine would measure whose training GEMMs reach 0.85 of ours.
std::vector<std::string> slow_machine() {
  std::string table(header);
  for (const int tp : {1, 2, 4, 8})
    for (const int micro_batch : {1, 2}) table += line(tp, micro_batch, 1);
  const AdaptationProblem problem =
      adaptation_problem(parse_runs(table, "t"), shipped_mapping_rules(), shipped_presets());
  const Predictor predictor = simulated_prediction();
  std::vector<std::string> lines;
  for (const AdaptationRow& row : problem.rows) {
    Job job = row.job;
    job.profile.device.training_derate *= 0.85;
    const Seconds time = std::get<Prediction>(predictor(job)).step_time * row.time_scale;
    lines.push_back(line(job.plan.tensor_parallel, job.plan.micro_batch_size, time.value));
  }
  return lines;
}

std::string table_of(const std::vector<std::string>& lines, std::size_t first, std::size_t last) {
  std::string table(header);
  for (std::size_t i = first; i < last; ++i) table += lines[i];
  return table;
}

double mape(const std::string& table, const std::vector<std::string>& options) {
  std::vector<std::string> args = {table, "--json"};
  args.insert(args.end(), options.begin(), options.end());
  std::ostringstream out, err;
  validate_command(args, out, err);
  return nlohmann::json::parse(out.str())["groups"][0]["step_time"]["mape"].get<double>();
}

}  // namespace

TEST_CASE("calibrate --runs: three own rows, a profile, and the other plans are predicted better with it") {
  const std::vector<std::string> lines = slow_machine();
  REQUIRE(lines.size() == 8);
  const std::string teach = written("teach.csv", table_of(lines, 0, 3)),
                    test = written("test.csv", table_of(lines, 3, 8));
  const std::string profile = file_named("mine.yaml");
  const Answer answer = calibrated({{"runs", teach}, {"output", profile}});
  CHECK(answer.code == 0);
  CHECK_THAT(answer.out, Catch::Contains("tp1mbs1") && Catch::Contains("training_derate") &&
                             Catch::Contains("Not determined by these rows"));
  CHECK_THAT(answer.err, Catch::Contains("profile written to " + profile));
  CHECK(mape(test, {"--profile", profile}) < 0.5 * mape(test, {}));
  const Profile before = load_profile("h100-sxm-80gb", "infiniband", "nemo");
  const Profile after = with_profile_file(before, profile);
  CHECK(after.device.training_derate < before.device.training_derate);
  CHECK(after.device.name != before.device.name);
  CHECK(after.device.peak_half == before.device.peak_half);  // inherited
}

TEST_CASE("calibrate --runs starts from a profile of one part, which the new one inherits") {
  const std::string rows = written("rows.csv", table_of(slow_machine(), 0, 4));
  const std::string base = written("base.yaml",
                                   "kind: device\nname: ours\ninherits: h100-sxm-80gb\nconstants:\n"
                                   "  training_derate: {value: 0.8, source: \"ours\", sources: 1}\n");
  const std::string profile = file_named("from_base.yaml");
  CHECK(calibrated({{"runs", rows}, {"output", profile}, {"profile", base}}).code == 0);
  const Profile shipped = load_profile("h100-sxm-80gb", "infiniband", "nemo");
  CHECK(with_profile_file(shipped, profile).device.training_derate == Approx(0.78).margin(0.06));
  CHECK_THROWS_AS(calibrated({{"runs", rows}, {"profile", profile}}), InputError);  // several parts
}

TEST_CASE("calibrate --runs writes a profile per device that the rows ran on") {
  const std::string rows =
      written("two.csv", std::string(header) + line(1, 1, 5) + line(2, 1, 5) + line(4, 1, 9, "DGX-A100-80GB-SXM"));
  const std::string profile = file_named("two.yaml");
  CHECK(calibrated({{"runs", rows}, {"output", profile}}).code == 0);
  CHECK(fs::exists(profile));
  bool other = false;
  for (const auto& entry : fs::directory_iterator(fs::temp_directory_path()))
    other = other || entry.path().string().starts_with(file_named("two.a100-sxm-80gb."));
  CHECK(other);
  CHECK_THROWS_AS(calibrated({{"runs", rows}, {"output", "-"}}), po::error);
}

TEST_CASE("calibrate --runs to standard output leaves the report on standard error; JSON is one object") {
  const std::string rows = written("one.csv", table_of(slow_machine(), 0, 1));
  const Answer yaml = calibrated({{"runs", rows}, {"output", "-"}});
  CHECK_THAT(yaml.out, Catch::Contains("kind: profile") && !Catch::Contains("before s"));
  CHECK_THAT(yaml.err, Catch::Contains("before s"));
  const auto json = nlohmann::json::parse(calibrated({{"runs", rows}}, true).out);
  CHECK(json["rows"].size() == 1);
  CHECK(json["rows"][0]["after_s"].get<double>() > json["rows"][0]["before_s"].get<double>());
}

TEST_CASE("calibrate --runs refuses nonsense and says where") {
  const std::string good = written("good.csv", table_of(slow_machine(), 0, 1));
  CHECK_THROWS_AS(calibrated({{"runs", "/nonexistent.csv"}}), InputError);
  CHECK_THROWS_AS(calibrated({{"runs", written("empty.csv", "")}}), InputError);
  CHECK_THROWS_AS(calibrated({{"runs", written("binary.csv", std::string("\0\1\2", 3))}}), InputError);
  for (const char* seconds : {"nan", "-1", "0", "inf", "fast"}) {
    std::string row = line(1, 1, 1);
    row.replace(row.rfind(',') + 1, std::string::npos, std::string(seconds) + "\n");
    CHECK_THROWS_AS(calibrated({{"runs", written("bad.csv", std::string(header) + row)}}), InputError);
  }
  CHECK_THROWS_AS(calibrated({{"runs", good}, {"output", "/nonexistent/mine.yaml"}}), InputError);
  CHECK_THROWS_AS(calibrated({{"runs", good}, {"output", ""}}), po::error);
  CHECK_THROWS_AS(calibrated({{"runs", good}, {"profile", good}}), InputError);
  const Answer unusable = calibrated({{"runs", written("abacus.csv", std::string(header) + line(1, 1, 1, "abacus"))}});
  CHECK(unusable.code == 1);
  CHECK_THAT(unusable.out, Catch::Contains("abacus"));
  // A thousand times too slow: bounded, and the profile can be read.
  const std::string profile = file_named("absurd.yaml");
  CHECK(
      calibrated({{"runs", written("absurd.csv", std::string(header) + line(1, 1, 5e4))}, {"output", profile}}).code ==
      0);
  CHECK_FALSE(text_in(profile).empty());
  CHECK_NOTHROW(with_profile_file(load_profile("h100-sxm-80gb", "infiniband", "nemo"), profile));
}

TEST_CASE("calibrate --runs inherits from the given file even if its part is called like a shipped one") {
  const std::string rows = written("shadow.csv", table_of(slow_machine(), 0, 2));
  const std::string base = written("shadow.yaml",
                                   "kind: device\nname: h100-sxm-80gb\ninherits: h100-sxm-80gb\nconstants:\n"
                                   "  kernel_launch: {value: 123us, source: \"ours\", sources: 1}\n");
  const std::string profile = file_named("from_shadow.yaml");
  CHECK(calibrated({{"runs", rows}, {"output", profile}, {"profile", base}}).code == 0);
  const Profile shipped = load_profile("h100-sxm-80gb", "infiniband", "nemo");
  CHECK(with_profile_file(shipped, profile).device.kernel_launch.value == Approx(123e-6));
}

TEST_CASE("calibrate --runs says which rows are hardly credible, and what is not for it") {
  const std::vector<std::string> lines = slow_machine();
  const std::string rows = written("milliseconds.csv", table_of(lines, 0, 2) + line(4, 1, 9000));
  const Answer answer = calibrated({{"runs", rows}});
  CHECK_THAT(answer.out, Catch::Contains("note: tp4mbs1") && !Catch::Contains("note: tp1mbs1"));
  CHECK_THROWS_AS(calibrated({{"runs", rows}, {"plot", "fit.svg"}}), po::error);
  CHECK_THROWS_AS(calibrated({{"runs", rows}, {"base", "h100-sxm-80gb"}}), po::error);
}
