// Ends the program when a phase takes too long: a collective whose peers have died may wait inside NCCL, CUDA or the
// network where no polling reaches it. The alarm signal reaches it everywhere. Host code only.
#pragma once

#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

namespace microbench {

class Watchdog {
 public:
  explicit Watchdog(unsigned seconds) : seconds_(seconds) { std::signal(SIGALRM, end_program); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // A new phase begins, which has the whole time again. The last phase, tearing down, is watched until the process
  // ends.
  void expect(const std::string& phase) const {
    alarm(0);
    std::snprintf(message(), kLength, "nccl: %.160s: not finished after %u s (--timeout); is every rank alive?\n",
                  phase.c_str(), seconds_);
    alarm(seconds_);
  }

 private:
  static constexpr std::size_t kLength = 256;
  static char* message() {
    static char text[kLength] = "";
    return text;
  }
  // Only what a signal handler may call.
  static void end_program(int) {
    const char* const text = message();
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0) _exit(1);
    _exit(1);
  }

  unsigned seconds_;
};

}  // namespace microbench
