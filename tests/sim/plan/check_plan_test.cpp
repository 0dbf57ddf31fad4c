#include "sim/plan/check_plan.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/sim/plan/small_cluster.hpp"

using namespace trainyard;
using namespace trainyard::test;
using Catch::Contains;

namespace {

struct Case {
  Plan plan = legal_plan();
  ModelShape model = llama3_70b();
  Workload workload = workload_8k();
  Cluster cluster = cluster_of(8, 8);

  std::vector<PlanProblem> problems() const { return check_plan(plan, model, workload, cluster); }
};

// The only problem of the case, as "axis: reason"; "" if there is none, all of them if there are several.
std::string problem(const Case& c) {
  std::string text;
  for (const PlanProblem& p : c.problems())
    text += fmt::format("{}{}{}: {}", text.empty() ? "" : "\n", p.unsupported ? "unsupported " : "", p.axis, p.reason);
  return text;
}

}  // namespace

TEST_CASE("a legal plan has no problems") { CHECK(problem(Case{}) == ""); }

TEST_CASE("the factors must make up the cluster, and the message says what would fit") {
  Case c;
  c.plan.data_parallel = 3;
  c.plan.global_batch_size = 3;
  CHECK(problem(c) ==
        "world: tensor_model_parallel_size 4 * context_parallel_size 1 * pipeline_model_parallel_size 4 * "
        "data_parallel_size 3 = 48 ranks, but the cluster has 64 GPUs (8 nodes of 8); data_parallel_size 4 would fit");
}

TEST_CASE("a replica that does not divide the cluster is named with the GPU counts that fit") {
  Case c;
  c.plan.pipeline_parallel = 5;
  c.plan.global_batch_size = 1;
  CHECK(problem(c) ==
        "world: the cluster's 64 GPUs (8 nodes of 8) are not divisible by tensor_model_parallel_size 4 * "
        "context_parallel_size 1 * pipeline_model_parallel_size 5 = 20 (60 or 80 would fit)");
}

TEST_CASE("a replica larger than the cluster is named") {
  Case c;
  c.cluster = cluster_of(1, 8);
  CHECK_THAT(problem(c),
             Contains("= 16 GPUs, but the cluster has 8") || Contains("needs 16 GPUs, but the cluster has 8"));
}

TEST_CASE("heads must be divisible by tp") {
  Case c;
  c.cluster = cluster_of(7, 8);
  c.plan.tensor_parallel = 7;
  c.plan.pipeline_parallel = 8;
  c.model.hidden = 7168;
  CHECK_THAT(problem(c), Contains("tp: 64 heads are not divisible by tensor_model_parallel_size 7"));
}

TEST_CASE("key-value heads may be replicated, but evenly") {
  Case c;
  c.plan.tensor_parallel = 16;
  c.plan.pipeline_parallel = 4;
  CHECK(problem(c) == "");  // 8 heads on 16 ranks: each held twice
  c.model.kv_heads = 6;
  CHECK(problem(c) == "tp: 6 key-value heads cannot be replicated evenly over tensor_model_parallel_size 16");
  c.plan.tensor_parallel = 4;
  CHECK(problem(c) == "tp: 6 key-value heads are not divisible by tensor_model_parallel_size 4");
}

TEST_CASE("ffn must be divisible by tp") {
  Case c;
  c.model.ffn = 28674;
  CHECK(problem(c) == "tp: ffn_hidden_size 28674 is not divisible by tensor_model_parallel_size 4");
}

TEST_CASE("sequence parallelism needs hidden and sequence divisible by tp") {
  Case c;
  c.plan.sequence_parallel = true;
  CHECK(problem(c) == "");
  c.model.hidden = 8190;
  CHECK(problem(c) ==
        "tp: hidden_size 8190 is not divisible by tensor_model_parallel_size 4, which sequence_parallel needs");
  c.model.hidden = 8192;
  c.workload.sequence_length = 8190;
  CHECK(problem(c) ==
        "tp: sequence_length 8190 is not divisible by tensor_model_parallel_size 4, which sequence_parallel needs");
  c.plan.sequence_parallel = false;
  CHECK(problem(c) == "");
}

TEST_CASE("sequence parallelism without tensor parallelism is no problem") {
  Case c;
  c.plan.tensor_parallel = 1;
  c.plan.sequence_parallel = true;
  CHECK(problem(c) == "");
}

TEST_CASE("context parallelism needs two slices of the sequence per rank") {
  Case c;
  c.plan.context_parallel = 2;
  c.workload.sequence_length = 8190;
  CHECK_THAT(problem(c), Contains("cp: sequence_length 8190 is not divisible by 2 * context_parallel_size 2 = 4"));
}

TEST_CASE("layers that split neither evenly nor with lighter ends name the pipelines that would") {
  Case c;
  c.cluster = cluster_of(3, 8);
  c.plan.pipeline_parallel = 6;
  c.plan.global_batch_size = 1;
  CHECK(problem(c) ==
        "pp: 80 layers do not split over pipeline_model_parallel_size 6 * num_virtual_stages_per_pipeline_rank 1 = 6 "
        "chunks: neither 80 nor 80 + 2 is divisible by 6; give layers_per_chunk, or use pipeline_model_parallel_size "
        "5 or 8");
}

