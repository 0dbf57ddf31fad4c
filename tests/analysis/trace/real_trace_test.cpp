// Reading traces of PyTorch's profiler: a small one with known sums, and what is none.
#include "analysis/trace/real_trace.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "sim/base/errors.hpp"
#include "tests/analysis/trace/kineto_files.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

// In the layout of torch 2.x on one H100 (kineto's output_json.cpp), cut down to what two steps of a two-rank run need;
// times in microseconds. Step 1 [1000, 2000] on the GPU, step 2 [2000, 3000] and to 3000 by the host's annotation.
//
//   stream 7   GEMM [1000, 1400]  flash [1400, 1500]  norm [1500, 1600]   |  GEMM [2000, 2500] adam [2500, 2600]
//   stream 20  all-gather [1300, 1700]                                    |  all-reduce [2700, 2900]
//   stream 7   copy [1800, 1850]                                          |  unknown [2950, 3000]
constexpr const char* small_trace = R"-({
  "schemaVersion": 1,
  "deviceProperties": [
    {
      "id": 3, "name": "NVIDIA H100 80GB HBM3", "totalGlobalMem": 85029158912, "computeMajor": 9, "computeMinor": 0
    }
  ],
  "cupti_version": 24, "cuda_runtime_version": 12040,
  "distributedInfo": {"backend": "nccl", "rank": 1, "world_size": 2, "pg_count": 1, "pg_config": [{"pg_name": "0", "pg_desc": "default_pg", "backend_config": "cuda:nccl", "pg_size": 2, "ranks": [0, 1]}], "nccl_version": "2.20.5"},
  "displayTimeUnit": "ms",
  "baseTimeNanoseconds": 1727760000000000000,
  "traceEvents": [
  {
    "ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 4242, "tid": 4242,
    "ts": 900.125, "dur": 33.001,
    "args": {
      "External id": 5,"Record function id": 0, "Concrete Inputs": ["", ""], "Input type": ["c10::BFloat16", "c10::BFloat16"], "Input Dims": [[8192, 8192], [8192, 8192]], "Ev Idx": 4
    }
  },
  {
    "ph": "X", "cat": "user_annotation", "name": "ProfilerStep#1", "pid": 4242, "tid": 4242,
    "ts": 880.000, "dur": 1010.000, "args": { "External id": 1 }
  },
  {
    "ph": "X", "cat": "user_annotation", "name": "ProfilerStep#2", "pid": 4242, "tid": 4242,
    "ts": 1890.000, "dur": 1000.000, "args": { "External id": 2 }
  },
  { "ph": "X", "cat": "gpu_user_annotation", "name": "ProfilerStep#1", "pid": 3, "tid": 7, "ts": 1000.000, "dur": 850.000, "args": {} },
  { "ph": "X", "cat": "gpu_user_annotation", "name": "ProfilerStep#1", "pid": 3, "tid": 20, "ts": 1300.000, "dur": 400.000, "args": {} },
  { "ph": "X", "cat": "gpu_user_annotation", "name": "ProfilerStep#2", "pid": 3, "tid": 7, "ts": 2000.000, "dur": 1000.000, "args": {} },
  { "ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 4242, "tid": 4242, "ts": 905.000, "dur": 5.000, "args": { "External id": 5, "cbid": 211, "correlation": 7 } },
  { "ph": "s", "id": 7, "pid": 4242, "tid": 4242, "ts": 905.000, "cat": "ac2g", "name": "ac2g" },
  {
    "ph": "X", "cat": "kernel", "name": "nvjet_tst_192x192_64x3_2x1_v_bz_coopB_NTN", "pid": 3, "tid": 7,
    "ts": 1000.000, "dur": 400.000,
    "args": {
      "External id": 5, "queued": 0, "device": 3, "context": 1, "stream": 7, "correlation": 7, "registers per thread": 168,
      "shared memory": 213040, "blocks per SM": 1.000000, "warps per SM": 12.000000, "grid": [2, 66, 1], "block": [384, 1, 1], "est. achieved occupancy %": 19
    }
  },
  { "ph": "f", "id": 7, "pid": 3, "tid": 7, "ts": 1000.000, "cat": "ac2g", "name": "ac2g", "bp": "e" },
  { "ph": "X", "cat": "kernel", "name": "void flash_fwd_kernel<Flash_fwd_kernel_traits<128, 128, 64, 4>>(Flash_fwd_params)", "pid": 3, "tid": 7, "ts": 1400.000, "dur": 100.000, "args": { "device": 3, "stream": 7 } },
  { "ph": "X", "cat": "kernel", "name": "void transformer_engine::normalization::rmsnorm_fwd_general_kernel<X>", "pid": 3, "tid": 7, "ts": 1500.000, "dur": 100.000, "args": { "device": 3, "stream": 7 } },
  {
    "ph": "X", "cat": "kernel", "name": "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)", "pid": 3, "tid": 20,
    "ts": 1300.000, "dur": 400.000,
    "args": { "device": 3, "stream": 20, "Collective name": "_allgather_base", "In msg nelems": 4194304, "Out msg nelems": 8388608, "Group size": 2, "dtype": "BFloat16", "Process Group Name": "1", "Process Group Description": "TENSOR_MODEL_PARALLEL_GROUP", "Process Group Ranks": "[0, 1]" }
  },
  { "ph": "X", "cat": "gpu_memcpy", "name": "Memcpy DtoH (Device -> Pinned)", "pid": 3, "tid": 7, "ts": 1800.000, "dur": 50.000, "args": { "device": 3, "stream": 7, "bytes": 4 } },
  { "ph": "X", "cat": "kernel", "name": "nvjet_tst_192x192_64x3_2x1_v_bz_coopB_NTN", "pid": 3, "tid": 7, "ts": 2000.000, "dur": 500.000, "args": { "device": 3, "stream": 7 } },
  { "ph": "X", "cat": "kernel", "name": "void multi_tensor_apply_kernel<TensorListMetadata<4>, AdamFunctor<float, float, int>>", "pid": 3, "tid": 7, "ts": 2500.000, "dur": 100.000, "args": { "device": 3, "stream": 7 } },
  { "ph": "X", "cat": "kernel", "name": "ncclKernel_AllReduce_RING_LL_Sum_float(ncclWorkElem)", "pid": 3, "tid": 20, "ts": 2700.000, "dur": 200.000, "args": { "device": 3, "stream": 20 } },
  { "ph": "X", "cat": "kernel", "name": "a_kernel_of_our_own", "pid": 3, "tid": 7, "ts": 2950.000, "dur": 50.000, "args": { "device": 3, "stream": 7 } },
  { "name": "process_name", "ph": "M", "ts": 1000.000, "pid": 3, "tid": 0, "args": { "name": "python3" } },
  { "ph": "X", "cat": "Trace", "ts": 800.000, "dur": 2300.000, "pid": "Spans", "tid": "PyTorch Profiler", "name": "PyTorch Profiler (0)", "args": { "Op count": 0 } }
  ],
  "traceName": "worker_1.pt.trace.json"
})-";

