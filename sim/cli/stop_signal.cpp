#include "sim/cli/stop_signal.hpp"

#include <csignal>
#include <cstdint>
#include <ctime>

namespace trainyard {
namespace {

// A handler reaches nothing but statics.
std::atomic<bool> stop = false;
std::atomic<std::int64_t> interrupted_at = 0;  // ns; 0: never
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free,
              "a signal handler may not wait");
struct sigaction interrupt_before, terminate_before;

// `timeout` and launchers send one Ctrl-C both to a process and to its group.
constexpr std::int64_t same_interrupt = 500'000'000;  // ns

std::int64_t now() {
  constexpr std::int64_t second = 1'000'000'000;  // ns
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * second + time.tv_nsec;
}

extern "C" void request_stop(int) { stop.store(true); }

extern "C" void request_stop_or_end(int) {
  stop.store(true);
  std::int64_t first = 0;
  if (interrupted_at.compare_exchange_strong(first, now()) || now() - first < same_interrupt) return;
  struct sigaction end {};
  end.sa_handler = SIG_DFL;
  sigaction(SIGINT, &end, nullptr);
  raise(SIGINT);
}

}  // namespace

StopSignal::StopSignal() {
  stop.store(false);
  interrupted_at.store(0);
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, &terminate_before);
  action.sa_handler = request_stop_or_end;
  sigaction(SIGINT, &action, &interrupt_before);
}

StopSignal::~StopSignal() {
  sigaction(SIGINT, &interrupt_before, nullptr);
  sigaction(SIGTERM, &terminate_before, nullptr);
}

const std::atomic<bool>& StopSignal::flag() const { return stop; }

}  // namespace trainyard
