// Words of the placement tests: a job from a scenario's text, and where its groups lie.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "analysis/placement/resolve_placement.hpp"
#include "sim/plan/rank_layout.hpp"

namespace trainyard::testing {

// `plan` is the inside of a flow mapping.
inline Job job_of(const std::string& cluster, int nodes, const std::string& plan, int batch,
                  const std::string& model = "llama3-8b") {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("trainyard-placement-{}.yaml", ::getpid());
  const char* precision = cluster == "dgx-1v" ? "fp16" : "bf16";
  std::ofstream(file) << fmt::format(
      "model: {}\ncluster: {}\nnodes: {}\nworkload: {{sequence_length: 2048, global_batch_size: {}, precision: {}}}\n"
      "plan: {{{}}}\n",
      model, cluster, nodes, batch, precision, plan);
  Job job = load_job(file.string());
  std::filesystem::remove(file);
  return job;
}

inline RankLayout layout_of(const Job& job, const Plan& plan) {
  return lay_out(resolved(plan, job.model, job.cluster), job.cluster);
}

// The devices of every group of an axis, ascending.
inline std::set<std::vector<int>> groups_on_devices(const RankLayout& layout, Axis axis) {
  std::set<std::vector<int>> groups;
  for (int rank = 0; rank < layout.world_size(); ++rank) {
    const RankGroup group = layout.group(axis, RankId(rank));
    std::vector<int> devices;
    for (int i = 0; i < group.size; ++i) devices.push_back(layout.device[group.at(i).index()].value);
    std::sort(devices.begin(), devices.end());
    groups.insert(std::move(devices));
  }
  return groups;
}

}  // namespace trainyard::testing
