#include <boost/program_options.hpp>
#include <catch2/catch.hpp>
#include <sstream>

#include "models/model_config.hpp"
#include "sim/base/errors.hpp"
#include "sim/cli/import_command.hpp"

namespace trainyard {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

struct Outcome {
  int code;
  std::string out;
  std::string err;
};
Outcome import(const std::vector<std::string>& args, const std::string& standard_input) {
  std::istringstream in(standard_input);
  std::ostringstream out;
  std::ostringstream err;
  const int code = import_hf_config(args, in, out, err);
  return {code, out.str(), err.str()};
}

TEST_CASE("hf-config writes a model YAML that reads back, and its defaults to stderr") {
  const Outcome o = import({"-"}, R"({"model_type": "mixtral", "num_hidden_layers": 4, "odd_key": 1})");
  CHECK(o.code == 0);
  const ModelShape m = read_model(read_yaml_text(o.out, "stdout"), "x");
  CHECK(m.layers == 4);
  CHECK(m.moe->experts == 8);
  CHECK_THAT(o.err, Contains("num_local_experts = 8"));
  CHECK_THAT(o.err, Contains("keys without a meaning here: odd_key"));
}

TEST_CASE("hf-config names standard input in its errors") {
  CHECK_THROWS_WITH(import({"-"}, "{\"model_type\": \"llama\",\n \"hidden_size\": 0}"),
                    Contains("standard input:2:2: hidden_size is 0"));
}

TEST_CASE("hf-config without a file is a usage error") {
  CHECK_THROWS_AS(import({}, ""), boost::program_options::error);
  CHECK_THROWS_AS(import({"a", "b"}, ""), boost::program_options::error);
  CHECK_THROWS_AS(import({"--nope"}, ""), boost::program_options::error);
}

TEST_CASE("hf-config help ends with an example") {
  CHECK_THAT(import({"--help"}, "").out, EndsWith("import hf-config Llama-3.1-8B/config.json > my-model.yaml\n"));
}

}  // namespace
}  // namespace trainyard
