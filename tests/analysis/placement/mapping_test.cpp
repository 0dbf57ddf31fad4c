#include <catch2/catch.hpp>
#include <numeric>

#include "analysis/placement/communication_graph.hpp"
#include "analysis/placement/machine_mapping.hpp"
#include "analysis/placement/swap_descent.hpp"
#include "analysis/report_json.hpp"
#include "analysis/report_text.hpp"
#include "tests/analysis/placement/placement_words.hpp"
#include "tests/support/hand_built_step.hpp"
#include "topology/cluster_yaml.hpp"

namespace trainyard {
namespace {

using Catch::Contains;

double weight_between(const WeightedGraph& graph, std::size_t a, std::size_t b) {
  const auto [edge, there] = boost::edge(a, b, graph);
  return there ? boost::get(boost::edge_weight, graph, edge) : 0;
}

RankTraffic pairs_and_ring() {
  RankTraffic traffic;
  traffic.ranks = 4;
  traffic.groups = {{0, 0, {0, 2}}, {0, 0, {1, 3}}, {1, 0, {0, 1, 2, 3}}};
  traffic.messages = {{{false, CollectiveKind::all_reduce, Bytes(100), 3}},
                      {{false, CollectiveKind::all_gather, Bytes(40), 1}}};
  return traffic;
}

}  // namespace

TEST_CASE("the weight between two ranks is what their groups send") {
  const WeightedGraph graph = communication_graph(pairs_and_ring(), {0, 1, 2, 3});
  // All-gather of 40 bytes over four: a rank sends 40 * 3/4 = 30, to three others both ways: 2 * 30 / 3 = 20.
  CHECK(weight_between(graph, 0, 1) == Approx(20));
  // All-reduce of 100 bytes over two, three times: 3 * 2 * 100 / 2 = 300 per rank, 600 both ways, and the 20.
  CHECK(weight_between(graph, 0, 2) == Approx(620));
  // Ranks 0 and 2 on one vertex: nothing is left between them, 4 * 20 goes to the other vertex.
  CHECK(weight_between(communication_graph(pairs_and_ring(), {0, 1, 0, 1}), 0, 1) == Approx(80));
}

TEST_CASE("two cliques are cut apart") {
  // Even and odd vertices are cliques of weight 2, joined by 3-4 and 0-1 of weight 1.
  WeightedGraph graph(8);
  for (std::size_t a = 0; a < 8; ++a)
    for (std::size_t b = a + 2; b < 8; b += 2) boost::add_edge(a, b, 2.0, graph);
  boost::add_edge(3, 4, 1.0, graph);
  boost::add_edge(0, 1, 1.0, graph);
  std::vector<int> all(8);
  std::iota(all.begin(), all.end(), 0);
  CHECK(bisected(graph, all, 4) == Halves{{0, 2, 4, 6}, {1, 3, 5, 7}});
  CHECK(bisected(graph, all, 0) == Halves{{}, all});
  CHECK(bisected(graph, all, 8) == Halves{all, {}});
}

TEST_CASE("a start that grew wrongly is mended by swaps") {
  // 0 is tied most to 1 (weight 3), which belongs to the clique {1, 4, 5}: growing takes 0, 1 and 4. Cutting
  // {0, 2, 3} from {1, 4, 5} costs 3; {0, 1, 4} costs 2 + 2 + 4 + 4.
  WeightedGraph graph(6);
  const auto join = [&graph](std::size_t a, std::size_t b, double weight) { boost::add_edge(a, b, weight, graph); };
  join(0, 1, 3);
  join(0, 2, 2);
  join(0, 3, 2);
  join(2, 3, 4);
  join(1, 4, 4);
  join(1, 5, 4);
  join(4, 5, 4);
  CHECK(bisected(graph, {0, 1, 2, 3, 4, 5}, 3) == Halves{{1, 4, 5}, {0, 2, 3}});
}

TEST_CASE("pairs of ranks are mapped onto NVLink bridges") {
  const Routes routes(read_cluster_file("a100-pcie-nvlink-bridge"));
  WeightedGraph graph(8);
  for (std::size_t rank = 0; rank < 4; ++rank) boost::add_edge(rank, rank + 4, 1.0, graph);
  const std::vector<DeviceId> device = map_ranks(graph, routes);
  for (std::size_t rank = 0; rank < 4; ++rank) {
    INFO(device[rank].value << " and " << device[rank + 4].value);
    CHECK(device[rank].value / 2 == device[rank + 4].value / 2);  // bridges join 0-1, 2-3, 4-5, 6-7
  }
}

TEST_CASE("a ring of eight is cut where a DGX-1V is thinnest") {
  // Boards {0,1,2,3} and {4,5,6,7} are joined by six links, the fewest of any half.
  const Routes routes(read_cluster_file("dgx-1v"));
  WeightedGraph graph(8);
  for (std::size_t rank = 0; rank < 8; ++rank) boost::add_edge(rank, (rank + 1) % 8, 1.0, graph);
  const std::vector<DeviceId> device = map_ranks(graph, routes);
  int crossing = 0;
  for (std::size_t rank = 0; rank < 8; ++rank)
    crossing += device[rank].value / 4 != device[(rank + 1) % 8].value / 4 ? 1 : 0;
  CHECK(crossing == 2);  // a ring cannot cross less
}

TEST_CASE("nodes that talk are mapped under one leaf") {
  Cluster cluster = read_cluster_file("dgx-h100", 8);
  cluster.fabric.nodes_per_leaf = 4;
  WeightedGraph graph(8);
  for (std::size_t a = 0; a < 8; ++a)
    for (std::size_t b = a + 2; b < 8; b += 2) boost::add_edge(a, b, 1.0, graph);
  const std::vector<int> node = map_nodes(graph, Routes(cluster));
  for (std::size_t a = 2; a < 8; ++a) CHECK(node[a] / 4 == node[a % 2] / 4);
}

TEST_CASE("swaps shorten the messages and never lengthen them") {
  const Job job = testing::job_of("a100-pcie-nvlink-bridge", 1, "tp: 2", 8);
  const Routes routes(job.cluster);
  RankTraffic traffic;
  traffic.ranks = 8;
  for (int d = 0; d < 4; ++d) traffic.groups.push_back({0, 0, {d, d + 4}});
  traffic.messages = {{{false, CollectiveKind::all_reduce, Bytes(1e8), 10}}};
  std::vector<DeviceId> across;
  for (int d = 0; d < 8; ++d) across.emplace_back(d);
  const SwapResult start = swap_descent(traffic, routes, job.profile, across, 0);
  const SwapResult end = swap_descent(traffic, routes, job.profile, across, 1000);
  CHECK(start.device == across);
  CHECK(end.time.slowest < start.time.slowest);
  for (const TrafficGroup& pair : traffic.groups)
    CHECK(end.device[static_cast<std::size_t>(pair.ranks[0])].value / 2 ==
          end.device[static_cast<std::size_t>(pair.ranks[1])].value / 2);
}

TEST_CASE("reports show what the search found and how to repeat it") {
  SimulatedStep step = testing::hand_built_step();
  step.plan.placement = PlacementKind::device_list;
  step.plan.placement_devices = {1, 0, 2, 3};
  step.plan.rank_order = "dp-tp-cp-pp";
  step.result.placement = PlacementGain{Seconds(0.020), Seconds(0.008), Seconds(0.010), Seconds(0.002), 7, 5};
  const Job job = testing::hand_built_job();
  const std::string text = report_text(job, step, {.colour = false, .width = 100, .unicode = true});
  CHECK_THAT(text, Contains("−50.0 % step (20.00 ms → 10.00 ms), exposed communication 8.000 ms → 2.000 ms"));
  CHECK_THAT(text, Contains("7 distinct placements simulated, 5 more recognised as equivalent"));
  CHECK_THAT(text, Contains("rank_order: dp-tp-cp-pp") && Contains("placement: {devices: [1, 0, 2, 3]}"));
  const std::string json = report_json(job, step);
  for (const char* key : {"\"placement\": {", "\"kind\": \"devices\"", "\"rank_order\": \"dp-tp-cp-pp\"",
                          "\"gain_over_packed\": {", "\"step\": 0.5", "\"evaluated\": 7", "\"equivalent\": 5"})
    CHECK_THAT(json, Contains(key));
  step.result.placement.reset();
  CHECK_THAT(report_json(job, step), !Contains("gain_over_packed"));
  CHECK_THAT(report_text(job, step, {}), !Contains("vs packed"));
}

}  // namespace trainyard
