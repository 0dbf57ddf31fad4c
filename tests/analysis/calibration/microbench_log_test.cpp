#include <catch2/catch.hpp>

#include "analysis/calibration/microbench_log_json.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

const std::string environment =
    R"({"record":"environment","format":1,"program":"gemm","device":"NVIDIA H200","multiprocessors":132,)"
    R"("memory_bytes":150000000000,"sm_clock_mhz":1980,"memory_clock_mhz":3201,"memory_bus_bits":6144,)"
    R"("driver":"580.65.06","cuda_runtime":"13.0","date":"2026-11-22T10:00:00Z"})"
    "\n";
const std::string gemm =
    R"({"record":"gemm","dtype":"bf16","pass":"wgrad","layout":"NT","accumulate":true,"m":512,"n":1024,"k":2048,)"
    R"("time_s":1.5e-5,"spread":0.01,"samples":50,"converged":true,"verified":true,"error":1e-3})"
    "\n";

std::string end(int measurements) {
  return R"({"record":"end","program":"gemm","measurements":)" + std::to_string(measurements) + "}\n";
}

Measurements read(const std::string& text) {
  REQUIRE(is_microbench_log(text));
  return read_microbench_log(text, "r.jsonl");
}

std::string refusal(const std::string& text) {
  try {
    read_microbench_log(text, "r.jsonl");
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("An environment is a machine, a gemm record a GEMM") {
  const Measurements m = read(environment + gemm + end(1));
  REQUIRE(m.machines.size() == 1);
  CHECK(m.machines[0].device == "NVIDIA H200");
  CHECK(m.machines[0].multiprocessors == 132);
  // 3201 MHz x 6144 bit / 8 x 2 edges = 4916.7 GB/s.
  CHECK(m.machines[0].peak_bandwidth.value == Approx(4916.736e9));
  REQUIRE(m.gemms.size() == 1);
  CHECK(m.gemms[0].pass == GemmPass::wgrad);
  CHECK(m.gemms[0].gemm.weight_gradient);
  CHECK(m.gemms[0].gemm.accumulate);
  CHECK(m.gemms[0].gemm.k == 2048);
  CHECK(m.gemms[0].time.value == Approx(1.5e-5));
  CHECK(m.gemms[0].where.line == 2);
  CHECK(m.notes.empty());
}

TEST_CASE("Every kind of record goes where its fit looks for it") {
  const Measurements m = read(
      environment +
      R"({"record":"memory","kernel":"triad","bytes":3e9,"time_s":1e-3})"
      "\n"
      R"({"record":"launch","kernel":"empty","time_s":2e-6})"
      "\n"
      R"({"record":"elementwise","kernel":"rms_norm","fused":false,"bytes":1e9,"time_s":1e-3})"
      "\n"
      R"({"record":"reduction","kernel":"atomic","bytes":1e9,"time_s":1e-3})"
      "\n"
      R"({"record":"transpose","kernel":"naive","bytes":1e9,"time_s":1e-3})"
      "\n"
      R"({"record":"access","kernel":"strided","bytes":1e9,"time_s":1e-3})"
      "\n"
      R"({"record":"attention","kernel":"sdpa_flash","pass":"backward","dtype":"bf16","causal":false,"batch":2,"heads":32,"kv_heads":8,"length":4096,"head_dim":128,"time_s":1e-3})"
      "\n"
      R"({"record":"optimizer","kernel":"adam_unfused","bytes":1e9,"time_s":1e-3})"
      "\n"
      R"({"record":"copy","direction":"host_to_device","pinned":false,"bytes":1e9,"time_s":0.1})"
      "\n"
      R"({"record":"peer","from":0,"to":1,"direction":"unidirectional","bytes":1e9,"time_s":0.01})"
      "\n"
      R"({"record":"overlap","with":"all_reduce","alone_s":1e-3,"time_s":1.2e-3})"
      "\n"
      R"({"record":"overlap","with":"none","alone_s":1e-3,"time_s":1e-3})"
      "\n" +
      end(12));
  CHECK(m.memory.size() == 6);
  CHECK(m.memory[0].record == "memory");
  CHECK_FALSE(m.memory[1].fused);
  CHECK_FALSE(m.memory[5].fused);
  CHECK(m.launches.size() == 1);
  REQUIRE(m.attentions.size() == 1);
  CHECK(m.attentions[0].attention.backward);
  CHECK_FALSE(m.attentions[0].attention.causal);
  REQUIRE(m.copies.size() == 2);
  CHECK_FALSE(m.copies[0].pinned);
  CHECK(m.copies[1].direction == "peer");
  REQUIRE(m.overlaps.size() == 1);
  CHECK(m.overlaps[0].together.value == Approx(1.2e-3));
}

TEST_CASE("Wrong results are left out, unconverged ones kept, unknown kinds left out, all with notes") {
  std::string wrong = gemm, slow = gemm;
  wrong.replace(wrong.find("\"verified\":true"), 15, "\"verified\":false");
  slow.replace(slow.find("\"converged\":true"), 16, "\"converged\":false");
  const Measurements m = read(environment + gemm + wrong + slow +
                              R"({"record":"sparse","time_s":1})"
                              "\n" +
                              end(4));
  CHECK(m.gemms.size() == 2);
  REQUIRE(m.notes.size() == 3);
  CHECK_THAT(m.notes[0] + m.notes[1] + m.notes[2],
             Contains("r.jsonl:3") && Contains("wrong results") && Contains("not converged") && Contains("'sparse'"));
}

TEST_CASE("A run without its end is noted") {
  const Measurements m = read(environment + gemm);
  CHECK(m.gemms.size() == 1);
  REQUIRE(m.notes.size() == 1);
  CHECK_THAT(m.notes[0], Contains("cut short"));
}

TEST_CASE("Several programs of one GPU may share a file") {
  CHECK(read(environment + gemm + end(1) + environment + gemm + gemm + end(2)).gemms.size() == 3);
}

TEST_CASE("Records that do not fit together are refused with their line") {
  std::string other = environment, newer = environment;
  other.replace(other.find("NVIDIA H200"), 11, "NVIDIA B200");
  newer.replace(newer.find("\"format\":1"), 10, "\"format\":2");
  CHECK_THAT(refusal(environment + gemm + end(1) + other), Contains("r.jsonl:4") && Contains("NVIDIA B200"));
  CHECK_THAT(refusal(newer), Contains("r.jsonl:1") && Contains("format"));
  CHECK_THAT(refusal(gemm), Contains("before any environment"));
  CHECK_THAT(refusal(environment + gemm + end(2)), Contains("lines are lost"));
  CHECK_THAT(refusal(end(0)), Contains("before any environment"));
}

TEST_CASE("Values that are none are refused") {
  const auto [from, to] = GENERATE(table<std::string, std::string>({{"1.5e-5", "0"},
                                                                    {"1.5e-5", "-1"},
                                                                    {"1.5e-5", "null"},
                                                                    {"1.5e-5", "\"fast\""},
                                                                    {"1.5e-5", "1e999"},
                                                                    {"1.5e-5", "NaN"},
                                                                    {"\"m\":512", "\"m\":0"},
                                                                    {"\"m\":512", "\"m\":1.5"},
                                                                    {"\"m\":512", "\"m\":1e18"},
                                                                    {"\"m\":512,", ""},
                                                                    {"bf16", "bf17"},
                                                                    {"wgrad", "sideways"},
                                                                    {"\"verified\":true", "\"verified\":1"},
                                                                    {"{\"record\"", "{{\"record\""},
                                                                    {"\"gemm\"", "7"}}));
  std::string line = gemm;
  line.replace(line.find(from), from.size(), to);
  CAPTURE(line);
  CHECK_THAT(refusal(environment + line + end(1)), Contains("r.jsonl:2"));
}
