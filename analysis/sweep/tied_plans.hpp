// Plans that the data cannot tell from the best, and which of them one may want instead.
#pragma once

#include <string>
#include <vector>

#include "analysis/sweep/answer.hpp"

namespace trainyard {

// Does the data leave open which of the two is faster?
bool ties(Seconds best, Seconds other);

struct TieLine {
  std::string label, text;
};
// How many of the plans listed tie and on what evidence, and of all that tie the one that needs least memory and the
// one with the fewest settings. Nothing where none ties.
std::vector<TieLine> tie_lines(const SweepAnswer& answer);

}  // namespace trainyard
