// The contract of every engine. It runs each instruction once, never before its `after` and its stream predecessor; a
// collective starts when its last party arrives; a send and its receive start together when both are ready and end
// together. Equal inputs give byte-equal timelines. Thread-safe: no shared state.
#pragma once

#include <stdexcept>
#include <string>

#include "sim/engine/pricing.hpp"
#include "sim/engine/timeline.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// Nothing can run and work remains; what() lists every blocked rank kind and what it waits for. A bug of a schedule,
// not of the user.
class StuckProgram : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Every transfer takes its closed-form time.
Timeline run_analytic(const StepProgram& program, const PricedProgram& prices);

// The same by explicit dependency counting, for programs in any legal order; several times slower, and the oracle of
// the fast pass.
Timeline run_by_dependency(const StepProgram& program, const PricedProgram& prices);

}  // namespace trainyard