class Files : public TemporaryFolder {
 public:
  Files() : TemporaryFolder("trainyard-real-trace") {}
  std::string plain(const std::string& text, const std::string& name = "trace.json") const {
    std::ofstream(file(name), std::ios::binary) << text;
    return file(name);
  }
  std::string compressed(const std::string& text, const std::string& name = "trace.json.gz") const {
    const gzFile out = gzopen(file(name).c_str(), "wb");
    REQUIRE(gzwrite(out, text.data(), static_cast<unsigned>(text.size())) == static_cast<int>(text.size()));
    REQUIRE(gzclose(out) == Z_OK);
    return file(name);
  }
};

std::string error_of(const std::string& path) {
  try {
    read_real_trace(path);
  } catch (const InputError& e) {
    CHECK(e.where().file == path);
    return e.message();
  }
  return "no error";
}

std::string one_kernel(const std::string& members) {
  return R"({"traceEvents": [{"ph": "X", "cat": "kernel", "name": "gemm", "pid": 0, "tid": 7)" + members + "}]}";
}

Seconds us(double t) { return Seconds(t * 1e-6); }

}  // namespace

TEST_CASE("a small trace has the sums that its comment has") {
  const Files files;
  for (const std::string& path : {files.plain(small_trace), files.compressed(small_trace)}) {
    const RealTrace trace = read_real_trace(path);
    CHECK(trace.rank == 1);
    CHECK(trace.world_size == 2);
    CHECK(trace.device_name == "NVIDIA H100 80GB HBM3");
    CHECK(trace.device == 3);
    CHECK(trace.devices == 1);
    CHECK_FALSE(trace.simulated);
    CHECK(trace.steps == std::vector<StepWindow>{{1'000'000, 2'000'000}, {2'000'000, 3'000'000}});
    const GpuActivity a = trace.activity();
    const auto works = [&](WorkCategory c) { return a.works[code_of({c})]; };
    // Means of the two steps.
    CHECK(a.step.value == Approx(us(1000).value));
    CHECK(works(WorkCategory::gemm).busy.value == Approx(us((400 + 500) / 2.0).value));
    CHECK(works(WorkCategory::attention).busy.value == Approx(us(100 / 2.0).value));
    CHECK(works(WorkCategory::memory_bound).busy.value == Approx(us(100 / 2.0).value));
    CHECK(works(WorkCategory::optimizer).busy.value == Approx(us(100 / 2.0).value));
    CHECK(works(WorkCategory::other).busy.value == Approx(us(50 / 2.0).value));
    const WorkTime gather = a.works[code_of({WorkCategory::collective, CollectiveKind::all_gather, Axis::tp})];
    CHECK(gather.busy.value == Approx(us(400 / 2.0).value));
    CHECK(gather.exposed.value == Approx(us(100 / 2.0).value));  // [1600, 1700]
    CHECK(gather.calls == 0.5);
    const WorkTime reduce = a.works[code_of({WorkCategory::collective, CollectiveKind::all_reduce})];
    CHECK(reduce.exposed.value == Approx(us(200 / 2.0).value));
    CHECK(a.compute.value == Approx(us((600 + 650) / 2.0).value));
    CHECK(a.exposed_copies.value == Approx(us(50 / 2.0).value));
    CHECK(a.idle.value == Approx(us((1000 - 600 - 100 - 50 + 1000 - 650 - 200) / 2.0).value));
    REQUIRE(trace.other_kernels.size() == 1);
    CHECK(trace.other_kernels[0].name == "a_kernel_of_our_own");
    CHECK(trace.other_kernels[0].time.value == Approx(us(50).value));
    CHECK(trace.kernel_time.value == Approx(us(400 + 100 + 100 + 400 + 50 + 500 + 100 + 200 + 50).value));
  }
}

