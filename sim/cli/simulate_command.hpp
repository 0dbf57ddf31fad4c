// trainyard simulate SCENARIO: one predicted training step as text or JSON, and as a trace if asked for.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

// See Command::run.
int simulate_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace trainyard
