// One sentence for all plans that cannot run for the same reason.
#pragma once

#include <string>

namespace trainyard {

// "12 heads are not divisible by tensor_model_parallel_size 8 (…)" -> "heads are not divisible by
// tensor_model_parallel_size": without what differs from plan to plan and without advice. Numbers that are limits stay
// ("> 1"), as do those inside names (1f1b); a number that the sentence cannot do without becomes N.
std::string reason_family(const std::string& reason);

}  // namespace trainyard