TEST_CASE("k * chunks - 2 layers are legal: embedding and head count as one layer each") {
  Case c;
  c.model.layers = 126;  // Llama 3.1 405B on 16 stages
  c.plan.tensor_parallel = 4;
  c.plan.pipeline_parallel = 16;
  CHECK(problem(c) == "");
}

TEST_CASE("layers_per_chunk needs the right count and sum, and layers in every middle chunk") {
  Case c;
  c.plan.layers_per_chunk = {19, 20, 21};
  CHECK(problem(c) ==
        "pp: layers_per_chunk has 3 entries, but pipeline_model_parallel_size 4 * num_virtual_stages_per_pipeline_rank "
        "1 needs 4\npp: layers_per_chunk sums to 60, but the model has 80 layers");
  c.plan.layers_per_chunk = {40, 0, 20, 20};
  CHECK(problem(c) == "pp: layers_per_chunk gives chunk 1 of 4 0 layers; only the first and the last may be empty");
  c.plan.layers_per_chunk = {0, 40, 40, 0};
  CHECK(problem(c) == "");
  c.plan.layers_per_chunk = {-1, 41, 20, 20};
  CHECK(problem(c) == "pp: layers_per_chunk gives chunk 0 of 4 -1 layers; only the first and the last may be empty");
}

TEST_CASE("virtual stages need a pipeline") {
  Case c;
  c.plan.pipeline_parallel = 1;
  c.plan.virtual_stages = 2;
  c.plan.schedule = "interleaved";
  CHECK(problem(c) == "pp: num_virtual_stages_per_pipeline_rank 2 needs pipeline_model_parallel_size > 1");
}

TEST_CASE("virtual stages and the interleaved schedule need each other") {
  Case c;
  c.plan.virtual_stages = 2;
  CHECK(problem(c) == "schedule: num_virtual_stages_per_pipeline_rank 2 needs schedule interleaved, not 1f1b");
  c.plan.virtual_stages = 1;
  c.plan.schedule = "interleaved";
  CHECK(problem(c) ==
        "schedule: schedule interleaved needs num_virtual_stages_per_pipeline_rank > 1; with 1 it is 1f1b");
}

TEST_CASE("the global batch must be whole micro-batches on every replica") {
  Case c;
  c.plan.micro_batch_size = 4;
  c.plan.global_batch_size = 100;  // 4 * 4 = 16 per round
  CHECK(problem(c) ==
        "batch: global_batch_size 100 is not divisible by micro_batch_size 4 * data_parallel_size 4 = 16 (96 or 112 "
        "would fit)");
  c.plan.global_batch_size = 8;
  CHECK_THAT(problem(c), Contains("(16 would fit)"));
}

TEST_CASE("experts need a mixture-of-experts model and must be divisible") {
  Case c;
  c.plan.expert_parallel = 4;
  CHECK_THAT(problem(c), Contains("ep: expert_model_parallel_size 4 needs a mixture-of-experts model"));
  c.model.moe = MixtureOfExperts{.experts = 6, .top_k = 2, .expert_ffn = 28672};
  CHECK_THAT(problem(c), Contains("ep: 6 experts are not divisible by expert_model_parallel_size 4"));
}

TEST_CASE("the expert grid must fit the cluster") {
  Case c;
  c.model.moe = MixtureOfExperts{.experts = 128, .top_k = 2, .expert_ffn = 28672};
  c.plan.expert_parallel = 128;
  CHECK_THAT(problem(c), Contains("ep: 64 GPUs are not divisible by expert_tensor_parallel_size 4 * "
                                  "expert_model_parallel_size 128 * pipeline_model_parallel_size 4 = 2048"));
}

TEST_CASE("with a different expert grid pp must be the slowest axis") {
  Case c;
  c.model.moe = MixtureOfExperts{.experts = 8, .top_k = 2, .expert_ffn = 28672};
  c.plan.expert_parallel = 2;
  c.plan.rank_order = "tp-cp-ep-pp-dp";
  CHECK_THAT(problem(c), Contains("ep: rank_order 'tp-cp-ep-pp-dp' must end with pp"));
}

TEST_CASE("rank_order must name every axis once, ep may be left out") {
  Case c;
  c.plan.rank_order = "tp-cp-dp-pp";
  CHECK(problem(c) == "");
  for (const char* order :
       {"", "tp", "tp-cp-ep-dp", "tp-tp-cp-dp-pp", "tp-cp-ep-dp-pp-", "tp,cp,dp,pp", "TP-CP-DP-PP"}) {
    c.plan.rank_order = order;
    CHECK_THAT(problem(c), Contains("must name each of tp, cp, ep, dp, pp once"));
  }
}

