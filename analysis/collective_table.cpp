#include "analysis/collective_table.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "sim/engine/fluid_engine.hpp"

namespace trainyard {
namespace {

// Bandwidths lost below this are rounding.
constexpr double same_time = 1e-9;

Plan plan_of(const CollectiveTest& test, int ranks) {
  Plan plan;
  plan.tensor_parallel = test.groups;
  plan.data_parallel = ranks / test.groups;
  return plan;
}

// Communicators are the data-parallel groups of a layout whose other axis tells them apart.
RankLayout layout_of(const CollectiveTest& test, const Cluster& cluster) {
  const int ranks = cluster.nodes * test.gpus_per_node;
  const bool strided = test.order == GroupOrder::strided;
  RankLayout layout;
  layout.tp = test.groups;
  layout.dp = ranks / test.groups;
  layout.tp_stride = strided ? 1 : layout.dp;
  layout.dp_stride = strided ? layout.tp : 1;
  layout.cp_stride = layout.pp_stride = ranks;
  layout.device.reserve(static_cast<std::size_t>(ranks));
  for (int r = 0; r < ranks; ++r)
    layout.device.emplace_back(r / test.gpus_per_node * cluster.gpus_per_node() + r % test.gpus_per_node);
  return layout;
}

struct Run {
  Seconds time{};
  int contended_links = 0;
  std::vector<LinkPressure> links;
};

class TestBench {
 public:
  TestBench(const CollectiveTest& test, const Routes& routes, const Profile& profile)
      : test_(test),
        profile_(profile),
        links_(routes),
        layout_(layout_of(test, routes.cluster())),
        plan_(plan_of(test, layout_.world_size())),
        paths_(communication_paths(plan_, layout_, routes, false)),
        groups_(plan_, layout_, paths_, false),
        alone_(paths_alone(step(Bytes(1))).front()),
        simulated_(test.groups > 1 || !routes.cluster().stragglers.links.empty()) {}

  CollectiveCost alone(Bytes size) const {
    CollectiveCost cost = collective_cost(test_.kind, size, alone_, profile_.device, profile_.network);
    if (size.value > 0) cost.time = std::max(cost.time, launches());
    return cost;
  }
  bool simulated() const { return simulated_; }

  Run run(Bytes size) const {
    const EngineContext context{&layout_, &groups_, &links_, &profile_};
    RankRuns runs = run_every_rank(step(size), {&profile_, layout_.world_size(), plan_.tensor_parallel, false}, context,
                                   LinkSharing::on, Folding::on);
    return {std::max(runs.timeline.makespan, launches()), runs.contended_links, std::move(runs.links)};
  }

 private:
  Seconds launches() const { return launch_time(test_.kind, layout_.dp, test_.arguments.gpus_of_thread); }
  // Every rank runs the collective with its communicator, and nothing else.
  StepProgram step(Bytes size) const {
    StepProgram program;
    program.paths.push_back(paths_.stages.front().gradients);
    Collective collective;
    collective.axis = Axis::dp;
    collective.kind = test_.kind;
    collective.bytes = size;
    collective.group = CommGroup::gradients;
    program.works.emplace_back(collective);
    RankKind& kind = program.kinds.emplace_back();
    kind.ranks = layout_.world_size();
    Instruction instruction;
    instruction.stream = Stream::dp;
    kind.instructions.push_back(instruction);
    return program;
  }

  const CollectiveTest& test_;
  const Profile& profile_;
  LinkMap links_;
  RankLayout layout_;
  Plan plan_;
  CommunicationPaths paths_;
  CommGroups groups_;
  std::vector<Tier> alone_;
  bool simulated_;
};

std::string residual_of_curves(const DeviceProfile& device) {
  for (const Provenance& p : device.provenance)
    if (p.constant == "nvlink_collectives") return p.residual;
  return {};
}

void add_rows(const TestBench& bench, CollectiveTable& table) {
  double worst = 1;
  for (const std::int64_t requested : sizes_of(table.test.arguments.sizes)) {
    CollectiveRow row;
    row.size = message_size(table.test.kind, requested, table.test.arguments.type, table.group_size());
    if (!table.rows.empty() && table.rows.back().size == row.size) {  // rounded down to the same
      table.rows.push_back(table.rows.back());
      continue;
    }
    const Bytes bytes(static_cast<double>(row.size.bytes));
    row.alone = bench.alone(bytes);
    row.time = row.alone.time;
    if (bench.simulated() && row.size.bytes > 0) {
      Run run = bench.run(bytes);
      row.time = run.time;
      row.contended_links = run.contended_links;
      if (row.slowdown() >= worst - same_time) table.links = std::move(run.links);
      worst = std::max(worst, row.slowdown());
    }
    table.rows.push_back(row);
  }
}

}  // namespace

BytesPerSecond algorithm_bandwidth(const CollectiveRow& row) {
  if (row.time.value <= 0) return {};
  return Bytes(static_cast<double>(row.size.bytes)) / row.time;
}

BytesPerSecond CollectiveTable::mean_bus_bandwidth() const {
  BytesPerSecond sum{};
  for (const CollectiveRow& row : rows) sum += bus_bandwidth(row);
  return rows.empty() ? sum : sum / static_cast<double>(rows.size());
}

CollectiveTable collective_table(const CollectiveTest& test, const Routes& routes, const Profile& profile) {
  const Cluster& cluster = routes.cluster();
  CollectiveTable table;
  table.test = test;
  table.cluster = cluster.name;
  table.nodes = cluster.nodes;
  table.device = profile.device.name;
  table.network = profile.network.name;
  table.curve_residual = residual_of_curves(profile.device);
  table.slow_gpus = !cluster.stragglers.gpus.empty() || cluster.stragglers.jitter > 0;
  add_rows(TestBench(test, routes, profile), table);
  return table;
}

}  // namespace trainyard
