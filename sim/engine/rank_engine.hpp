// Runs the instruction lists of rank classes: an own dependency scheduler, in which only what can be short of something
// is an event. A work of fixed duration is settled as soon as its start is known, in dependency order; transfers over
// contended links become flows of a SharedNetwork; compute that a communication kernel may run beside is followed in
// time, because it slows down while that kernel holds multiprocessors and HBM bandwidth.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/engine/engine.hpp"
#include "sim/engine/pricing.hpp"
#include "sim/engine/rank_classes.hpp"
#include "sim/engine/shared_network.hpp"
#include "sim/engine/timeline.hpp"
#include "sim/engine/traffic.hpp"

namespace trainyard {

// A part of a transfer: links that it loads with as many bytes each.
struct TransferPart {
  std::int32_t flow_class = 0;
  double bytes = 0;
};
// What a work is for one class of communicators.
struct ClassTransfer {
  double latency = 0;
  double transfer = 0;  // seconds after the latency, if it has no parts
  std::int32_t first_part = 0, parts = 0;
  int channels = 0;
  double memory_rate = 0;
};

// What a work is to a class of ranks.
struct Role {
  std::int32_t transfer = -1;  // of the cast; -1 = a kernel, or work of the host
  std::int32_t meeting = -1;   // where its parties gather, in the order of their calls; -1 = the class alone
  std::int32_t parties = 1;
};

// Everything the engine runs on.
struct Cast {
  const StepProgram* program = nullptr;
  const PricedProgram* prices = nullptr;  // of works alone, nothing charged for communication beside compute
  const Traffic* traffic = nullptr;
  const RankClasses* classes = nullptr;
  std::vector<ClassTransfer> transfers;
  std::vector<TransferPart> parts;
  std::vector<FlowClass> flow_classes;
  std::vector<std::vector<Role>> roles;  // [class][work]
  std::int32_t meetings = 0;             // how many places to gather there are
  int multiprocessors = 0;
  double memory_bandwidth = 0;  // bytes per second
  bool compute_contention = true;
  double jitter = 0;
  std::uint64_t seed = 1;
};

// `network` may be null if the cast has no flow classes. Throws StuckProgram.
Timeline run_ranks(const Cast& cast, SharedNetwork* network);

}  // namespace trainyard
