// The parts of row_to_job: each turns some columns of a row into one part of a job, adds to `notes` what it had to
// assume, and throws RowSkipped where the row cannot be expressed (caught by job_of, never outside).
#pragma once

#include <string>
#include <vector>

#include "analysis/validation/mapping_rules.hpp"
#include "analysis/validation/row_to_job.hpp"
#include "analysis/validation/run_table.hpp"
#include "sim/plan/job.hpp"

namespace trainyard::row {

struct RowSkipped {
  std::string reason;
};
using Notes = std::vector<std::string>;

// Row fields win over the preset; without a preset the family decides: a gated MLP means Llama's (RMSNorm, RoPE, no
// biases, untied), else GPT's (LayerNorm, learned positions, biases, tied). Learned positions are as many as the
// sequence.
ModelShape model_of(const PublishedRun& run, const Presets& presets, Notes& notes);

// The preset with the row's node count, NIC rate and network. Fewer GPUs per node than the preset's: the first GPUs of
// its node, all NICs kept. Fewer NICs than the preset's: every second, fourth … of them where that comes out even;
// any other count keeps the preset's NICs and spreads the node's rate over them.
Cluster cluster_of(const PublishedRun& run, const HardwareRules& rules, const Presets& presets, Notes& notes);

// Attention kernel and CUDA graphs are set on the loaded stack profile.
Profile profile_of(const PublishedRun& run, const SoftwareRule& rule, const Cluster& cluster, const Presets& presets,
                   Notes& notes);

struct RowPlan {
  Plan plan;
  Workload workload;
  double time_scale = 1.0;
};
RowPlan plan_of(const PublishedRun& run, const SoftwareRule& rule, const ModelShape& model, Notes& notes);

std::string lower(std::string text);

}  // namespace trainyard::row
