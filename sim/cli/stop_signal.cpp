#include "sim/cli/stop_signal.hpp"

#include <csignal>

namespace trainyard {
namespace {

// A handler reaches nothing but statics.
std::atomic<bool> stop = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may not wait");
struct sigaction interrupt_before, terminate_before;

extern "C" void request_stop(int) { stop.store(true); }

}  // namespace

StopSignal::StopSignal() {
  stop.store(false);
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, &terminate_before);
  action.sa_flags |= static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, &interrupt_before);
}

StopSignal::~StopSignal() {
  sigaction(SIGINT, &interrupt_before, nullptr);
  sigaction(SIGTERM, &terminate_before, nullptr);
}

const std::atomic<bool>& StopSignal::flag() const { return stop; }

}  // namespace trainyard
