// The events of one rank's Kineto file as text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/memory_timeline.hpp"
#include "analysis/trace/kineto_groups.hpp"
#include "analysis/trace/kineto_kernels.hpp"
#include "analysis/trace/shown_ranks.hpp"
#include "analysis/trace/trace_file.hpp"

namespace trainyard {

struct KinetoSubject {
  const Job* job = nullptr;             // not null
  const SimulatedStep* step = nullptr;  // not null
  const ProcessGroups* groups = nullptr;
  ShownRank rank;
  int device = 0;                            // index in its node
  const StageMemoryCurve* memory = nullptr;  // null: no memory events
};

// Objects separated by ",\n", of `steps` repetitions.
void write_kineto_events(const KinetoSubject& subject, int steps, const TextSink& sink);

}  // namespace trainyard
