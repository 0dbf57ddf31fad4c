// The `where` of a sweep: a condition on the numbers of a plan, such as "tp*cp <= 8 && micro_batches % pp == 0".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/base/errors.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

// What is the same for every plan of a sweep.
struct WhereConstants {
  int gpus = 0;
  int nodes = 0;
  int gpus_per_node = 0;
  std::int64_t layers = 0;
};

// Names: tp pp vpp cp ep etp dp mbs gbs, m or micro_batches (0 where the GPUs are not divisible), gpus nodes
// gpus_per_node layers. Beside arithmetic: < <= > >= == != && || ! and or not % min(…) max(…). As in floating point 1/0
// is larger than any number, and what is compared with 0/0 or x % 0 does not hold.
// One object must not be used by two threads at once.
class WhereExpression {
 public:
  // Throws InputError at `where`; the message says the column of the text.
  WhereExpression(const std::string& text, const WhereConstants& constants, SourceLocation where);
  ~WhereExpression();
  WhereExpression(WhereExpression&&) noexcept;

  // Of a plan with its grid. InputError where it gives something else than true or false.
  bool holds(const Plan& plan);

 private:
  class Compiled;
  std::unique_ptr<Compiled> compiled_;
};

std::vector<std::string> where_names();

}  // namespace trainyard
