// The real binary, as a shell runs it: exit codes, which stream says what, and that no input makes it crash.
#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/process.hpp"

namespace trainyard::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using Catch::StartsWith;
using nlohmann::json;
using Words = std::vector<std::string>;

const std::string scenario = "llama3-70b-64xh100";  // of scenarios/: feasible and fits

ProcessResult trainyard(Words args, const ProcessInput& input = {}) {
  args.insert(args.begin(), TRAINYARD_BINARY);
  return run_process(args, input);
}

// Files of one test case, deleted again.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("trainyard_cli_test_{}", getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

void check_usage_error(const ProcessResult& result, const std::string& message) {
  CHECK(result.exit_code == 2);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, Contains(message));
}

TEST_CASE("alone it shows its commands on stderr and exits 2") {
  const ProcessResult result = trainyard({});
  check_usage_error(result, "usage: trainyard COMMAND");
}

TEST_CASE("--help shows every command on stdout and ends with an example") {
  const ProcessResult result = trainyard({"--help"});
  CHECK(result.exit_code == 0);
  CHECK(result.err.empty());
  for (const char* command :
       {"simulate", "topology", "memory", "estimate", "validate", "compare", "import", "help", "version"})
    CHECK_THAT(result.out, Contains(fmt::format("\n  {} ", command)));
  CHECK_THAT(result.out, Contains("example:\n  trainyard "));
}

TEST_CASE("--help works on every command, exits 0 and ends with an example") {
  for (const char* command :
       {"simulate", "topology", "memory", "estimate", "validate", "compare", "import", "help", "version"}) {
    INFO(command);
    const ProcessResult result = trainyard({command, "--help"});
    CHECK(result.exit_code == 0);
    CHECK(result.err.empty());
    CHECK_THAT(result.out, Contains("xample:\n"));
    CHECK_THAT(result.out, Contains("trainyard " + std::string(command == std::string("help") ? "" : command)));
  }
}

TEST_CASE("help COMMAND is COMMAND --help") {
  CHECK(trainyard({"help", "simulate"}).out == trainyard({"simulate", "--help"}).out);
  check_usage_error(trainyard({"help", "simulat"}), "there is no command 'simulat'");
}

TEST_CASE("the version is one line") {
  CHECK(trainyard({"--version"}).out == trainyard({"version"}).out);
  CHECK_THAT(trainyard({"version"}).out, StartsWith("trainyard "));
}

TEST_CASE("an unknown command or option gets a hint and where to read on") {
  check_usage_error(trainyard({"simulat", scenario}),
                    "there is no command 'simulat' (did you mean 'simulate'? see trainyard --help)");
  check_usage_error(trainyard({"simulate", scenario, "--jsn"}),
                    "unknown option '--jsn', did you mean '--json'? (see trainyard simulate --help)");
  check_usage_error(trainyard({"simulate", scenario, "--gran=layer"}), "--gran");  // no abbreviations
  check_usage_error(trainyard({"memory", scenario, "--trace", "a.pftrace"}), "--trace");
}

TEST_CASE("wrong usage names what is wrong") {
  check_usage_error(trainyard({"simulate"}), "SCENARIO is missing");
  check_usage_error(trainyard({"simulate", scenario, "again"}), "too many arguments");
  check_usage_error(trainyard({"simulate", scenario, "--set", "plan.tp"}), "--set wants KEY=VALUE");
  check_usage_error(trainyard({"simulate", scenario, "--granularity", "atom"}), "block, layer or operator, not 'atom'");
  check_usage_error(trainyard({"simulate", scenario, "--trace", "a.txt"}), ".pftrace, .pftrace.gz");
  check_usage_error(trainyard({"compare", scenario}), "B is missing");
}

TEST_CASE("a scenario that is not there is named, and so is an unknown key of --set") {
  check_usage_error(trainyard({"simulate", "no-such-scenario"}), "no-such-scenario");
  check_usage_error(trainyard({"simulate", scenario, "--set", "plan.tensor_parallel_sise=4"}), "tensor_parallel_sise");
}

TEST_CASE("nonsense instead of a scenario is an input error, never a crash") {
  const Folder folder;
  std::string junk(4096, '\0');
  for (std::size_t i = 0; i < junk.size(); ++i) junk[i] = static_cast<char>((i * 7919U + i / 13U) % 256U);
  const std::string head = "model: llama3-70b\ncluster: dgx-h100\nnodes: 8\n";
  const std::string workload = "workload: {sequence_length: 8192, global_batch_size: 128, precision: bf16}\n";
  const Words paths = {
      folder.path(),
      folder.file("empty.yaml", ""),
      folder.file("junk.yaml", junk),
      folder.file("scalar.yaml", "42\n"),
      folder.file("list.yaml", "- 1\n- 2\n"),
      folder.file("deep.yaml", std::string(2000, '[')),
      folder.file("keyless.yaml", "model: llama3-70b\n"),
      folder.file("unknown.yaml", head + workload + "plann: {tp: 1}\n"),
      folder.file("twice.yaml", head + head + workload),
      folder.file("huge.yaml", head + workload + "plan: {tensor_model_parallel_size: 99999999999999999999999}\n"),
      folder.file("negative.yaml", head + workload + "plan: {tensor_model_parallel_size: -8}\n"),
      folder.file("words.yaml", head + "workload: {sequence_length: many, global_batch_size: 128, precision: bf16}\n"),
      folder.file("nodes.yaml", "model: llama3-70b\ncluster: dgx-h100\nnodes: 1e99\n" + workload),
  };
  for (const std::string& path : paths)
    for (const Words& command :
         {Words{"simulate", path, "--json"}, Words{"memory", path}, Words{"compare", path, path}}) {
      const ProcessResult result = trainyard(command);
      INFO(command[0] << " " << path << ": " << result.err);
      CHECK(result.signal == 0);
      CHECK(result.exit_code == 2);
      CHECK(result.out.empty());
      CHECK_FALSE(result.err.empty());
    }
}

