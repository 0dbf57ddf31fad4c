// Ctrl-C and SIGTERM as a request to stop in good order.
#pragma once

#include <atomic>

namespace trainyard {

// While it lives, the first SIGINT or SIGTERM sets the flag and does nothing else. A second SIGINT, half a second later
// or more, ends the process; a second SIGTERM is one more request (Slurm and mpirun may send several). One at a time in
// a process.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();  // the handling from before
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  const std::atomic<bool>& flag() const;
};

}  // namespace trainyard
