#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#include "analysis/sweep/sweep.hpp"
#include "analysis/sweep/sweep_hash.hpp"
#include "analysis/sweep/sweep_space_yaml.hpp"
#include "analysis/sweep/where_expression.hpp"
#include "sim/base/scenario_files.hpp"
#include "sim/base/yaml_reader.hpp"
#include "sim/plan/plan_yaml.hpp"
#include "topology/cluster_yaml.hpp"

namespace trainyard {
namespace {

// A year on thirty thousand cores at a millisecond per plan.
constexpr std::int64_t most_plans = 1'000'000'000'000'000;
constexpr int most_gpus = 1 << 20;

// Nodes behind `gpus`.
std::optional<int> nodes_from(const std::optional<YamlValue>& gpus, YamlMapping& document) {
  if (!gpus) return std::nullopt;
  if (const auto nodes = document.optional("nodes"))
    nodes->fail("gpus and nodes say the same", "one of the two is enough");
  const auto wanted = static_cast<int>(gpus->as_int(1, most_gpus));
  const int in_node = read_cluster(document.required("cluster")).gpus_per_node();
  if (wanted < in_node)
    gpus->fail(fmt::format("gpus is {}, less than the {} of one node", wanted, in_node), "whole nodes are simulated");
  if (wanted % in_node == 0) return wanted / in_node;
  const int below = wanted / in_node * in_node;
  gpus->fail(fmt::format("gpus is {}, but a node has {}", wanted, in_node),
             fmt::format("{} or {} would fit", below, below + in_node));
}

std::vector<YamlValue> conditions_of(const std::optional<YamlValue>& where) {
  if (!where) return {};
  return where->is_sequence() ? where->as_sequence() : std::vector{*where};
}

// The numbers that a condition can tell grids apart by.
auto numbers_of(const Plan& p) {
  return std::tuple(p.tensor_parallel, p.pipeline_parallel, p.virtual_stages, p.context_parallel, p.expert_parallel,
                    p.expert_tensor_parallel, p.data_parallel, p.micro_batch_size);
}
using GridNumbers = decltype(numbers_of(Plan{}));

// Every grid is judged here, so that a condition that is none is found at once and no thread needs the parser.
std::function<bool(const Plan&)> where_of(const std::vector<YamlValue>& conditions, const SpaceAxes& axes,
                                          const Job& job) {
  if (conditions.empty()) return {};
  const Cluster& cluster = job.cluster;
  std::vector<WhereExpression> all;
  for (const YamlValue& text : conditions)
    all.emplace_back(text.as_string(),
                     WhereConstants{cluster.world_size(), cluster.nodes, cluster.gpus_per_node(), job.model.layers},
                     text.where());
  std::vector<GridNumbers> refused;
  Plan plan = job.plan;
  for (const ParallelGrid& grid : axes.grids) {
    apply(grid, plan);
    bool holds = true;
    for (WhereExpression& condition : all) holds = condition.holds(plan) && holds;
    if (!holds) refused.push_back(numbers_of(plan));
  }
  std::sort(refused.begin(), refused.end());
  return [sorted = std::make_shared<const std::vector<GridNumbers>>(std::move(refused))](const Plan& p) {
    return !std::binary_search(sorted->begin(), sorted->end(), numbers_of(p));
  };
}

void check_size(const SpaceAxes& axes, const YamlValue& at) {
  if (axes.grids.empty())
    at.fail("no plan fits the sweep", "plan and data_parallel_size leave no way to cut the GPUs and the batch");
  std::int64_t plans = std::ssize(axes.grids);
  const auto times = [&](std::ptrdiff_t values) {
    if (plans > most_plans / values)
      at.fail(fmt::format("the sweep has more than {} plans", most_plans), "name fewer axes, or fewer values of each");
    plans *= values;
  };
  for (const SweepAxis& axis : axes.inner) times(std::ssize(axis.values));
  times(std::ssize(axes.variants));
}

SpaceAxes axes_of(const std::optional<YamlValue>& space, const std::optional<YamlValue>& plan, const Job& job,
                  const YamlValue& document) {
  const YamlValue at = space.value_or(document);
  const bool all = space && space->is_scalar() && space->as_string() == "all";
  try {
    SpaceAxes axes = read_space(all ? std::nullopt : space, plan, job);
    check_size(axes, at);
    return axes;
  } catch (const InputError& e) {
    if (!e.where().file.empty()) throw;
    at.fail(e.message(), e.hint());
  }
}

// A scenario taken for a sweep, most likely.
void warn_of_scenario(Sweep& sweep, bool has_space) {
  const auto same = [&](const ParallelGrid& g) {
    return g.tp == sweep.job.plan.tensor_parallel && g.pp == sweep.job.plan.pipeline_parallel;
  };
  const std::vector<ParallelGrid>& grids = sweep.space.axes().grids;
  const bool fixed = (sweep.job.plan.tensor_parallel > 1 || sweep.job.plan.pipeline_parallel > 1) &&
                     std::all_of(grids.begin(), grids.end(), same);
  if (!has_space && fixed)
    sweep.warnings.push_back("`plan` fixes how the GPUs are cut; `--set plan={}` sweeps everything that it says");
}

Sweep read_sweep(const YamlValue& document, const std::string& file, const std::optional<std::string>& profile_file) {
  YamlMapping top(document);
  const auto space = top.optional("space"), where = top.optional("where"), wanted = top.optional("top"),
             gpus = top.optional("gpus"), plan = top.optional("plan");
  Sweep sweep;
  if (wanted) sweep.top = static_cast<int>(wanted->as_int(1, most_top));
  sweep.job = read_job(top, std::filesystem::path(file).stem().string(), profile_file, nodes_from(gpus, top));
  SpaceAxes axes = axes_of(space, plan, sweep.job, document);
  const std::vector<YamlValue> conditions = conditions_of(where);
  axes.where = where_of(conditions, axes, sweep.job);
  std::vector<std::string> texts;
  for (const YamlValue& condition : conditions) texts.push_back(condition.as_string());
  sweep.hash = sweep_hash(sweep.job, axes, texts, sweep.top);
  sweep.space = PlanSpace(sweep.job.plan, std::move(axes));
  sweep.text = YAML::Dump(document.node()) + "\n";
  sweep.file = std::filesystem::absolute(file).string();
  sweep.warnings = sweep.job.warnings;
  warn_of_scenario(sweep, space.has_value());
  return sweep;
}

// `space.tp` goes to the spelling that the sweep uses; the rest is as in a scenario.
std::string sweep_override_path(const YamlValue& document, const std::string& path) {
  constexpr std::string_view in_space = "space.";
  if (!path.starts_with(in_space)) return override_path(document, path);
  const YAML::Node space = document.node()["space"];
  if (!space.IsDefined() || !space.IsMap()) return path;
  for (const std::string& spelling : plan_key_spellings(path.substr(in_space.size())))
    if (space[spelling].IsDefined()) return std::string(in_space) + spelling;
  return path;
}

}  // namespace

Sweep load_sweep(const std::string& file, const std::vector<std::pair<std::string, std::string>>& overrides,
                 const std::optional<std::string>& profile_file) {
  const std::string path = scenario_file("sweeps", file);
  YamlValue document = read_yaml_file(path);
  for (const auto& [key, text] : overrides)
    document = with_override(document, sweep_override_path(document, key), text);
  return read_sweep(document, path, profile_file);
}

Sweep load_sweep_text(const std::string& text, const std::string& file,
                      const std::optional<std::string>& profile_file) {
  return read_sweep(read_yaml_text(text, file), file, profile_file);
}

}  // namespace trainyard
