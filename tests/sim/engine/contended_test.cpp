// What sharing costs, against hand arithmetic: the same step with every transfer on links of its own and with shared
// ones. V is what a rank sends, C what a link carries (efficiency times nominal bandwidth), T = latency + V / rate.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "models/collective_cost.hpp"
#include "sim/engine/kernel_contention.hpp"
#include "tests/support/group_step.hpp"
#include "topology/nvidia_smi_topo.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

constexpr double microsecond = 1e-6;

Plan plan_of(int tp, int pp, int dp) {
  Plan plan;
  plan.tensor_parallel = tp;
  plan.pipeline_parallel = pp;
  plan.data_parallel = dp;
  plan.global_batch_size = dp;
  return plan;
}

double seconds(Span span) { return (span.end - span.start).value; }

// One collective of every data-parallel group at once, alone and shared.
struct AloneAndShared {
  double alone = 0, shared = 0, latency = 0;
  double transfer() const { return alone - latency; }
};
AloneAndShared all_groups(GroupStep& step, CollectiveKind kind, Bytes bytes) {
  const TierPath tiers = step.paths().gradients;
  const int id = step.add(0, step.collective(CommGroup::gradients, kind, bytes, tiers), Stream::dp);
  AloneAndShared result;
  result.alone = seconds(step.span(step.run(LinkSharing::alone), 0, id));
  result.shared = seconds(step.span(step.run(LinkSharing::on), 0, id));
  std::vector<Tier> alone = tiers;
  for (Tier& t : alone)
    if (t.alone.value > 0) t.bandwidth = t.alone;
  const CollectiveCost cost = collective_cost(kind, bytes, alone, step.profile().device, step.profile().network);
  CHECK(result.alone == Approx(cost.time.value).epsilon(1e-12));
  result.latency = cost.latency.value;
  return result;
}

}  // namespace

TEST_CASE("two data-parallel rings on one NIC halve it") {
  // DGX-1V: GPU0 and GPU1 share NIC0. Ring r joins GPU r of both nodes; alone it has the NIC, together they have half.
  GroupStep step("dgx-1v", 2, plan_of(8, 1, 2));
  const AloneAndShared t = all_groups(step, CollectiveKind::all_reduce, Bytes(64e6));
  CHECK(t.shared == Approx(t.latency + 2 * t.transfer()).margin(microsecond));
  CHECK(t.shared > 1.5 * t.alone);
}

TEST_CASE("rings on NICs of their own do not disturb each other") {
  GroupStep step("dgx-h100", 2, plan_of(8, 1, 2));
  const AloneAndShared t = all_groups(step, CollectiveKind::all_reduce, Bytes(64e6));
  CHECK(t.shared == Approx(t.alone).margin(1e-12));
}

TEST_CASE("a spine oversubscribed 4:1 leaves a quarter") {
  // Two leaves of one node each: all eight rings of a rank cross the uplinks, which carry 8 NICs / 4.
  const auto oversubscribed = [](Cluster& c) { c.fabric = {FabricKind::fat_tree, 1, 4.0, c.fabric.network}; };
  GroupStep step("dgx-h100", 2, plan_of(8, 1, 2), oversubscribed);
  const AloneAndShared t = all_groups(step, CollectiveKind::all_reduce, Bytes(64e6));
  CHECK(t.shared == Approx(t.latency + 4 * t.transfer()).epsilon(1e-6));
  const auto blocking_free = [](Cluster& c) { c.fabric = {FabricKind::fat_tree, 1, 1.0, c.fabric.network}; };
  GroupStep wide("dgx-h100", 2, plan_of(8, 1, 2), blocking_free);
  const AloneAndShared free = all_groups(wide, CollectiveKind::all_reduce, Bytes(64e6));
  CHECK(free.shared == Approx(free.alone).margin(microsecond));
}

TEST_CASE("two pairs across one PCIe root share its link, and across SYS the sockets' link") {
  // Eight bridged A100: tp 2 sits on the bridges, dp 4 joins GPUs {0,2,4,6} and {1,3,5,7}. Both rings go through the
  // same host bridges and, where they change sockets, over the same 16 GB/s link, which carries one ring's rate.
  GroupStep step("a100-pcie-nvlink-bridge", 1, plan_of(2, 1, 4));
  const AloneAndShared t = all_groups(step, CollectiveKind::all_reduce, Bytes(64e6));
  CHECK(t.shared == Approx(t.latency + 2 * t.transfer()).epsilon(1e-6));
}

