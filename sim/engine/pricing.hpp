// Seconds for every work of a program, alone on its resources. A segment's time is the makespan of its steps on a
// compute and a TP stream, so that a block, its layers and its operators add up to the same.
#pragma once

#include <memory>
#include <vector>

#include "models/profile.hpp"
#include "sim/base/units.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// Collectives of one axis inside a work.
struct AxisPrice {
  Seconds exposed{};  // compute stream waits for them
  Seconds busy{};     // their own time, hidden or not
  Bytes bytes{};      // largest NCCL message
  int collectives = 0;
  friend bool operator==(const AxisPrice&, const AxisPrice&) = default;
};

// duration = compute + exposed of every axis + host.
struct WorkPrice {
  Seconds duration{};
  Seconds compute{};  // kernels on the compute stream
  Seconds host{};     // the host's issue rate is the limit, or it waits for the GPU
  AxisPrice tp, cp, ep;
  Seconds gemm{};  // parts of compute
  Seconds attention{};
  Seconds memory_bound{};
  Seconds exposed() const { return tp.exposed + cp.exposed + ep.exposed; }
  friend bool operator==(const WorkPrice&, const WorkPrice&) = default;
};

struct PricedProgram {
  std::vector<WorkPrice> works;     // [work]
  std::vector<WorkPrice> segments;  // [segment]
};

// Times of collectives asked for before; programs of one sweep ask for the same ones again and again. For one device
// and network profile; not for several threads.
class CollectiveTimes {
 public:
  CollectiveTimes();
  ~CollectiveTimes();
  // As collective_cost(…).time.
  Seconds time(CollectiveKind kind, Bytes bytes, const std::vector<Tier>& tiers, const Profile& profile, Bytes outside);

 private:
  struct Table;
  std::unique_ptr<Table> table_;
};

struct PricingContext {
  const Profile* profile = nullptr;
  int world_size = 1;
  int tp = 1;
  bool sharded = false;  // parameters are gathered unit by unit
  // Of an engine that simulates what transfers do to each other and to compute:
  const std::vector<std::vector<Tier>>* paths = nullptr;  // instead of the program's
  bool contention = true;                                 // charge compute for communication beside it
  CollectiveTimes* known = nullptr;                       // not null: looked up and kept there
};

PricedProgram price(const StepProgram& program, const PricingContext& context);

// The same in two parts: a program's segments do not change with the paths of its gradients and messages.
struct SegmentTimes {
  WorkPrice price;
  std::vector<Seconds> steps;  // duration of every step, contention included
};
std::vector<SegmentTimes> price_segments(const StepProgram& program, const PricingContext& context);
std::vector<WorkPrice> price_works(const StepProgram& program, const PricingContext& context,
                                   const std::vector<SegmentTimes>& segments);

Seconds collective_time(CollectiveKind kind, Bytes bytes, const std::vector<Tier>& tiers, const PricingContext& context,
                        Bytes outside);

}  // namespace trainyard
