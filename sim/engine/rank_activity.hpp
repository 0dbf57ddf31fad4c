// What rank classes are doing together: who gathers for what, what runs, and what happens when.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace trainyard {

struct Role;

// An instruction of a rank class that waits for, or takes part in, something with others.
struct Member {
  std::int32_t rank_class = 0;
  std::int32_t instruction = 0;
  bool sends = false;  // of a message: the sending end
};

// Members of one meeting: a collective, a message, or a block whose ranks keep in step.
struct Gathering {
  std::vector<Member> members;
  double ready = 0;
  std::int32_t work = 0;
};

// A transfer or a kernel under way.
struct Activity {
  Gathering gathering;
  std::int32_t transfer = -1;  // of the cast; -1: a kernel
  int parts_left = 0;
  double start = 0;
  // of kernels: what is left at the present rate
  double remaining = 0, since = 0, rate = 1;
  std::uint32_t version = 0;
};

enum class EventKind : std::uint8_t { start_flow, start_kernel, end_kernel, load, unload };
struct Event {
  double time = 0;
  std::uint64_t sequence = 0;
  EventKind kind = EventKind::start_flow;
  std::int32_t activity = 0;
  std::uint32_t version = 0;
  bool operator<(const Event& o) const { return time != o.time ? time > o.time : sequence > o.sequence; }
};

// Meetings in which every party joins in the order of its calls: the k-th of each belong together.
class Gatherings {
 public:
  explicit Gatherings(std::int32_t places) : open_(static_cast<std::size_t>(places)) {}
  // The gathering, once its last party has joined.
  std::optional<Gathering> join(Member member, std::int32_t work, const Role& role, double ready);

 private:
  std::vector<std::deque<Gathering>> open_;  // [place], oldest first
};

}  // namespace trainyard