TEST_CASE("two NVLink pairs across one PCIe root share the switches' uplinks") {
  // GPUs 0 and 1 under one PCIe switch, 2 and 3 under another, both switches under one host bridge. dp joins {0,2} and
  // {1,3}: every ring leaves by its switch's x16 uplink, which carries one of them at full rate.
  const auto pairs = [](Cluster& c) {
    c.node = read_nvidia_smi_topo(
        "\tGPU0\tGPU1\tGPU2\tGPU3\tNIC0\tNIC1\tCPU Affinity\tNUMA Affinity\n"
        "GPU0\t X \tNV12\tPHB\tPHB\tPIX\tPHB\t0-31\t0\n"
        "GPU1\tNV12\t X \tPHB\tPHB\tPIX\tPHB\t0-31\t0\n"
        "GPU2\tPHB\tPHB\t X \tNV12\tPHB\tPIX\t0-31\t0\n"
        "GPU3\tPHB\tPHB\tNV12\t X \tPHB\tPIX\t0-31\t0\n"
        "NIC0\tPIX\tPIX\tPHB\tPHB\t X \tPHB\n"
        "NIC1\tPHB\tPHB\tPIX\tPIX\tPHB\t X \n",
        "pairs");
  };
  GroupStep step("a100-pcie-nvlink-bridge", 1, plan_of(2, 1, 2), pairs);
  const AloneAndShared t = all_groups(step, CollectiveKind::all_reduce, Bytes(64e6));
  CHECK(t.shared == Approx(t.latency + 2 * t.transfer()).epsilon(1e-6));
  CHECK(t.transfer() == Approx(64e6 / (step.profile().network.pcie_efficiency * 31.5e9)).epsilon(1e-9));
}

TEST_CASE("a message under a reduce-scatter shares the NIC while both run") {
  GroupStep step("dgx-h100", 4, plan_of(8, 2, 2));
  const TierPath tiers = step.paths().gradients, next = step.paths().next_stage;
  const Bytes scattered(400e6), message(100e6);
  const int scatter =
      step.add(0, step.collective(CommGroup::gradients, CollectiveKind::reduce_scatter, scattered, tiers), Stream::dp);
  const int path = step.path(next);
  const int send = step.add(0, Send{message, path, 0}, Stream::send_forward);
  step.add(1, Receive{message, path, 0}, Stream::receive_forward);
  const RankRuns alone = step.run(LinkSharing::alone), shared = step.run(LinkSharing::on);
  // Both load the sender's NIC. From the later latency on, each gets half of what the NIC carries; when the message is
  // through, the reduce-scatter has the rest to itself.
  const NetworkProfile& net = step.profile().network;
  const double nic = 50e9,
               carries = std::max({net.collective_efficiency, net.p2p_efficiency, net.all_to_all_efficiency}) * nic;
  const CollectiveCost cost =
      collective_cost(CollectiveKind::reduce_scatter, scattered, tiers, step.profile().device, net);
  const double latency = cost.latency.value;
  const double send_latency =
      send_time(Bytes(0), next, step.profile().device, net).value + step.profile().stack.p2p_host_sync.value;
  const double v = 0.5 * scattered.value;  // (n - 1) / n S, n = 2
  const double ring_rate = v / (cost.time.value - latency);
  const double message_rate = message.value / (seconds(step.span(alone, 0, send)) - send_latency);
  REQUIRE(ring_rate + message_rate > carries);
  const double both = std::max(latency, send_latency), half = carries / 2;
  const double message_before = std::max(0.0, both - send_latency) * message_rate;
  const double ring_before = std::max(0.0, both - latency) * ring_rate;
  const double message_end = both + (message.value - message_before) / half;
  const double ring_left = v - ring_before - (message_end - both) * half;
  CHECK(step.span(shared, 0, send).end.value == Approx(message_end).margin(microsecond));
  CHECK(step.span(shared, 0, scatter).end.value == Approx(message_end + ring_left / ring_rate).margin(microsecond));
}