TEST_CASE("traces of PyTorch 1.x: capital categories, streams as text, a bare list of events") {
  const Files files;
  // As a test of pytorch/kineto's tb_plugin has them.
  const RealTrace trace = read_real_trace(files.plain(R"-([
    {"ph": "X", "cat": "Kernel", "name": "ncclKernel_AllReduce_RING_LL_Sum_float(ncclWorkElem)", "pid": 0, "tid": "stream 16",
     "ts": 162, "dur": 1556, "args": {
    "device" : 0, "correlation" : 33218, "external id" : 2513}
},
    {"ph": "X", "cat": "Memcpy", "name": "Memcpy DtoD (Device -> Device)", "pid": 0, "tid": "stream 7", "ts": 100, "dur": 2}
  ])-",
                                                      "worker0_rank_12.json"));
  CHECK(trace.rank == 12);
  CHECK(trace.whole_span);
  CHECK(trace.steps == std::vector<StepWindow>{{100'000, 1'718'000}});
  CHECK(trace.activity().exposed_collectives.value == Approx(us(1556).value));
}

TEST_CASE("of several GPUs the busiest is looked at") {
  const Files files;
  const RealTrace trace = read_real_trace(files.plain(R"({"traceEvents": [
    {"ph": "X", "cat": "kernel", "name": "gemm", "pid": 0, "ts": 0, "dur": 5, "args": {"device": 0}},
    {"ph": "X", "cat": "kernel", "name": "gemm", "pid": 1, "ts": 0, "dur": 9, "args": {"device": 1}}]})"));
  CHECK(trace.devices == 2);
  CHECK(trace.device == 1);
  CHECK(trace.intervals.size() == 1);
  CHECK_FALSE(trace.rank.has_value());
}

TEST_CASE("what cannot be read as a trace says what it is and where it breaks off") {
  const Files files;
  CHECK(error_of(files.file("nowhere.json")).find("cannot be read") == 0);
  CHECK(error_of(files.path()) == "is a folder, not a trace");
  CHECK(error_of(files.plain("")) == "the JSON is cut off, after 0 bytes");
  CHECK(error_of(files.plain("plan: {tp: 8}\n")) == "is not JSON at byte 1");
  CHECK(error_of(files.plain("{}")) == "is no trace: it has no traceEvents");
  CHECK(error_of(files.plain("[]")) == "holds no GPU kernel");
  CHECK(error_of(files.plain("17")) == "is no trace: it has no traceEvents");
  CHECK(error_of(files.plain(R"({"traceEvents": {"ph": "X"}})")) == "is no trace: it has no traceEvents");
  CHECK(error_of(files.plain(R"({"traceEvents": [1, "text", null, [[]], {"ph": "X"}]})")) == "holds no GPU kernel");
  CHECK(error_of(files.plain(std::string("\x1f\x8b\x00garbage", 10))).find("cannot be decompressed") == 0);
  CHECK(error_of(files.plain(std::string(4096, '\0'))) == "is not JSON at byte 1");
  CHECK(error_of(files.plain(std::string("{\"traceEvents\": [\xff\xfe]}"))).find("is not JSON at byte") == 0);
}

TEST_CASE("a trace that is cut off anywhere is refused, compressed or not") {
  const Files files;
  const std::string text = small_trace;
  for (std::size_t size = 0; size + 1 < text.size(); size += 97) {
    const std::string error = error_of(files.plain(text.substr(0, size)));
    INFO("after " << size << " bytes");
    CHECK(error.find("cut off") != std::string::npos);
  }
  const std::string path = files.compressed(text);
  std::ifstream in(path, std::ios::binary);
  const std::string packed(std::istreambuf_iterator<char>(in), {});
  for (std::size_t size = 20; size < packed.size(); size += 61) {
    INFO("after " << size << " bytes of " << packed.size());
    CHECK(error_of(files.plain(packed.substr(0, size), "cut.json.gz")).find("cut off") != std::string::npos);
  }
}

TEST_CASE("a trace with a flipped byte in its compressed text is refused") {
  const Files files;
  const std::string path = files.compressed(small_trace);
  std::ifstream in(path, std::ios::binary);
  std::string packed(std::istreambuf_iterator<char>(in), {});
  packed[packed.size() / 2] = static_cast<char>(packed[packed.size() / 2] ^ 0x20);
  CHECK(error_of(files.plain(packed, "flipped.json.gz")) != "no error");
}

TEST_CASE("GPU events without a sensible time are left out and counted") {
  const Files files;
  const char* const senseless[] = {R"(, "ts": -1e300, "dur": 1)",
                                   R"(, "ts": 1, "dur": -5)",
                                   R"(, "ts": 1, "dur": 1e18)",
                                   R"(, "ts": "1", "dur": 1)",
                                   R"(, "ts": 1)",
                                   R"(, "dur": 1)",
                                   R"(, "ts": null, "dur": 1)",
                                   R"(, "ts": 1, "dur": [1])",
                                   R"(, "ts": 18446744073709551615, "dur": 1)"};
  for (const char* members : senseless) {
    INFO(members);
    CHECK(error_of(files.plain(one_kernel(members))) == "holds no GPU kernel");
  }
  const RealTrace trace = read_real_trace(files.plain(R"({"traceEvents": [
    {"ph": "X", "cat": "kernel", "name": "gemm", "ts": 1, "dur": -5},
    {"ph": "X", "cat": "kernel", "name": "gemm", "ts": 1, "dur": 5, "args": {"device": -7}}]})"));
  CHECK(trace.skipped_events == 1);
  CHECK(trace.device == 0);
}

