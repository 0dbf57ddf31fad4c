// trainyard compare A B: two simulated steps term by term.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

// See Command::run.
int compare_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace trainyard
