// Files of simulated ranks in the shape of PyTorch's profiler.
#include "analysis/trace/kineto_trace.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <set>

#include "analysis/trace/kineto_groups.hpp"
#include "analysis/trace/kineto_names.hpp"
#include "sim/base/errors.hpp"
#include "tests/analysis/trace/kineto_files.hpp"
#include "tests/support/hand_built_step.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

const Overrides small = {{"plan.gbs", "16"}, {"plan.vpp", "1"}, {"plan.schedule", "1f1b"}};

std::vector<Json> of_category(const Json& trace, const std::string& category) {
  std::vector<Json> events;
  for (const Json& event : trace["traceEvents"])
    if (event.value("cat", "") == category) events.push_back(event);
  return events;
}
std::vector<Json> collectives(const Json& trace, const std::string& description) {
  std::vector<Json> events;
  for (const Json& event : of_category(trace, "kernel"))
    if (event["args"].value("Process Group Description", "") == description) events.push_back(event);
  return events;
}

Simulated hand_built() { return {hand_built_job(), hand_built_step()}; }

}  // namespace

TEST_CASE("kernels of a hand-built stage stand where the step has them") {
  std::ostringstream out;
  const Simulated s = hand_built();
  write_kineto_trace(out, s.job, s.step, {RankId(8), 1, 1, 8});
  const Json trace = Json::parse(out.str());
  std::vector<std::pair<double, double>> compute, messages;
  for (const Json& kernel : of_category(trace, "kernel"))
    (kernel["args"]["stream"] == 7 ? compute : messages).emplace_back(kernel["ts"], kernel["dur"]);
  // The first step starts at 100 us; stage 1 computes F0 [1.5, 2.5] F1 [2.5, 4] B0 [4, 5.5] B1 [5.5, 7] ms.
  CHECK(compute ==
        std::vector<std::pair<double, double>>{{1600.0, 1000.0}, {2600.0, 1500.0}, {4100.0, 1500.0}, {5600.0, 1500.0}});
  // Receives at 1 and 2 ms, sends at 5.5 and 7 ms, half a millisecond each; the all-reduce in [9, 10] ms.
  std::sort(messages.begin(), messages.end());
  CHECK(messages == std::vector<std::pair<double, double>>{
                        {1100.0, 500.0}, {2100.0, 500.0}, {5600.0, 500.0}, {7100.0, 500.0}, {9100.0, 1000.0}});
}

TEST_CASE("a file says that it is simulated, by what and of what") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const Json trace = Json::parse(kineto_text(s, 9));
  CHECK(trace["distributedInfo"]["nccl_version"] == "simulated");
  CHECK(trace["traceName"].get<std::string>().starts_with("simulated "));
  CHECK(trace["simulated_by"].get<std::string>().starts_with("trainyard "));
  CHECK(trace["distributedInfo"]["rank"] == 9);
  CHECK(trace["distributedInfo"]["world_size"] == 64);
  CHECK(trace["deviceProperties"][0]["id"] == 1);  // rank 9 on nodes of 8 GPUs
  CHECK(trace["deviceProperties"][0]["numSms"] == s.job.profile.device.multiprocessors);
  for (const Json& event : trace["traceEvents"])
    if (event["name"] == "process_labels")
      CHECK(event["args"]["labels"].get<std::string>().find("simulated") != std::string::npos);
}

TEST_CASE("pids and streams are integers, and times have exactly three decimals") {
  std::istringstream lines(kineto_text(simulated("llama3-70b-64xh100", small), 0));
  std::size_t times = 0, wrong = 0;
  for (std::string line; std::getline(lines, line);)
    for (const std::string key : {"\"ts\": ", "\"dur\": "}) {
      const std::size_t at = line.find(key);
      if (at == std::string::npos) continue;
      ++times;
      const std::size_t begin = at + key.size(), dot = line.find('.', begin);
      const std::size_t end = line.find_first_of(",}", begin);
      wrong += dot == std::string::npos || end - dot != 4 ? 1 : 0;
    }
  CHECK(times > 1000);
  CHECK(wrong == 0);
  const Json trace = Json::parse(kineto_text(simulated("llama3-70b-64xh100", small), 0));
  for (const Json& event : trace["traceEvents"]) {
    REQUIRE(event["pid"].is_number_integer());
    REQUIRE(event["tid"].is_number_integer());
  }
}

