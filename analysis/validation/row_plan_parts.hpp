// The parts of plan_of: each turns some columns of a row into some fields of its plan, adds to `notes` what it had to
// assume and throws RowSkipped where the row cannot be expressed.
#pragma once

#include "analysis/validation/row_parts.hpp"

namespace trainyard::row {

Workload workload_of(const PublishedRun& run, Notes& notes);
// What the row says of its exchange ("CP = A2A"), else what its software does.
void set_context_parallel(Plan& plan, const PublishedRun& run, const SoftwareRule& rule);
// "capacity factor 1.0": tokens are dropped or padded to it.
void set_experts(Plan& plan, const PublishedRun& run, const ModelShape& model);
void set_sharding(Plan& plan, const PublishedRun& run, const SoftwareRule& rule, Notes& notes);
// Needs the plan's pipeline: part of the layers is counted per model chunk.
void set_recompute(Plan& plan, const PublishedRun& run, const SoftwareRule& rule, const ModelShape& model,
                   Notes& notes);
void set_offload(Plan& plan, const PublishedRun& run);

}  // namespace trainyard::row
