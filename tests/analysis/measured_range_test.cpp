// Warnings where a step leaves the shapes that a profile was measured on.
#include "analysis/measured_range.hpp"

#include <catch2/catch.hpp>

#include <initializer_list>

namespace trainyard {
namespace {

StepProgram program_with(std::initializer_list<Gemm> gemms) {
  StepProgram program;
  Segment segment;
  for (const Gemm& gemm : gemms) segment.steps.push_back(LayerStep{.work = Operator{"qkv_proj", gemm}});
  program.segments.push_back(segment);
  return program;
}

// Measured from 16 to 8192 rows and from 64 to 4096 columns and depth.
DeviceProfile measured_device() {
  DeviceProfile device;
  device.gemm.surface = {.m = {16, 8192}, .n = {64, 4096}, .k = {64, 4096}, .ratio = std::vector<double>(8, 1.0)};
  return device;
}

TEST_CASE("a GEMM inside the measured shapes, or within a factor of eight of them, is no reason to warn") {
  const DeviceProfile device = measured_device();
  CHECK(measured_range_warnings(program_with({{.m = 8192, .n = 4096, .k = 64}}), device).empty());
  CHECK(measured_range_warnings(program_with({{.m = 65536, .n = 32768, .k = 8}}), device).empty());
}

TEST_CASE("the GEMM furthest outside is named with its shape and the measured range") {
  const std::vector<std::string> warnings = measured_range_warnings(
      program_with({{.m = 20000, .n = 128, .k = 128}, {.m = 128, .n = 65536, .k = 128}, {.m = 128, .n = 9000, .k = 1}}),
      measured_device());
  // Of 2.4x in m, 16x in n and 64x in k the last is the largest.
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Catch::Contains("bf16 GEMM qkv_proj (m 128, n 9000, k 1)"));
  CHECK_THAT(warnings[0], Catch::Contains("n 64 to 4096"));
}

TEST_CASE("each operand type has its own measured range") {
  DeviceProfile device = measured_device();
  device.peak_fp8 = FlopsPerSecond(1e15);
  const Gemm large{.m = 65536, .n = 65536, .k = 65536, .type = DataType::fp8};
  CHECK(measured_range_warnings(program_with({large}), device).empty());  // no fp8 shapes measured: nothing to leave
  device.fp8.surface = device.gemm.surface;
  REQUIRE(measured_range_warnings(program_with({large}), device).size() == 1);
  CHECK_THAT(measured_range_warnings(program_with({large}), device)[0], Catch::StartsWith("fp8"));
  CHECK(measured_range_warnings(program_with({{.m = 65536, .n = 1, .k = 1, .batch = 8}}), device).empty());  // batched
}

}  // namespace
}  // namespace trainyard
