#include "sim/base/yaml_reader.hpp"

#include <catch2/catch.hpp>

using namespace trainyard;

namespace {
std::string error_of(const std::string& text, void (*read)(YamlMapping&)) {
  try {
    YamlMapping mapping(read_yaml_text(text, "plan.yaml"));
    read(mapping);
    mapping.finish();
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}
void read_tp(YamlMapping& m) { m.required("tensor_model_parallel_size").as_int(1, 1024); }
}  // namespace

TEST_CASE("an unknown key is named with its place and the nearest known one") {
  CHECK(error_of("tensor_model_parallel_size: 8\ntensor_model_paralel_size: 8\n", read_tp) ==
        "plan.yaml:2:1: unknown key 'tensor_model_paralel_size' (did you mean 'tensor_model_parallel_size'?)");
}
TEST_CASE("a duplicate key is an error") {
  CHECK(error_of("tensor_model_parallel_size: 8\ntensor_model_parallel_size: 4\n", read_tp) ==
        "plan.yaml:2:1: duplicate key 'tensor_model_parallel_size'");
}
TEST_CASE("a missing key is an error") {
  CHECK(error_of("{}", read_tp) == "plan.yaml:1:1: missing key 'tensor_model_parallel_size'");
}
TEST_CASE("a number of the wrong type or range is an error at its place") {
  CHECK(error_of("tensor_model_parallel_size: eight\n", read_tp) ==
        "plan.yaml:1:29: tensor_model_parallel_size must be a whole number, not 'eight'");
  CHECK(error_of("tensor_model_parallel_size: 1e3\n", read_tp) ==
        "plan.yaml:1:29: tensor_model_parallel_size must be a whole number, not '1e3'");
  CHECK(error_of("tensor_model_parallel_size: 0\n", read_tp) ==
        "plan.yaml:1:29: tensor_model_parallel_size is 0, outside 1 to 1024");
  CHECK(error_of("tensor_model_parallel_size: 99999999999999999999\n", read_tp) ==
        "plan.yaml:1:29: tensor_model_parallel_size is 99999999999999999999, outside 1 to 1024");
}
TEST_CASE("broken YAML, an empty file and several documents are errors") {
  CHECK_THROWS_AS(read_yaml_text("a: [1,\n  2\nx: 3\n", "f"), InputError);
  CHECK_THROWS_AS(read_yaml_text("", "f"), InputError);
  CHECK_THROWS_AS(read_yaml_text("a: 1\n---\nb: 2\n", "f"), InputError);
  CHECK_THROWS_AS(read_yaml_file("/no/such/file.yaml"), InputError);
}
TEST_CASE("two spellings of one setting are an error") {
  YamlMapping m(read_yaml_text("tp: 2\ntensor_model_parallel_size: 2\n", "f"));
  CHECK_THROWS_AS(m.optional_of({"tensor_model_parallel_size", "tp"}), InputError);
}
TEST_CASE("an override replaces or creates a nested value and leaves the document alone") {
  const YamlValue document = read_yaml_text("plan: {tp: 2}\n", "f");
  YamlMapping top(with_override(document, "plan.tp", "4"));
  YamlMapping plan(top.required("plan"));
  CHECK(plan.required("tp").as_int(1, 8) == 4);
  YamlMapping created(with_override(document, "workload.sequence_length", "128"));
  CHECK(YamlMapping(created.required("workload")).required("sequence_length").as_int(1, 4096) == 128);
  CHECK(YamlMapping(YamlMapping(document).required("plan")).required("tp").as_int(1, 8) == 2);
  CHECK_THROWS_AS(with_override(document, "plan.tp.x", "4"), InputError);
}