TEST_CASE("kernels of no length, odd steps and repeated keys do no harm") {
  const Files files;
  const RealTrace zero = read_real_trace(files.plain(one_kernel(R"(, "ts": 5, "dur": 0)")));
  CHECK(zero.activity().step.value == 0);
  const RealTrace odd = read_real_trace(files.plain(R"({"traceEvents": [
    {"ph": "X", "cat": "user_annotation", "name": "ProfilerStep#99999999999999999999", "ts": 0, "dur": 10},
    {"ph": "X", "cat": "user_annotation", "name": "ProfilerStep#", "ts": 0, "dur": 10},
    {"ph": "X", "cat": "user_annotation", "name": "ProfilerStep#-3", "ts": 0, "dur": 10},
    {"ph": "X", "cat": "kernel", "cat": "kernel", "name": "a", "name": "gemm", "ts": 1, "ts": 2, "dur": 5}],
    "traceEvents": [{"ph": "X", "cat": "kernel", "name": "gemm", "ts": 8, "dur": 1}], "distributedInfo": {"rank": -4}})"));
  CHECK(odd.steps == std::vector<StepWindow>{{0, 10'000}});
  CHECK(odd.intervals.size() == 2);
  CHECK_FALSE(odd.rank.has_value());
}

TEST_CASE("deep nesting and names without end are read in bounded memory") {
  const Files files;
  constexpr std::size_t depth = 200'000;
  const std::string nested = std::string(depth, '[') + std::string(depth, ']');
  const std::string name(1'000'000, 'x');
  const RealTrace trace = read_real_trace(
      files.plain(R"({"other": )" + nested + R"(, "traceEvents": [{"ph": "X", "cat": "kernel", "name": ")" + name +
                  R"(", "ts": 1, "dur": 1, "args": {"device": 0, "deep": )" + nested + "}}]}"));
  CHECK(trace.intervals.size() == 1);
  CHECK(trace.other_kernels[0].name.size() <= 16'384);
}

