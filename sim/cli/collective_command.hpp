// trainyard collective OP --cluster C: what nccl-tests would print there.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

// See Command::run.
int collective_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace trainyard
