// trainyard memory SCENARIO: the memory ledger without simulating the step.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

// See Command::run.
int memory_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace trainyard
