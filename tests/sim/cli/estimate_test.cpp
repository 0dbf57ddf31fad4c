#include "sim/cli/estimate_command.hpp"

#include <boost/program_options.hpp>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using UsageError = boost::program_options::error;

std::string estimate(const std::vector<std::string>& args) {
  std::ostringstream out;
  std::ostringstream err;
  REQUIRE(estimate_command(args, out, err) == 0);
  CHECK(err.str().empty());
  return out.str();
}
nlohmann::json json_of(std::vector<std::string> args) {
  args.emplace_back("--json");
  return nlohmann::json::parse(estimate(args));
}
void refuse(const std::vector<std::string>& args, const std::string& message) {
  std::ostringstream out;
  CHECK_THROWS_WITH(estimate_command(args, out, out), Contains(message));
  CHECK_THROWS_AS(estimate_command(args, out, out), UsageError);
  CHECK(out.str().empty());
}

TEST_CASE("params shows the sum and its result") {
  CHECK(estimate({"params", "llama3-8b"}) ==
        "525336576 embedding + 32 dense layers x 218112000 + 4096 final norm + 525336576 head = 8030261248\n"
        "llama3-8b: 8.030 B parameters\n");
}

TEST_CASE("params tells total from active experts") {
  CHECK_THAT(estimate({"params", "mixtral-8x7b"}), EndsWith("46.703 B parameters, 12.880 B active per token\n"));
  CHECK(json_of({"params", "mixtral-8x7b"})["active"] == 12'879'925'248);
}

TEST_CASE("flops names its convention") {
  const std::string text = estimate({"flops", "llama3-8b", "--sequence-length", "8192"});
  CHECK_THAT(text, Contains("5.1470e+10 FLOP per token"));
  CHECK_THAT(text, Contains("megatron-lm (causal attention, no recompute)"));
  CHECK(json_of({"flops", "gpt3-175b", "--convention", "6n"})["flops_convention"] == "6n");
}

TEST_CASE("training-state shows bytes per parameter") {
  CHECK(estimate({"training-state", "llama3-8b", "--dp", "8"}) ==
        "8030261248 dense parameters x (2 weights + 4 gradients + 1.5 optimizer = 7.5 B)\n"
        "llama3-8b: 56.09 GiB per rank on pipeline stage 0 of 1 (32 layers), the fullest\n");
}

TEST_CASE("training-state shards more with each ZeRO stage") {
  const auto bytes = [](const char* stage) {
    return json_of({"training-state", "llama3-8b", "--dp", "64", "--gradients", "bf16", "--zero",
                    stage})["bytes_per_dense_parameter"]
        .get<double>();
  };
  CHECK(bytes("0") == 16);
  CHECK(bytes("1") == 4.1875);
  CHECK(bytes("2") == 2.21875);
  CHECK(bytes("3") == 0.25);
}

TEST_CASE("kv-cache shows the per-token product") {
  CHECK(estimate({"kv-cache", "llama3-70b", "--tokens", "8192"}) ==
        "80 layers x 2 x 8 heads x 128 x 2 B = 327680 B per token, x 8192 tokens\n"
        "llama3-70b: 2.500 GiB of KV cache per rank and sequence\n");
  CHECK(json_of({"kv-cache", "deepseek-v3"})["bytes_per_token"] == 70272);
}

TEST_CASE("all-reduce shows bytes sent, time and bandwidths") {
  const nlohmann::json j =
      json_of({"all-reduce", "--bytes", "1GiB", "--ranks", "8", "--bandwidth", "450GB/s", "--latency", "5us"});
  CHECK(j["sent_bytes_per_rank"] == 1.75 * 1073741824);
  CHECK(j["time_s"].get<double>() == Approx(4.2456e-3).epsilon(1e-4));
  // busbw = algbw * 2 * 7/8
  CHECK(j["busbw_gbps"].get<double>() == Approx(1.75 * j["algbw_gbps"].get<double>()));
}

TEST_CASE("help goes to stdout and ends with an example") {
  CHECK_THAT(estimate({"--help"}), EndsWith("Example:\n  trainyard estimate params llama3-70b\n"));
  for (const char* what : {"params", "flops", "training-state", "kv-cache", "all-reduce"}) {
    INFO(what);
    const std::string help = estimate({what, "--help"});
    CHECK_THAT(help, Contains(std::string("Example:\n  trainyard estimate ") + what + " "));
  }
}

TEST_CASE("every example of the help runs") {
  for (const char* what : {"params", "flops", "training-state", "kv-cache", "all-reduce"}) {
    const std::string help = estimate({what, "--help"});
    std::istringstream words(help.substr(help.rfind("estimate ") + 9));
    const std::vector<std::string> args{std::istream_iterator<std::string>(words), {}};
    CHECK_FALSE(estimate(args).empty());
  }
}

TEST_CASE("numbers that mean nothing are usage errors") {
  const std::vector<std::string> ring = {"all-reduce", "--bytes", "1GiB", "--bandwidth", "450GB/s"};
  for (const char* ranks : {"0", "-8", "nan", "8.5", "1e3", "99999999999999999999", "", "8x"}) {
    std::vector<std::string> args = ring;
    args.push_back(std::string("--ranks=") + ranks);
    INFO(ranks);
    std::ostringstream out;
    CHECK_THROWS_AS(estimate_command(args, out, out), UsageError);
  }
  refuse({"all-reduce", "--bytes", "0", "--ranks", "8", "--bandwidth", "450GB/s"}, "--bytes: must be more than zero");
  refuse({"all-reduce", "--bytes", "1024", "--ranks", "8", "--bandwidth", "450GB/s"}, "no unit");
  refuse({"all-reduce", "--bytes", "1GiB", "--ranks", "8", "--bandwidth", "0GB/s"}, "--bandwidth: must be more");
  refuse({"all-reduce", "--bytes", "1GiB", "--ranks", "8"}, "--bandwidth is missing");
}

TEST_CASE("unknown words and options are usage errors") {
  refuse({}, "say what to estimate: params");
  refuse({"param", "llama3-8b"}, "did you mean 'params'?");
  refuse({"params"}, "a MODEL is missing");
  refuse({"params", "llama3-8b", "gpt2"}, "too many positional options");
  refuse({"kv-cache", "llama3-8b", "--token", "5"}, "unrecognised option '--token'");
  refuse({"kv-cache", "llama3-8b", "--dtype", "int4"}, "is not one of");
  refuse({"training-state", "llama3-8b", "--zero", "4"}, "--zero must be 0, 1, 2 or 3");
  refuse({"training-state", "llama3-8b", "--pp", "33"}, "more than the model's 32 layers");
  refuse({"training-state", "llama3-8b", "--tp", "3"}, "does not divide");
  refuse({"training-state", "llama3-8b", "--dp", "2", "--ep", "2"}, "does not divide the model's 0 experts");
}

TEST_CASE("an unknown model is an input error with a suggestion") {
  std::ostringstream out;
  CHECK_THROWS_AS(estimate_command({"params", "llama3-8"}, out, out), InputError);
  CHECK_THROWS_WITH(estimate_command({"params", "llama3-8"}, out, out), Contains("did you mean 'llama3-8b'?"));
}

}  // namespace
}  // namespace trainyard