TEST_CASE("an all-to-all and an all-reduce on one NIC finish together what each would finish alone") {
  Plan plan = plan_of(8, 1, 2);
  plan.expert_parallel = 2;
  plan.expert_tensor_parallel = 8;
  GroupStep step("dgx-h100", 2, plan);
  const TierPath tiers = step.paths().gradients, experts = step.paths().ep;
  const Bytes reduced(200e6), exchanged(200e6);
  const int reduce =
      step.add(0, step.collective(CommGroup::gradients, CollectiveKind::all_reduce, reduced, tiers), Stream::dp);
  const int exchange =
      step.add(0, step.collective(CommGroup::ep, CollectiveKind::all_to_all, exchanged, experts, Axis::ep), Stream::ep);
  const RankRuns alone = step.run(LinkSharing::alone), shared = step.run(LinkSharing::on);
  const double carries = [&] {
    const NetworkProfile& net = step.profile().network;
    return std::max({net.collective_efficiency, net.p2p_efficiency, net.all_to_all_efficiency}) * 50e9;
  }();
  // All-reduce of two ranks sends S, the all-to-all S / 2, through the same NIC: the link is full until both are done,
  // except for what the slower starter left unused and the tail of the all-reduce at its own rate.
  const double first = std::max(step.span(alone, 0, reduce).end.value, step.span(alone, 0, exchange).end.value);
  const double last = std::max(step.span(shared, 0, reduce).end.value, step.span(shared, 0, exchange).end.value);
  CHECK(last > first);
  const double bytes = reduced.value + 0.5 * exchanged.value;
  CHECK(last >= bytes / carries);
  CHECK(last <= bytes / carries + 300 * microsecond);
  // From the later start on each moves at half of what the link carries; before it the earlier one has its own rate.
  const NetworkProfile& net = step.profile().network;
  const CollectiveCost of_exchange =
      collective_cost(CollectiveKind::all_to_all, exchanged, experts, step.profile().device, net);
  const CollectiveCost of_reduce =
      collective_cost(CollectiveKind::all_reduce, reduced, tiers, step.profile().device, net);
  const double both = std::max(of_exchange.latency, of_reduce.latency).value;
  const double rate = 0.5 * exchanged.value / (of_exchange.time - of_exchange.latency).value;
  const double left = 0.5 * exchanged.value - (both - of_exchange.latency.value) * rate;
  CHECK(step.span(shared, 0, exchange).end.value == Approx(both + left / (carries / 2)).margin(microsecond));
}

TEST_CASE("a communication kernel slows a GEMM while it runs, by the multiprocessors it holds") {
  GroupStep step("dgx-h100", 2, plan_of(8, 1, 2));
  const TierPath tiers = step.paths().gradients;
  const Collective reduce = step.collective(CommGroup::gradients, CollectiveKind::all_reduce, Bytes(20e6), tiers);
  OperatorWork gemm;
  gemm.op = Operator{"gemm", Gemm{8192, 8192, 8192}};
  const int long_gemm = step.add(0, gemm, Stream::compute);
  const int comm = step.add(0, reduce, Stream::dp);
  const RankRuns alone = step.run(LinkSharing::alone), shared = step.run(LinkSharing::on);
  const CollectiveCost cost =
      collective_cost(CollectiveKind::all_reduce, Bytes(20e6), tiers, step.profile().device, step.profile().network);
  REQUIRE(cost.channels > 0);
  const double n = step.profile().device.multiprocessors, held = cost.channels;
  const double t = seconds(step.span(alone, 0, long_gemm)), beside = seconds(step.span(alone, 0, comm));
  REQUIRE(t > beside);
  // For `beside` seconds the GEMM runs at (n - held) / n; what it lost is done afterwards at full speed.
  const double expected = t + beside * (1 - (n - held) / n);
  CHECK(seconds(step.span(shared, 0, long_gemm)) == Approx(expected).margin(microsecond));
  CHECK(seconds(step.span(shared, 0, comm)) == Approx(beside).margin(1e-12));
}

TEST_CASE("memory-bound kernels lose the bandwidth that a collective takes") {
  WorkPrice price;
  price.duration = price.memory_bound = Seconds(1e-3);
  // A ring at 360 GB/s reads two buffers and writes one: 1080 of 3350 GB/s.
  CHECK(slowdown_beside(price, {16, 3 * 360e9}, 132, 3350e9) == Approx(1 / (1 - 1080.0 / 3350)));
  price.memory_bound = {};
  price.gemm = Seconds(1e-3);
  CHECK(slowdown_beside(price, {16, 3 * 360e9}, 132, 3350e9) == Approx(132.0 / 116));
  // Never more than half of a GPU, and nothing where nothing runs.
  CHECK(slowdown_beside(price, {1000, 1e15}, 132, 3350e9) == Approx(2.0));
  CHECK(slowdown_beside(price, {}, 132, 3350e9) == 1.0);
}
