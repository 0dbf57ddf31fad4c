#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "analysis/calibration/write_profile_yaml.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/output_files.hpp"

using namespace trainyard;
namespace fs = std::filesystem;

namespace {

ProfileDocument document() {
  return {ProfileKind::device,
          "my \"h100\"",
          "h100-sxm-80gb",
          "Fitted to a: b # c\n\\d",
          {{"gemm.sustained", "0.7431", "GEMM table \"x\": 10 points", "median 4.2 %, p90 12 %"},
           {"kernel_launch", "2.41us", "launches", ""},
           {"gemm.tile_efficiency", "[1, 0.9, 0.8, 0.7, 0.6, 0.5]", "s", ""}}};
}

}  // namespace

TEST_CASE("A written profile is read back with the same numbers and inherits the rest") {
  const fs::path file = fs::temp_directory_path() / fmt::format("trainyard_profile_test_{}.yaml", getpid());
  write_whole_file(file.string(), profile_yaml(document()));
  const DeviceProfile read = load_device_profile(file.string());
  fs::remove(file);
  const DeviceProfile base = load_device_profile("h100-sxm-80gb");
  CHECK(read.name == "my \"h100\"");
  CHECK(read.gemm.sustained == 0.7431);
  CHECK(read.kernel_launch.value == Approx(2.41e-6));
  CHECK(read.gemm.tile_efficiency[5] == 0.5);
  CHECK(read.memory_bandwidth == base.memory_bandwidth);
  for (const Provenance& p : read.provenance)
    if (p.constant == "gemm.sustained") {
      CHECK(p.source == "GEMM table \"x\": 10 points");
      CHECK(p.residual == "median 4.2 %, p90 12 %");
      CHECK(p.sources == 1);
    }
}

TEST_CASE("A profile that could not be read is refused before it is written") {
  ProfileDocument d = document();
  CHECK_NOTHROW(check_profile_text(d, profile_yaml(d)));
  d.constants[0].value = "-1";
  CHECK_THROWS_AS(check_profile_text(d, profile_yaml(d)), InputError);
  d = document();
  d.constants[0].name = "gemm.sustaind";
  CHECK_THROWS_AS(check_profile_text(d, profile_yaml(d)), InputError);
  d = document();
  d.inherits = "no-such-profile";
  CHECK_THROWS_AS(check_profile_text(d, profile_yaml(d)), InputError);
}

TEST_CASE("A network profile is written as one") {
  const ProfileDocument d{ProfileKind::network, "mine", "infiniband", "", {{"step_latency", "9us", "s", ""}}};
  CHECK_NOTHROW(check_profile_text(d, profile_yaml(d)));
  CHECK_THAT(profile_yaml(d), Catch::StartsWith("kind: network\n"));
}
