#include "topology/routes.hpp"

#include <catch2/catch.hpp>

#include <chrono>

#include "tests/topology/topology_words.hpp"
#include "topology/graph.hpp"
#include "topology/nvlink_ring.hpp"

using namespace trainyard;

namespace {
NodeTopology matrix(const std::string& text) { return read_nvidia_smi_topo(text, "matrix"); }
}  // namespace

TEST_CASE("NICs are read from the matrix, also when they are permuted") {
  Cluster cluster = read_cluster_file("dgx-h100", 2);
  cluster.node =
      matrix("GPU0 GPU1 NIC0 NIC1\nGPU0 X NV18 SYS PIX\nGPU1 NV18 X PIX SYS\nNIC0 SYS PIX X SYS\nNIC1 PIX SYS SYS X\n");
  const Routes routes(cluster);
  CHECK(routes.nearest_nics(0) == std::vector<int>{1});
  CHECK(routes.nearest_nics(1) == std::vector<int>{0});
}

TEST_CASE("GPUs without a near NIC share the least-loaded ones") {
  Cluster cluster = read_cluster_file("dgx-h100", 2);
  cluster.nic_bandwidth = 12.0_GBps;
  cluster.node = matrix(
      "GPU0 GPU1 GPU2 NIC0 NIC1\nGPU0 X SYS SYS PIX SYS\nGPU1 SYS X NODE SYS SYS\nGPU2 SYS NODE X SYS SYS\nNIC0 PIX "
      "SYS SYS X SYS\nNIC1 SYS SYS SYS SYS X\n");
  const Routes routes(cluster);
  CHECK(routes.nearest_nics(0) == std::vector<int>{0});
  CHECK(routes.nearest_nics(1) == std::vector<int>{1});  // idle until then
  CHECK(routes.nearest_nics(2) == std::vector<int>{0});  // both in use once: the first
  CHECK(routes.nic_share(0) == 6.0_GBps);
  CHECK(routes.nic_share(1) == 12.0_GBps);
}

TEST_CASE("a route between nodes is as wide as the sender's and receiver's NIC shares") {
  const Routes routes(read_cluster_file("aws-p4d", 2));
  const Route far = routes.between(DeviceId(0), DeviceId(15));
  CHECK(far.link == LinkClass::net);
  CHECK(far.bandwidth == 6.25_GBps);
  CHECK(far.hops == 6);  // GPU, switch, NIC, fabric, NIC, switch, GPU
  CHECK_FALSE(far.spine);
}

TEST_CASE("a route leaves the leaf only for another unit or an unreachable rail") {
  Cluster cluster = read_cluster_file("dgx-h100", 4);
  cluster.fabric = {FabricKind::rail_optimised, 2, 1.0, "infiniband"};
  const Routes nvlinked(cluster);
  CHECK_FALSE(nvlinked.between(DeviceId(0), DeviceId(8)).spine);
  CHECK_FALSE(nvlinked.between(DeviceId(0), DeviceId(9)).spine);
  CHECK(nvlinked.between(DeviceId(0), DeviceId(16)).spine);
  Cluster pcie = read_cluster_file("l40s-pcie-8gpu", 2);
  pcie.fabric = {FabricKind::rail_optimised, 0, 1.0, "roce"};
  const Routes box(pcie);
  CHECK_FALSE(box.between(DeviceId(0), DeviceId(8)).spine);
  CHECK(box.between(DeviceId(0), DeviceId(12)).spine);
}

TEST_CASE("GPUs and NICs forward nothing for others") {
  // 0-1-2 is a chain of NVLinks; 0 reaches 2 only over PCIe.
  Cluster cluster = read_cluster_file("dgx-1v", 1);
  cluster.node = matrix("GPU0 GPU1 GPU2\nGPU0 X NV2 NODE\nGPU1 NV2 X NV2\nGPU2 NODE NV2 X\n");
  const Routes routes(cluster);
  CHECK(routes.between(DeviceId(0), DeviceId(2)).link == LinkClass::node);
  CHECK(routes.between(DeviceId(0), DeviceId(1)).bandwidth == 50.0_GBps);
}

TEST_CASE("two islands in one node have a switch each") {
  Cluster cluster = read_cluster_file("dgx-h100", 1);
  cluster.node = matrix(
      "GPU0 GPU1 GPU2 GPU3\nGPU0 X NV18 SYS SYS\nGPU1 NV18 X SYS SYS\nGPU2 SYS SYS X NV18\nGPU3 SYS SYS NV18 X\n");
  const Routes routes(cluster);
  CHECK(routes.between(DeviceId(0), DeviceId(2)).link == LinkClass::sys);
  CHECK(routes.between(DeviceId(2), DeviceId(3)).link == LinkClass::nvlink);
}

TEST_CASE("rings of point-to-point NVLink") {
  // four GPUs, NV4 on all six pairs: 24 links, 4 per ring: 6 rings both ways = 12 links = all a GPU has
  const NodeTopology quad =
      matrix("GPU0 GPU1 GPU2 GPU3\nGPU0 X NV4 NV4 NV4\nGPU1 NV4 X NV4 NV4\nGPU2 NV4 NV4 X NV4\nGPU3 NV4 NV4 NV4 X\n");
  const std::vector<int> all = {0, 1, 2, 3};
  CHECK(nvlink_ring_links(quad, all) == 12);
  const std::vector<int> three = {0, 1, 3};
  CHECK(nvlink_ring_links(quad, three) == 8);  // each GPU has 8 links to the two others
  const std::vector<int> one = {2};
  CHECK(nvlink_ring_links(quad, one) == 0);
}

TEST_CASE("routes of big clusters are built in milliseconds") {
  const Cluster cluster = read_cluster_file("dgx-h100", 2048);
  const auto start = std::chrono::steady_clock::now();
  const Routes routes(cluster);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  CHECK(routes.between(DeviceId(0), DeviceId(16383)).spine);
  CHECK(taken.count() < 0.1);
}