TEST_CASE("explicit placement must list every GPU of every node once") {
  Case c;
  c.cluster = cluster_of(2, 4);
  c.plan.tensor_parallel = 2;
  c.plan.placement = PlacementKind::explicit_list;
  c.plan.explicit_placement = {{3, 2, 1, 0}, {0, 1, 2, 3}};
  CHECK(problem(c) == "");
  c.plan.explicit_placement = {{3, 2, 1, 0}};
  CHECK(problem(c) == "placement: placement lists 1 nodes, but the cluster has 2");
  c.plan.explicit_placement = {{3, 2, 1, 1}, {0, 1, 2}};
  CHECK(problem(c) ==
        "placement: placement names GPU 1 on node 0 twice\nplacement: placement lists 3 GPUs for node 1, but a node "
        "has 4");
  c.plan.explicit_placement = {{3, 2, 1, 4}, {0, 1, 2, -1}};
  CHECK(problem(c) ==
        "placement: placement names GPU 4 on node 0, but its GPUs are 0 to 3\nplacement: placement names GPU -1 on "
        "node 1, but its GPUs are 0 to 3");
}

TEST_CASE("every problem is reported at once") {
  Case c;
  c.plan.tensor_parallel = 7;
  c.plan.pipeline_parallel = 6;
  c.plan.schedule = "interleaved";
  c.plan.rank_order = "tp-pp";
  std::vector<std::string> axes;
  for (const PlanProblem& p : c.problems()) axes.push_back(p.axis);
  // rank order; 64 % 42; heads, kv heads and hidden; 80 layers on 6 stages; vpp 1
  CHECK(axes == std::vector<std::string>{"placement", "world", "tp", "tp", "pp", "schedule"});
}

TEST_CASE("absurd numbers end in messages, not in overflow") {
  const int largest = std::numeric_limits<int>::max(), smallest = std::numeric_limits<int>::min();
  for (int absurd : {0, -1, smallest, largest}) {
    for (int Plan::*size : {&Plan::tensor_parallel, &Plan::pipeline_parallel, &Plan::virtual_stages,
                            &Plan::context_parallel, &Plan::expert_parallel, &Plan::micro_batch_size}) {
      Case c;
      c.plan.*size = absurd;
      CHECK(problem(c) != "");
    }
    Case c;
    c.plan = {};
    c.plan.tensor_parallel = c.plan.pipeline_parallel = c.plan.virtual_stages = c.plan.data_parallel = absurd;
    c.plan.context_parallel = c.plan.expert_parallel = c.plan.expert_tensor_parallel = absurd;
    c.plan.micro_batch_size = c.plan.global_batch_size = absurd;
    c.plan.layers_per_chunk = {absurd, absurd};
    c.plan.explicit_placement = {{absurd}};
    c.plan.placement = PlacementKind::explicit_list;
    CHECK(c.problems().size() > 3);
    c.cluster.nodes = absurd;
    CHECK(c.problems().size() > 3);
    c.cluster.node.gpus.clear();
    c.model = {};
    c.workload.sequence_length = std::numeric_limits<std::int64_t>::max();
    CHECK(c.problems().size() > 3);
    c.plan.sequence_parallel = true;
    c.model.layers = c.model.heads = c.model.kv_heads = c.model.ffn = std::numeric_limits<std::int64_t>::max();
    c.plan.layers_per_chunk.clear();
    CHECK(c.problems().size() > 1);
  }
}

TEST_CASE("a size below one names its key") {
  Case c;
  c.plan.micro_batch_size = 0;
  CHECK(problem(c) == "batch: micro_batch_size is 0, must be at least 1");
}

TEST_CASE("resolved fills in data parallelism, expert tensor parallelism and the even split") {
  const Case c;
  const Plan plan = resolved(c.plan, c.model, c.cluster);
  CHECK(plan.data_parallel == 4);  // 64 / (4 * 4)
  CHECK(plan.expert_tensor_parallel == 4);
  CHECK(plan.layers_per_chunk == std::vector<int>{20, 20, 20, 20});
}

TEST_CASE("resolved gives the first and last chunk one layer fewer where the ends count") {
  Case c;
  c.model.layers = 30;  // 4 * 8 - 2
  c.plan.virtual_stages = 2;
  c.plan.schedule = "interleaved";
  CHECK(problem(c) == "");
  CHECK(resolved(c.plan, c.model, c.cluster).layers_per_chunk == std::vector<int>{3, 4, 4, 4, 4, 4, 4, 3});
}

TEST_CASE("resolving a resolved plan changes nothing") {
  const Case c;
  const Plan once = resolved(c.plan, c.model, c.cluster);
  CHECK(resolved(once, c.model, c.cluster) == once);
  CHECK(check_plan(once, c.model, c.workload, c.cluster).empty());
}

TEST_CASE("a batch of absurdly many micro-batches is refused, not simulated until memory runs out") {
  Case c;
  c.plan.global_batch_size = 1 << 30;
  CHECK_THAT(problem(c), Contains("batch: ") && Contains("more passes than are simulated"));
}
