// Least value of a function of a few variables without its derivatives: the simplex method of Nelder and Mead (1965),
// every vertex kept within bounds and the simplex built anew where it has shrunk, as long as that still helps.
#pragma once

#include <functional>
#include <vector>

namespace trainyard {

struct SearchVariable {
  double start = 0;
  double low = 0;
  double high = 0;
  double step = 0;  // edge of the first simplex; about how far the solution may be
};

// At least one variable. Values that are no numbers count as infinitely bad. Never returns more than the value at the
// start; calls `function` about `evaluations` times.
std::vector<double> least(const std::function<double(const std::vector<double>&)>& function,
                          const std::vector<SearchVariable>& variables, int evaluations);

}  // namespace trainyard
