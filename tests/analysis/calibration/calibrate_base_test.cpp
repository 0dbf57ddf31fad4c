#include <catch2/catch.hpp>

#include "analysis/calibration/calibrate_base.hpp"

using namespace trainyard;

namespace {

const std::vector<std::string> profiles = {"a100-pcie-80gb", "a100-sxm-40gb", "a100-sxm-80gb",
                                           "gb200-186gb",    "h100-sxm-80gb", "v100-sxm2-32gb"};

std::string found(const std::string& device, double gigabytes = 0) {
  return profile_of_device(device, Bytes(gigabytes * 1e9), profiles);
}

}  // namespace

TEST_CASE("Drivers' names of GPUs find their profile") {
  CHECK(found("NVIDIA H100 80GB HBM3") == "h100-sxm-80gb");
  CHECK(found("A100-SXM4-40GB") == "a100-sxm-40gb");
  CHECK(found("NVIDIA A100-SXM4-80GB") == "a100-sxm-80gb");
  CHECK(found("NVIDIA A100 80GB PCIe") == "a100-pcie-80gb");
  CHECK(found("NVIDIA GB200") == "gb200-186gb");
  CHECK(found("h100") == "h100-sxm-80gb");
}

TEST_CASE("Another form, another memory or another chip finds none") {
  CHECK(found("NVIDIA H100 PCIe").empty());
  CHECK(found("NVIDIA H100 NVL").empty());
  CHECK(found("Tesla V100-SXM2-16GB").empty());
  CHECK(found("NVIDIA GH200 120GB").empty());
  CHECK(found("NVIDIA Graphics Device").empty());
  CHECK(found("").empty());
}

TEST_CASE("A name that fits two profiles needs the size of the memory") {
  CHECK(found("NVIDIA A100-SXM4").empty());
  CHECK(found("NVIDIA A100-SXM4", 85.1) == "a100-sxm-80gb");  // 80 GiB less what the driver keeps
  CHECK(found("NVIDIA A100-SXM4", 42.3) == "a100-sxm-40gb");
}

TEST_CASE("More ranks than one node has need their nodes said") {
  DeviceProfile h100, gb200;
  h100.name = "h100-sxm-80gb";
  gb200.name = "gb200-186gb";
  CollectiveSample sample;
  sample.ranks = 16;
  sample.nodes_known = false;
  CHECK_THROWS_WITH(require_known_nodes({sample}, h100), Catch::Contains("16 ranks") && Catch::Contains("--nodes"));
  CHECK_NOTHROW(require_known_nodes({sample}, gb200));
  sample.device = "NVIDIA GB300";
  CHECK_NOTHROW(require_known_nodes({sample}, h100));
  sample.ranks = 73;
  CHECK_THROWS_AS(require_known_nodes({sample}, gb200), InputError);
  sample.nodes_known = true;
  CHECK_NOTHROW(require_known_nodes({sample}, h100));
  sample = {};
  sample.ranks = 8;
  sample.nodes_known = false;
  CHECK_NOTHROW(require_known_nodes({sample}, h100));
}

TEST_CASE("A base of another GPU is said") {
  Measurements measured;
  measured.machines.resize(1);
  measured.machines[0].device = "NVIDIA H100 80GB HBM3";
  CHECK_THAT(other_gpu_note(measured, "a100-sxm-80gb"),
             Catch::Contains("'NVIDIA H100 80GB HBM3'") && Catch::Contains("h100-sxm-80gb"));
  CHECK(other_gpu_note(measured, "h100-sxm-80gb").empty());
  CHECK(other_gpu_note(measured, "mine.yaml").empty());
  CHECK(other_gpu_note({}, "a100-sxm-80gb").empty());
}

TEST_CASE("Measurements of an unnamed GPU ask for the base profile") {
  CHECK_THROWS_WITH(base_profile_for(Measurements{}, ""),
                    Catch::Contains("--base") && Catch::Contains("h100-sxm-80gb"));
  CHECK(base_profile_for(Measurements{}, "H100") == "h100-sxm-80gb");
  Measurements named;
  named.machines.resize(2);
  named.machines[1].device = "NVIDIA H100 80GB HBM3";
  CHECK(base_profile_for(named, "") == "h100-sxm-80gb");
}
