#include "sim/cli/import_megatron_args.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "models/model_config.hpp"
#include "sim/plan/plan_yaml.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

struct Outcome {
  int code = 0;
  std::string out, err;
};

Outcome import(const std::vector<std::string>& args, const std::string& input) {
  std::istringstream in(input);
  std::ostringstream out, err;
  const int code = import_megatron_args(args, in, out, err);
  return {code, out.str(), err.str()};
}

const std::string command =
    "torchrun --nproc_per_node 8 --nnodes 16 pretrain_gpt.py --num-layers 96 --hidden-size 12288 "
    "--num-attention-heads 96 --seq-length 2048 --max-position-embeddings 2048 --micro-batch-size 1 "
    "--global-batch-size 1536 --fp16 --tensor-model-parallel-size 8 --pipeline-model-parallel-size 16 --turbo 3\n";

}  // namespace

TEST_CASE("the imported scenario holds model, cluster, workload and plan, and reads back") {
  const Outcome result = import({"-"}, command);
  CHECK(result.code == 0);
  YamlMapping scenario(read_yaml_text(result.out, "scenario.yaml"));
  CHECK(read_model(scenario.required("model"), "").hidden == 12288);
  CHECK(scenario.required("cluster").as_string() == "dgx-h100");
  CHECK(scenario.required("nodes").as_int(1, 1000) == 16);
  const PlanAndWorkload read = read_plan_and_workload(scenario.optional("plan"), scenario.required("workload"));
  CHECK(read.plan.tensor_parallel == 8);
  CHECK(read.plan.global_batch_size == 1536);
  CHECK(read.workload.precision == DataType::fp16);
  scenario.finish();
}

TEST_CASE("what was defaulted or not understood is said on stderr") {
  const Outcome result = import({"-"}, command);
  CHECK_THAT(result.err, Contains("# defaulted: --ffn-hidden-size: 49152\n"));
  CHECK_THAT(result.err, Contains("# not understood: --turbo 3\n"));
  CHECK_THAT(result.err, Contains("# cluster: dgx-h100 is a placeholder"));
}

TEST_CASE("an unusual number of GPUs per node is pointed out") {
  std::string four = command;
  four.replace(four.find("node 8"), 6, "node 4");
  CHECK_THAT(import({"-"}, four).err, Contains("the command starts 64 ranks, 4 per node, but dgx-h100 has 8"));
}

TEST_CASE("usage and file errors") {
  CHECK(import({}, "").code == 2);
  CHECK(import({"a", "b"}, "").code == 2);
  CHECK(import({"--fast"}, "").code == 2);
  const Outcome help = import({"--help"}, "");
  CHECK(help.code == 0);
  CHECK_THAT(help.out, Contains("example: trainyard import megatron-args"));
  CHECK_THROWS_AS(import({"/nonexistent/run.sh"}, ""), InputError);
  CHECK_THROWS_AS(import({"/"}, ""), InputError);
  CHECK_THROWS_AS(import({"-"}, ""), InputError);
}
