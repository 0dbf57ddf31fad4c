// A collective over a range of sizes on a cluster, alone or with other communicators that run it at the same time: what
// nccl-tests would print there.
#pragma once

#include <string>
#include <vector>

#include "analysis/nccl_tests_arguments.hpp"
#include "models/collective_cost.hpp"
#include "sim/engine/link_pressure.hpp"
#include "topology/routes.hpp"

namespace trainyard {

// Which ranks of n meet in a communicator, of which there are G. strided: rank r is in communicator r mod G
// (NCCL_TESTS_SPLIT="MOD G"; data-parallel rings of tensor-parallel groups of G). consecutive: in r / (n/G)
// (NCCL_TESTS_SPLIT="DIV n/G"; tensor-parallel groups).
enum class GroupOrder { strided, consecutive };

// gpus_per_node: the first so many GPUs of every node take part; 1 to the node's. Ranks fill the nodes in order. Each
// communicator has at least two ranks, all the same number.
struct CollectiveTest {
  CollectiveKind kind = CollectiveKind::all_reduce;
  NcclTestsArguments arguments;
  int gpus_per_node = 1;
  int groups = 1;
  GroupOrder order = GroupOrder::strided;
};

struct CollectiveRow {
  MessageSize size;
  Seconds time{};        // of the slowest communicator while all run, on the links as they are; 0 for no bytes
  CollectiveCost alone;  // of one communicator with the others silent, on healthy links
  int contended_links = 0;

  double slowdown() const { return alone.time.value > 0 ? time / alone.time : 1.0; }
};
BytesPerSecond algorithm_bandwidth(const CollectiveRow& row);  // 0 for no bytes

struct CollectiveTable {
  CollectiveTest test;
  std::string cluster;
  int nodes = 1;
  std::string device, network;  // profiles
  std::string curve_residual;   // of the measured NVLink curves, as their profile states it; empty = not stated
  bool slow_gpus = false;       // named by the cluster, or jitter: nothing of that slows a collective alone
  std::vector<CollectiveRow> rows;
  std::vector<LinkPressure> links;  // short or degraded, in the row that loses most

  int ranks() const { return nodes * test.gpus_per_node; }
  int group_size() const { return ranks() / test.groups; }
  int group_of(int rank) const { return test.order == GroupOrder::strided ? rank % test.groups : rank / group_size(); }
  BytesPerSecond bus_bandwidth(const CollectiveRow& row) const {
    return bus_factor(test.kind, group_size()) * algorithm_bandwidth(row);
  }
  BytesPerSecond mean_bus_bandwidth() const;  // "Avg bus bandwidth": over the rows
};

// Several communicators, and degraded links, are simulated by the fluid engine: NetworkError where SimGrid cannot be
// used. Otherwise the time is collective_cost's. With several GPUs to a thread it is at least the launches'.
CollectiveTable collective_table(const CollectiveTest& test, const Routes& routes, const Profile& profile);

// nccl-tests' own lines (version 2.17), which `trainyard calibrate` reads; what it has no line for stands in comments.
std::string collective_text(const CollectiveTable& table);
std::string collective_json(const CollectiveTable& table);

}  // namespace trainyard
