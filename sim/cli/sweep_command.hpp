// `trainyard sweep`: every plan and placement of a model on a cluster.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

inline constexpr int interrupted_exit_code = 130;

// Runs a sweep or a shard of it, or what the first word names: merge, show, submit.
int sweep_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err);

int sweep_run(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);
int sweep_merge(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);
int sweep_show(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);
int sweep_submit(const std::vector<std::string>& args, std::ostream& out, std::ostream& err);

}  // namespace trainyard
