// What only the whole job can tell: does the device run this precision?
#include "sim/plan/job.hpp"

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>

#include "sim/base/errors.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

std::string error(const std::string& cluster, const std::string& precision) {
  const std::string file = "/tmp/trainyard_job_test.yaml";
  std::ofstream(file) << "model: llama3-8b\ncluster: " << cluster
                      << "\nworkload: {sequence_length: 8192, global_batch_size: 8, " << precision << "}\n";
  std::string message;
  try {
    load_job(file);
  } catch (const InputError& e) {
    message = e.what();
  }
  std::remove(file.c_str());
  return message;
}

}  // namespace

TEST_CASE("a precision that the device has no units for is refused with one that it has") {
  CHECK(error("dgx-h100", "precision: fp8") == "");
  CHECK_THAT(error("dgx-a100-80gb", "precision: fp8"),
             Contains("trainyard_job_test.yaml:3:11: ") && Contains("has no fp8 (precision: bf16)"));
  CHECK_THAT(error("dgx-h100", "precision: nvfp4"), Contains("has no NVFP4 (precision: fp8)"));
  CHECK_THAT(error("dgx-h100", "precision: fp8, fp8_recipe: mxfp8"), Contains("has no MXFP8 (fp8_recipe: blockwise)"));
  CHECK(error("dgx-b200", "precision: nvfp4") == "");
  CHECK(error("dgx-b200", "precision: fp8, fp8_recipe: mxfp8") == "");
}