TEST_CASE("names beyond count share one line") {
  const Files files;
  std::string text = R"({"traceEvents": [)";
  constexpr int names = 20'010;
  for (int i = 0; i < names; ++i)
    text += R"({"ph": "X", "cat": "kernel", "name": "mine)" + std::to_string(i) + R"(", "ts": 1, "dur": 1},)";
  text.back() = ']';
  const RealTrace trace = read_real_trace(files.plain(text + "}"));
  CHECK(trace.other_kernels.size() == 20'001);
  CHECK(trace.other_kernels[0].name == "(further names)");  // ten of them: the longest
  CHECK(trace.other_kernels[0].calls == 10);
}

TEST_CASE("a trace is told from a scenario by its ending and its text") {
  const Files files;
  CHECK(looks_like_trace(files.plain(small_trace)));
  CHECK(looks_like_trace(files.plain(R"([{"ph": "X"}])")));
  CHECK(looks_like_trace("anything.json.gz"));
  const std::string pipe = files.plain("") + ".json";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(looks_like_trace(pipe));  // without waiting for a writer
  unlink(pipe.c_str());
  CHECK_FALSE(looks_like_trace(files.plain(R"({"model": "llama3-8b"})")));
  CHECK_FALSE(looks_like_trace(files.plain(small_trace, "trace.yaml")));
  CHECK_FALSE(looks_like_trace("llama3-70b-64xh100"));
}