TEST_CASE("tensor-parallel collectives carry their group, elements and type") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  REQUIRE(s.step.layout.tp == 8);
  const std::vector<Json> events = collectives(Json::parse(kineto_text(s, 14)), "TENSOR_MODEL_PARALLEL_GROUP");
  REQUIRE_FALSE(events.empty());
  std::set<std::string> names;
  for (const Json& event : events) {
    const Json& args = event["args"];
    CHECK(args["Process Group Ranks"] == "[8, 9, 10, 11, 12, 13, 14, 15]");
    CHECK(args["Group size"] == 8);
    names.insert(args["Collective name"]);
    if (args["Collective name"] != "_allgather_base") continue;
    // A micro-batch's activations of 8192 tokens and 8192 columns, of which every rank brings an eighth.
    CHECK(args["dtype"] == "BFloat16");
    CHECK(args["Out msg nelems"] == 8192 * 8192);
    CHECK(args["In msg nelems"] == 8192 * 8192 / 8);
  }
  CHECK(names == std::set<std::string>{"_allgather_base", "_reduce_scatter_base", "allreduce"});
}

TEST_CASE("expert-parallel groups are those of the expert grid, messages name both ends") {
  const Simulated s = simulated("mixtral-8x7b-64xh100", {{"plan.gbs", "64"}});
  const Json trace = Json::parse(kineto_text(s, 5));
  const std::vector<Json> tokens = collectives(trace, "EXPERT_MODEL_PARALLEL_GROUP");
  REQUIRE_FALSE(tokens.empty());
  const ExpertGrid grid = expert_grid(s.step.plan, 64);
  const RankGroup experts = grid.group(Axis::ep, RankId(5));
  std::vector<RankId> expected;
  for (int i = 0; i < experts.size; ++i) expected.push_back(experts.at(i));
  CHECK(tokens.front()["args"]["Process Group Ranks"] == ranks_text(expected, false));
  CHECK(tokens.front()["args"]["Collective name"] == "all_to_allv");
  const std::vector<Json> messages = collectives(trace, "PIPELINE_MODEL_PARALLEL_GROUP");
  REQUIRE_FALSE(messages.empty());
  const int stage_ranks = 64 / s.step.layout.pp;  // pp is the slowest axis: a neighbour is so many ranks away
  for (const Json& message : messages) {
    const int from = message["args"]["Src Rank"], to = message["args"]["Dst Rank"];
    CHECK((from == 5 || to == 5));
    CHECK((from - to) % stage_ranks == 0);
    CHECK((message["args"]["Collective name"] == "send") == (from == 5));
  }
}

TEST_CASE("a group's name is the same on all its members, and no other group's") {
  const Simulated s = simulated("mixtral-8x7b-64xh100", {{"plan.gbs", "64"}});
  std::map<std::string, std::string> ranks_of;
  for (const int rank : {0, 1, 2, 5, 33, 63}) {
    const Json trace = Json::parse(kineto_text(s, rank));
    for (const Json& group : trace["distributedInfo"]["pg_config"]) {
      const std::string description = group["pg_desc"].get<std::string>() + group["ranks"].get<std::string>();
      CHECK(ranks_of.try_emplace(group["pg_name"], description).first->second == description);
    }
    std::set<std::string> described;
    for (const Json& group : trace["distributedInfo"]["pg_config"]) described.insert(group["pg_name"]);
    for (const Json& kernel : of_category(trace, "kernel"))
      if (kernel["args"].contains("Process Group Name"))
        REQUIRE(described.contains(kernel["args"]["Process Group Name"].get<std::string>()));
  }
}

TEST_CASE("long lists of ranks are cut as PyTorch's profiler cuts them") {
  std::vector<RankId> ranks;
  for (int i = 0; i < 30; ++i) ranks.emplace_back(i);
  CHECK(ranks_text(ranks, false) == ranks_text(ranks, true));
  ranks.emplace_back(100);
  // 29 of them, then the last.
  CHECK(ranks_text(ranks, false).ends_with("27, 28, ..., 100]"));
  CHECK(ranks_text(ranks, true).ends_with("28, 29, 100]"));
}

