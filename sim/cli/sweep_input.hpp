// The options that `sweep` and `sweep submit` share: which sweep, and how its plans are gone through.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analysis/sweep/sweep.hpp"
#include "sim/cli/scenario_input.hpp"

namespace trainyard {

struct SweepChoice {
  std::string file;                    // absolute
  Overrides overrides;                 // --set, and --top as one of them
  std::optional<std::string> profile;  // absolute
  int jobs = 1;                        // threads
  bool jobs_given = false;
  bool prune = true;
};

// SWEEP, --set, --profile, --top, --jobs, --no-prune and -o.
void add_sweep_options(CommandSyntax& syntax);
// boost::program_options::error for what is no choice, InputError where there is no such file.
SweepChoice sweep_choice(const boost::program_options::variables_map& given);
Sweep load_sweep(const SweepChoice& choice);

// -o; boost::program_options::error if it is empty.
std::optional<std::string> output_of(const boost::program_options::variables_map& given);

}  // namespace trainyard
