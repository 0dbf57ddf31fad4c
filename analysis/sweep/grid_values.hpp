// The automatic values of the axes of a grid, one axis at a time: candidates that check_plan has yet to accept.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/plan/job.hpp"

namespace trainyard {

class GridValues {
 public:
  explicit GridValues(const Job& job) : job_(job), world_(job.cluster.world_size()) {}

  std::vector<int> tensor_parallel() const;
  std::vector<int> context_parallel() const;
  std::vector<int> pipeline_parallel(int tp, int cp) const;
  std::vector<int> virtual_stages(int pp) const;
  std::vector<std::string> schedules(int pp, int vpp, bool all) const;
  std::vector<int> expert_parallel(int pp) const;
  std::vector<int> expert_tensor_parallel(int tp) const;
  std::vector<int> micro_batch_size(int dp, bool all) const;
  // What the others leave; 0 where the product does not divide the number of GPUs.
  int data_parallel(int tp, int cp, int pp) const;

 private:
  const Job& job_;
  std::int64_t world_;
};

}  // namespace trainyard
