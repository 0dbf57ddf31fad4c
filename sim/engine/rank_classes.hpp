// Ranks that cannot be told apart: same stage, same speed, and communicators that load equal links equally. They run in
// step, so one of each class is simulated.
//
// The classes are the coarsest equitable partition of ranks, communicators and contended links (colour refinement):
// every rank of a class has as many communicators of each class, every communicator as many members and links of each
// class, every link as many communicators of each class. Max-min fair rates and start times, being unique, are then
// equal within a class (fractional automorphism; Grohe, Kersting, Mladenov, Selman 2014).
#pragma once

#include <cstdint>
#include <vector>

#include "sim/engine/traffic.hpp"

namespace trainyard {

struct RankClass {
  std::int32_t kind = 0;  // of the program
  RankId representative;
  std::int32_t ranks = 1;
  double slowdown = 1.0;  // duration of a kernel relative to a healthy GPU
};

// A link class wanted by all communicators of a class together.
struct ClassLoad {
  std::int32_t link = 0;   // link class
  double bytes = 0;        // per byte of the message, of all of them
  std::int32_t flows = 1;  // how many they are
  friend bool operator==(const ClassLoad&, const ClassLoad&) = default;
};

struct CommunicatorClass {
  std::vector<std::int32_t> parties;          // rank classes of its members, ascending, each once
  std::vector<std::vector<ClassLoad>> loads;  // [pattern]
  std::vector<double> stretch;                // [pattern]
};

struct RankClasses {
  std::vector<RankClass> classes;                             // by kind, then by representative
  std::vector<std::int32_t> of_rank;                          // [rank]
  std::vector<std::vector<std::int32_t>> of_communicator;     // [set][communicator]
  std::vector<std::vector<CommunicatorClass>> communicators;  // [set][class]
  std::vector<double> capacity;                               // [link class]
};

enum class Folding { on, off };  // off: every rank is a class of its own

RankClasses rank_classes(const StepProgram& program, const Traffic& traffic, const EngineContext& context,
                         Folding folding);

}  // namespace trainyard
