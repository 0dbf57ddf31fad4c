#include "sim/cli/job_command.hpp"

#include <boost/program_options/errors.hpp>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/base/errors.hpp"
#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

using Catch::Contains;

struct Answer {
  int code = 0;
  std::string out;
};
Answer job(const std::vector<std::string>& args) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  const int code = job_command(args, in, out, err);
  CHECK(err.str().empty());
  return {code, out.str()};
}
// With the arguments that every job needs.
Answer llama(std::vector<std::string> more) {
  std::vector<std::string> args = {"llama3-70b-64xh100", "--tokens", "1T", "--replicas", "50"};
  args.insert(args.end(), more.begin(), more.end());
  return job(args);
}

TEST_CASE("a whole job is predicted from a scenario") {
  const Answer answer = llama({"--json", "--price-per-gpu-hour", "2.5"});
  CHECK(answer.code == 0);
  const nlohmann::json object = nlohmann::json::parse(answer.out);
  CHECK(object["gpus"] == 64);
  // 128 sequences of 8192 tokens a step
  CHECK(object["steps"] == 953675);
  CHECK(object["cost"].get<double>() == Approx(2.5 * object["gpu_hours"].get<double>()));
  CHECK(object["checkpoint"]["bytes"].get<double>() == Approx(14 * 70'553'706'496.0));
  CHECK_THAT(llama({}).out, Contains("Where the time goes"));
}

TEST_CASE("the scenario's and the reliability's settings are told apart") {
  const nlohmann::json object = nlohmann::json::parse(
      llama({"--json", "--set", "nodes=16", "--set", "reliability.detect=90s", "--reliability", "meta-rsc1-a100"}).out);
  CHECK(object["gpus"] == 128);
  CHECK(object["reliability"]["name"] == "meta-rsc1-a100");
  // 1000 days / (16 nodes x 6.5)
  CHECK(object["mttf_s"].get<double>() == Approx(1000.0 * 86400 / 16 / 6.5));
}

TEST_CASE("a job without hope answers with exit code 3") {
  CHECK(llama({"--mttf", "1s"}).code == 3);
  CHECK(llama({"--mttf", "never"}).code == 0);
}

TEST_CASE("a plan that cannot run or does not fit answers with exit code 3") {
  CHECK(llama({"--set", "plan.tp=7"}).code == 3);
  const Answer full = llama({"--set", "plan.mbs=64", "--json"});
  CHECK(full.code == 3);
  CHECK(nlohmann::json::parse(full.out)["feasible"] == false);
}

TEST_CASE("wrong options are usage errors that name the option") {
  const auto refuse = [](const std::vector<std::string>& args, const std::string& message) {
    INFO(message);
    CHECK_THROWS_AS(job(args), boost::program_options::error);
    CHECK_THROWS_WITH(job(args), Contains(message));
  };
  const std::string s = "llama3-70b-64xh100";
  refuse({s}, "--tokens");
  refuse({s, "--tokens", "15G"}, "--tokens");
  refuse({s, "--tokens", "nan"}, "--tokens");
  refuse({s, "--tokens", "1T", "--checkpoint-interval", "often"}, "--checkpoint-interval");
  refuse({s, "--tokens", "1T", "--mttf", "0s"}, "--mttf");
  refuse({s, "--tokens", "1T", "--price-per-gpu-hour", "nan"}, "--price-per-gpu-hour");
  refuse({s, "--tokens", "1T", "--price-per-gpu-hour=-1"}, "--price-per-gpu-hour");
  refuse({s, "--tokens", "1T", "--price-per-gpu-hour", "1e308"}, "--price-per-gpu-hour");
  refuse({s, "--tokens", "1T", "--replicas", "0"}, "--replicas");
  refuse({s, "--tokens", "1T", "--seed=-1"}, "--seed");
  refuse({s, "--tokens", "1T", "--token", "1"}, "unknown option");
  CHECK_THROWS_AS(job({s, "--tokens", "1T", "--reliability", "no-such-profile"}), InputError);
  CHECK_THROWS_AS(job({s, "--tokens", "1T", "--set", "reliability.detekt=1s"}), InputError);
}

TEST_CASE("the help ends with an example") {
  const Answer help = job({"--help"});
  CHECK(help.code == 0);
  CHECK_THAT(help.out, Contains("example:\n  trainyard job llama3-70b-64xh100 --tokens 15T"));
}

TEST_CASE("a job's step is the simulated one") {
  const Job of = testing::hand_built_job();
  const SimulatedStep step = testing::hand_built_step();
  const JobStep result = job_step(of, step, 14);
  CHECK(result.step_time == step.result.step_time);
  CHECK(result.gpus == step.layout.world_size());
  CHECK(result.pipeline_stages == step.layout.pp);
  CHECK(result.micro_batches * step.plan.micro_batch_size * step.layout.dp == step.plan.global_batch_size);
  CHECK(result.checkpoint_bytes == Bytes(14 * result.parameters));
  CHECK((result.model_flops_per_step / result.step_time / result.gpus).value ==
        Approx(step.result.model_flops_per_gpu.value));
}

}  // namespace
}  // namespace trainyard