TEST_CASE("kernels are named as the GPU's generation and the collective's algorithm have it") {
  Job job;
  const OperatorWork forward{{"qkv_proj", Gemm{.m = 1, .n = 1, .k = 1}}},
      backward{{"attention", Attention{.d_qk = 128, .backward = true}}};
  job.profile.device.compute_capability = 90;
  CHECK(kernel_name(job, forward, Phase::forward) == "nvjet_tst_qkv_proj_TNT");
  job.profile.device.compute_capability = 80;
  CHECK(kernel_name(job, forward, Phase::forward) == "ampere_bf16_s16816gemm_bf16_qkv_proj_tn");
  CHECK(kernel_name(job, backward, Phase::backward) ==
        "void flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<Flash_bwd_kernel_traits<128>>(Flash_bwd_params)");
  CollectiveCost cost;
  cost.algorithm = "ring";
  cost.protocol = "LL128";
  CHECK(collective_kernel_name(CollectiveKind::reduce_scatter, DataType::fp32, cost) ==
        "ncclDevKernel_ReduceScatter_Sum_f32_RING_LL128(ncclDevKernelArgsStorage<4096ul>)");
  cost.algorithm = "nvls-tree";
  cost.protocol = "Simple";
  CHECK(collective_kernel_name(CollectiveKind::all_reduce, DataType::bf16, cost) ==
        "ncclDevKernel_AllReduce_Sum_bf16_NVLS_TREE_SIMPLE(ncclDevKernelArgsStorage<4096ul>)");
  CHECK(collective_kernel_name(CollectiveKind::all_to_all, DataType::bf16, {}) ==
        "ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)");
}

TEST_CASE("memory events say what the allocator holds, and end where they began") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  const std::vector<Json> events = of_category(Json::parse(kineto_text(s, 0)), "cpu_instant_event");
  REQUIRE(events.size() > 2);
  std::int64_t held = 0, peak = 0;
  for (const Json& event : events) {
    CHECK(event["name"] == "[memory]");
    held += event["args"]["Bytes"].get<std::int64_t>();
    CHECK(event["args"]["Total Allocated"] == held);
    peak = std::max(peak, held);
  }
  CHECK(static_cast<double>(peak) == Approx(s.step.result.memory.stages[0].allocated.value).epsilon(1e-9));
}

TEST_CASE("every arrow leads from a launch to its kernel") {
  const Json trace = Json::parse(kineto_text(simulated("llama3-70b-64xh100", small), 0));
  std::map<std::int64_t, Json> starts, ends, launches, kernels;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] == "s") starts[event["id"]] = event["ts"];
    if (event["ph"] == "f") ends[event["id"]] = event["ts"];
    const std::string category = event.value("cat", "");
    if (category == "cuda_runtime") launches[event["args"]["correlation"]] = event["ts"];
    if (category == "kernel") kernels[event["args"]["correlation"]] = event["ts"];
  }
  CHECK(starts == launches);
  CHECK(ends == kernels);
  CHECK(starts.size() == ends.size());
}

TEST_CASE("what the host does stands on a thread of its own") {
  const Simulated s = simulated("llama3-70b-64xh100", small);
  double longest = 0;
  for (const Json& event : of_category(Json::parse(kineto_text(s, 0)), "cpu_op"))
    if (event["tid"] == 10001) longest = std::max(longest, event["dur"].get<double>());
  CHECK(longest == Approx(s.job.profile.stack.host_step.value * 1e6).margin(0.001));
}

TEST_CASE("files of ranks are made in a new folder, whole, and alike for like inputs") {
  const TemporaryFolder folder("trainyard-kineto");
  const Simulated s = hand_built();
  const std::vector<ShownRank> ranks = {{RankId(0), 0, 0, 8}, {RankId(8), 1, 1, 8}};
  const auto bytes = [](const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  write_kineto_traces(folder.file("new/folder"), s.job, s.step, ranks);
  write_kineto_traces(folder.file("again"), s.job, s.step, ranks);
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder.file("new/folder")))
    files.insert(entry.path().filename().string());
  CHECK(files == std::set<std::string>{"rank-0.json.gz", "rank-8.json.gz"});
  const std::string first = bytes(folder.file("new/folder/rank-0.json.gz"));
  CHECK(first.size() > 100);
  CHECK(first == bytes(folder.file("again/rank-0.json.gz")));
}

TEST_CASE("a folder that cannot be made is named") {
  const TemporaryFolder folder("trainyard-kineto-file");
  std::ofstream(folder.file("taken")) << "text";
  const Simulated s = hand_built();
  for (const std::string& target : {folder.file("taken"), folder.file("taken/below")}) try {
      write_kineto_traces(target, s.job, s.step, {{RankId(0), 0, 0, 8}});
      FAIL("no error");
    } catch (const InputError& e) {
      CHECK(e.where().file == target);
      CHECK(e.message().find("no folder") != std::string::npos);
    }
  // A folder where a rank's file should be.
  std::filesystem::create_directories(folder.file("out/rank-0.json.gz"));
  CHECK_THROWS_AS(write_kineto_traces(folder.file("out"), s.job, s.step, {{RankId(0), 0, 0, 8}}), InputError);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.file("out")), {}) == 1);  // no draft is left behind
}