TEST_CASE("simulate --json is one object on a clean stdout, with the keys of the contract") {
  const ProcessResult result = trainyard({"simulate", scenario, "--json", "--no-experiments"});
  REQUIRE(result.exit_code == 0);
  CHECK(result.err.empty());
  const json object = json::parse(result.out);
  for (const char* key : {"schema_version", "step_time_s", "step_time_p10_s", "step_time_p90_s", "tokens_per_s_per_gpu",
                          "model_tflops_per_gpu", "mfu", "flops_convention", "breakdown_s", "communication", "memory",
                          "diagnosis", "engine", "events", "wall_time_s", "inputs_hash"}) {
    INFO(key);
    CHECK(object.contains(key));
  }
  double sum = 0;
  for (const json& term : object["breakdown_s"]) sum += term.get<double>();
  CHECK(sum == Approx(object["step_time_s"].get<double>()).epsilon(1e-6));
  CHECK(object["memory"]["fits"] == true);
  CHECK(object["step_time_p10_s"] <= object["step_time_s"]);
  CHECK(object["step_time_s"] <= object["step_time_p90_s"]);
}

TEST_CASE("the memory command tells what simulate tells of memory") {
  const json alone = json::parse(trainyard({"memory", scenario, "--json"}).out);
  const json whole = json::parse(trainyard({"simulate", scenario, "--json", "--no-experiments"}).out);
  CHECK(alone["per_stage"] == whole["memory"]["per_stage"]);
  CHECK(alone["limit_bytes"] == whole["memory"]["limit_bytes"]);
}

TEST_CASE("the same inputs give the same answer") {
  json first = json::parse(trainyard({"simulate", scenario, "--json"}).out);
  json second = json::parse(trainyard({"simulate", scenario, "--json"}).out);
  first.erase("wall_time_s");
  second.erase("wall_time_s");
  CHECK(first == second);
}

TEST_CASE("a plan that cannot run exits 3 with every reason, as text and as JSON") {
  const Words change = {"--set", "plan.tp=7"};
  for (const char* command : {"simulate", "memory"}) {
    const ProcessResult text = trainyard({command, scenario, change[0], change[1]});
    CHECK(text.exit_code == 3);
    CHECK_THAT(text.out, Contains("the plan cannot run"));
    const ProcessResult result = trainyard({command, scenario, change[0], change[1], "--json"});
    CHECK(result.exit_code == 3);
    CHECK(result.err.empty());
    const json object = json::parse(result.out);
    CHECK(object["feasible"] == false);
    CHECK_FALSE(object["problems"].empty());
  }
}

TEST_CASE("a plan that does not fit exits 3 with the whole report") {
  const Words args = {
      "simulate",        scenario,     "--set", "plan.tp=1",          "--set", "plan.pp=1",
      "--set",           "plan.vpp=1", "--set", "plan.schedule=1f1b", "--set", "plan.sequence_parallel=false",
      "--no-experiments"};
  const ProcessResult result = trainyard(args);
  CHECK(result.exit_code == 3);
  CHECK_THAT(result.out, Contains("does not fit"));
  CHECK_THAT(result.out, Contains("step time"));
}

TEST_CASE("compare shows two scenarios, and --set-b changes only the second") {
  const ProcessResult same = trainyard({"compare", scenario, scenario});
  CHECK(same.exit_code == 0);
  CHECK_THAT(same.out, Contains("both take the same time"));
  const json object = json::parse(
      trainyard({"compare", scenario, "--set-b", "plan.vpp=1", "--set-b", "plan.schedule=1f1b", "--json"}).out);
  CHECK(object["a"]["plan"]["num_virtual_stages_per_pipeline_rank"] == 5);
  CHECK(object["b"]["plan"]["num_virtual_stages_per_pipeline_rank"] == 1);
}

TEST_CASE("simulate writes a trace beside the answer") {
  const Folder folder;
  for (const char* name : {"a.pftrace", "a.pftrace.gz"}) {
    const std::string path = folder.path() + "/" + name;
    CHECK(trainyard({"simulate", scenario, "--no-experiments", "--trace", path}).exit_code == 0);
    CHECK(fs::file_size(path) > 1000);
  }
}

TEST_CASE("a trace that cannot be written fails with its name") {
  const ProcessResult result =
      trainyard({"simulate", scenario, "--no-experiments", "--trace", "/nonexistent/a.pftrace"});
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, Contains("/nonexistent/a.pftrace"));
}

TEST_CASE("a full disk under stdout is a failure, not a success") {
  const ProcessResult result = trainyard({"simulate", scenario, "--no-experiments"},
                                         {.text = {}, .environment = {}, .stdout_file = "/dev/full"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("cannot write"));
}

TEST_CASE("text for a file has no escape sequences, and no UTF-8 without a UTF-8 locale") {
  const ProcessResult plain = trainyard({"simulate", scenario, "--no-experiments"},
                                        {.text = {}, .environment = {"LC_ALL=C"}, .stdout_file = {}});
  for (const char c : plain.out) REQUIRE((c == '\n' || (c >= ' ' && c <= '~')));
  const ProcessResult unicode = trainyard({"simulate", scenario, "--no-experiments"},
                                          {.text = {}, .environment = {"LC_ALL=C.UTF-8"}, .stdout_file = {}});
  CHECK_THAT(unicode.out, Contains("█") && !Contains("\x1b"));
}

}  // namespace
}  // namespace trainyard::testing
