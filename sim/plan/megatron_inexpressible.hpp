// What a Megatron-LM command line cannot say.
#pragma once

#include <string>
#include <vector>

#include "sim/plan/plan.hpp"

namespace trainyard {

// One of the zero-bubble schedules of Megatron-LM's fork (zb-h1, zb-h2, zb-v).
bool is_zero_bubble(const Plan& plan);

// --num-distributed-optimizer-instances of a plan; 1 = one copy of the states, or a number of copies that the plan
// alone does not tell (a shard group without data_parallel).
int optimizer_instances(const Plan& plan);

// "schedule gpipe", "placement rail" …: the settings that to_megatron_args leaves out, as people would name them.
std::vector<std::string> inexpressible_in_megatron(const Plan& plan, const Workload& workload);

}  // namespace trainyard
