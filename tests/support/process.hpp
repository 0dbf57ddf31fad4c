// Runs a program as a user's shell would and keeps what it said.
#pragma once

#include <string>
#include <vector>

namespace trainyard::testing {

struct ProcessResult {
  int exit_code = -1;  // -1 if a signal ended it
  int signal = 0;
  std::string out;
  std::string err;
};

struct ProcessInput {
  std::string text;                      // its stdin
  std::vector<std::string> environment;  // "NO_COLOR=1", added to ours
  std::string stdout_file;               // "/dev/full"; empty = kept in ProcessResult::out
};

// `command` is the program's path and its arguments. Throws std::runtime_error if it cannot be started.
ProcessResult run_process(const std::vector<std::string>& command, const ProcessInput& input = {});

}  // namespace trainyard::testing
