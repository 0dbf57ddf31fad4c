// Constants of a formula from measured times: least squares of log(predicted / measured) with Huber weights (outliers
// count by their distance, not its square), each constant kept within its bounds; Levenberg and Marquardt's steps.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace trainyard {

struct SearchedConstant {
  std::string name;  // for notes
  double start = 0;  // kept where the samples do not determine the constant
  double low = 0;
  double high = 0;
  double scale = 1;  // a change that would matter
};

struct RobustSolution {
  std::vector<double> values;
  std::vector<bool> determined;
};

// predict(values, predicted) fills `predicted` with one positive time per measured one.
using Prediction = std::function<void(const std::vector<double>&, std::vector<double>&)>;

// Constants are searched in the order given, most important first: one that changes the times by less than 1 % when it
// changes by its scale, beyond what those before it could do as well, keeps its start. So do all that are more than the
// samples. Measured times must be positive and finite.
RobustSolution fit_logarithms(const std::vector<SearchedConstant>& constants, const Prediction& predict,
                              const std::vector<double>& measured);

}  // namespace trainyard
