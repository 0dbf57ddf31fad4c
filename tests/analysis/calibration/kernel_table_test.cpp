#include <catch2/catch.hpp>

#include <filesystem>

#include "analysis/calibration/kernel_table.hpp"
#include "analysis/calibration/measurements_file.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

const std::string gemm_header = "dtype,m,n,k,latency_us\n";
const std::string attention_header = "kernel,batch,seq_len,heads,kv_heads,head_dim,latency_us\n";
const std::string nccl_header = "gpu,nccl,operation,dtype,gpus,bytes,latency_us\n";

Measurements read(const std::string& text, MeasurementChoices choices = {}) {
  REQUIRE(is_kernel_table(text));
  return read_kernel_table(text, "t.csv", choices);
}

std::string refusal(const std::string& text, MeasurementChoices choices = {}) {
  try {
    read(text, std::move(choices));
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("A table of GEMMs by its columns, in any order") {
  const Measurements m = read("k,n,m,latency_us,dtype,comment\n128,64,32,2.5,bfloat16,x\r\n256,64,32,3,fp8_block,\n");
  REQUIRE(m.gemms.size() == 2);
  CHECK(m.gemms[0].gemm.m == 32);
  CHECK(m.gemms[0].gemm.n == 64);
  CHECK(m.gemms[0].gemm.k == 128);
  CHECK(m.gemms[0].gemm.type == DataType::bf16);
  CHECK(m.gemms[0].time.value == Approx(2.5e-6));
  CHECK(m.gemms[0].where.line == 2);
  CHECK(m.gemms[1].gemm.type == DataType::fp8);
  CHECK(m.gemms[1].block_scaled);
}

TEST_CASE("A table of attention kernels is causal and forward") {
  const Measurements m = read(attention_header + "flash,2,4096,32,8,128,812.5\n");
  REQUIRE(m.attentions.size() == 1);
  const AttentionSample& s = m.attentions[0];
  CHECK(s.attention.sequences == 2);
  CHECK(s.attention.length == 4096);
  CHECK(s.attention.heads == 32);
  CHECK(s.kv_heads == 8);
  CHECK(s.attention.d_qk == 128);
  CHECK(s.attention.d_v == 128);
  CHECK(s.attention.causal);
  CHECK_FALSE(s.attention.backward);
}

TEST_CASE("Of a table of several GPUs one must be named") {
  const std::string text = nccl_header +
                           "H100,2.9.1,all_reduce,half,8,1048576,30\nH100,2.27.3,alltoall,half,8,2097152,20\n" +
                           "A100,2.27.3,all_reduce,half,8,1048576,40\n";
  CHECK_THAT(refusal(text), Contains("--device A100 | H100"));
  const Measurements m = read(text, {.ranks = 0, .nodes = 0, .operation = {}, .device = "h100"});
  REQUIRE(m.collectives.size() == 2);
  CHECK(m.collectives[0].nccl == "2.9.1");
  CHECK(m.collectives[1].kind == CollectiveKind::all_to_all);
  CHECK(m.collectives[1].size == Bytes(2097152));  // what a rank sends in total, as nccl-tests prints it
  CHECK(m.machines.at(0).device == "H100");
  CHECK_THAT(refusal(text, {.ranks = 0, .nodes = 0, .operation = {}, .device = "MI300"}), Contains("A100, H100"));
}

TEST_CASE("Repeated shapes are repeated measurements") {
  CHECK(read(gemm_header + "bfloat16,1,32,32,2.4\nbfloat16,1,32,32,2.6\n").gemms.size() == 2);
}

TEST_CASE("Rows that are no measurement are refused with line and column") {
  const auto [row, place] = GENERATE(table<std::string, std::string>({
      {"bfloat16,1,32,32,nan", "t.csv:2:18"},
      {"bfloat16,1,32,32,inf", "t.csv:2:18"},
      {"bfloat16,1,32,32,-3", "t.csv:2:18"},
      {"bfloat16,1,32,32,0", "t.csv:2:18"},
      {"bfloat16,1,32,32,", "t.csv:2:18"},
      {"bfloat16,1,32,32,2.5us", "t.csv:2:18"},
      {"bfloat16,0,32,32,2.5", "t.csv:2:10"},
      {"bfloat16,-1,32,32,2.5", "t.csv:2:10"},
      {"bfloat16,1.5,32,32,2.5", "t.csv:2:10"},
      {"bfloat16,1,99999999999999999999,32,2.5", "t.csv:2:12"},
      {"bfloat16,1,32,3000000000,2.5", "t.csv:2:15"},
      {"int4,1,32,32,2.5", "t.csv:2:1"},
      {"bfloat16,1,32", "t.csv:2: 3 fields"},
      {"bfloat16,1,32,32,2.5,7", "t.csv:2: 6 fields"},
      {"bfloat16,1,32,32,2.", "accepted"},
  }));
  CAPTURE(row);
  CHECK_THAT(refusal(gemm_header + row + "\n"), Contains(place));
}

TEST_CASE("Collective rows of one rank, of unknown operations or sizes are refused") {
  for (const std::string row : {"H100,2.9,all_reduce,half,1,1024,30", "H100,2.9,reduce,half,8,1024,30",
                                "H100,2.9,all_reduce,half,8,0,30", "H100,2.9,all_reduce,half,8,1e300,30"}) {
    CAPTURE(row);
    CHECK_THAT(refusal(nccl_header + row + "\n"), Contains("t.csv:2:"));
  }
}

TEST_CASE("A header without rows is refused, and other tables are not recognised") {
  CHECK_THAT(refusal(gemm_header), Contains("no rows"));
  CHECK_FALSE(is_kernel_table("id,model,step_time\n"));
  CHECK_FALSE(is_kernel_table(""));
}

TEST_CASE("A table of 143 000 published GEMMs is read whole") {
  const std::filesystem::path file =
      std::filesystem::path(TRAINYARD_SOURCE_DIR) / "../shared/data/kernels/gemm_b200_sxm.csv.gz";
  if (!std::filesystem::exists(file)) {
    WARN("skipped: there is no published table beside the source tree");
    return;
  }
  CHECK(read_measurements_file(file.string(), {}).gemms.size() == 142968);  // lines of the file less its header
}
