// A step built from a plan without a cluster: paths are empty, so that only work, bytes and order are looked at.
#pragma once

#include <string_view>
#include <vector>

#include "sim/program/build_step.hpp"

namespace trainyard::testing {

struct BuiltStep {
  ModelShape model;
  Plan plan;
  Workload workload;
  StackProfile stack;
  RankLayout layout;
  CommunicationPaths paths;

  StepProgram build(Granularity granularity = Granularity::block);
};

// A shipped model, its layers cut evenly over pp stages (more on the first), one micro-batch per stage and replica.
BuiltStep built_step(const char* model, int tp, int dp, int pp);

std::vector<Collective> collectives(const StepProgram& program, std::string_view label);
double bytes_of(const std::vector<Collective>& collectives);
const Segment& segment(const StepProgram& program, std::string_view label);

}  // namespace trainyard::testing
