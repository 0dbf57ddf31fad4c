#include "sim/engine/in_order_pass.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace trainyard {
namespace {

constexpr double unresolved = -1;  // the end of a posted transfer whose partner has not come

enum class Meeting : std::uint8_t { none, send, receive, rendezvous };

struct WorkTraits {
  Meeting meeting = Meeting::none;
  int key = 0;  // channel or rendezvous
  int parties = 1;
  double duration = 0;
};

// A transfer that one side has posted.
struct Posted {
  Span* span = nullptr;
  double ready = 0;
};
struct Channel {
  std::vector<Posted> waiting;  // of the side that is ahead, oldest first
  std::size_t first = 0;
  bool sends_wait = false;
};

class InOrderPass {
 public:
  InOrderPass(const StepProgram& program, const PricedProgram& prices) : program_(program) {
    traits_.resize(program.works.size());
    for (std::size_t w = 0; w < traits_.size(); ++w) {
      WorkTraits& t = traits_[w];
      t.duration = prices.works[w].duration.value;
      if (const auto* s = std::get_if<Send>(&program.works[w])) t.meeting = Meeting::send, t.key = s->channel;
      if (const auto* r = std::get_if<Receive>(&program.works[w])) t.meeting = Meeting::receive, t.key = r->channel;
      if (const auto* c = std::get_if<Collective>(&program.works[w]); c != nullptr && c->parties > 1)
        t.meeting = Meeting::rendezvous, t.key = c->rendezvous, t.parties = c->parties;
      const auto needed = static_cast<std::size_t>(t.key) + 1;
      if (t.meeting == Meeting::rendezvous && meetings_.size() < needed) meetings_.resize(needed);
      if ((t.meeting == Meeting::send || t.meeting == Meeting::receive) && channels_.size() < needed)
        channels_.resize(needed);
    }
    cursors_.resize(program.kinds.size());
    for (std::size_t k = 0; k < cursors_.size(); ++k) {
      cursors_[k].last.fill(-1);
      timeline_.spans.emplace_back(program.kinds[k].instructions.size());
    }
  }

  std::optional<Timeline> run() {
    bool moved = true, finished = false;
    while (moved && !finished) {
      moved = false;
      finished = true;
      for (std::size_t k = 0; k < cursors_.size(); ++k) {
        moved = advance(k) || moved;
        finished = finished && cursors_[k].next == program_.kinds[k].instructions.size();
      }
    }
    if (!finished || open_ != 0) return std::nullopt;
    timeline_.makespan = Seconds(makespan_);
    return std::move(timeline_);
  }

 private:
  struct Cursor {
    std::size_t next = 0;
    std::array<std::int32_t, streams> last{};  // latest instruction of each stream
  };

  // When everything before instruction i on its stream and in its `after` has ended, or `unresolved`.
  double ready_time(const RankKind& kind, const std::vector<Span>& spans, const Instruction& i,
                    std::int32_t previous) const {
    double ready = 0;
    if (previous >= 0) {
      const double end = spans[static_cast<std::size_t>(previous)].end.value;
      if (end < 0) return unresolved;
      ready = end;
    }
    for (std::int32_t a = 0; a < i.after_count; ++a) {
      const double end = spans[kind.after[static_cast<std::size_t>(i.after_begin + a)].index()].end.value;
      if (end < 0) return unresolved;
      ready = std::max(ready, end);
    }
    return ready;
  }

  bool advance(std::size_t k) {
    const RankKind& kind = program_.kinds[k];
    std::vector<Span>& spans = timeline_.spans[k];
    Cursor& cursor = cursors_[k];
    const std::size_t begin = cursor.next;
    for (; cursor.next < kind.instructions.size(); ++cursor.next) {
      const Instruction& i = kind.instructions[cursor.next];
      std::int32_t& last = cursor.last[static_cast<std::size_t>(i.stream)];
      const double ready = ready_time(kind, spans, i, last);
      if (ready < 0) break;
      last = static_cast<std::int32_t>(cursor.next);
      const WorkTraits& work = traits_[static_cast<std::size_t>(i.work)];
      Span& span = spans[cursor.next];
      switch (work.meeting) {
        case Meeting::none:
          settle(span, ready, work.duration);
          break;
        case Meeting::send:
        case Meeting::receive:
          meet(work, span, ready);
          break;
        case Meeting::rendezvous:
          gather(work, span, ready);
          break;
      }
    }
    return cursor.next > begin;
  }

  void settle(Span& span, double start, double duration) {
    span = {Seconds(start), Seconds(start + duration)};
    makespan_ = std::max(makespan_, start + duration);
  }

  void post(std::vector<Posted>& waiting, Span& span, double ready) {
    span.end = Seconds(unresolved);
    waiting.push_back({&span, ready});
    ++open_;
  }

  void meet(const WorkTraits& work, Span& span, double ready) {
    Channel& channel = channels_[static_cast<std::size_t>(work.key)];
    const bool is_send = work.meeting == Meeting::send;
    if (channel.first == channel.waiting.size() || channel.sends_wait == is_send) {
      channel.sends_wait = is_send;
      post(channel.waiting, span, ready);
      return;
    }
    const Posted partner = channel.waiting[channel.first++];
    const double start = std::max(ready, partner.ready);
    settle(span, start, work.duration);
    *partner.span = span;
    --open_;
  }

  void gather(const WorkTraits& work, Span& span, double ready) {
    std::vector<Posted>& members = meetings_[static_cast<std::size_t>(work.key)];
    post(members, span, ready);
    if (members.size() < static_cast<std::size_t>(work.parties)) return;
    double start = 0;
    for (const Posted& p : members) start = std::max(start, p.ready);
    for (const Posted& p : members) settle(*p.span, start, work.duration);
    open_ -= members.size();
    members.clear();
  }

  const StepProgram& program_;
  std::vector<WorkTraits> traits_;
  std::vector<Channel> channels_;
  std::vector<std::vector<Posted>> meetings_;
  std::vector<Cursor> cursors_;
  Timeline timeline_;
  std::size_t open_ = 0;  // posted and not met
  double makespan_ = 0;
};

}  // namespace

std::optional<Timeline> run_in_order(const StepProgram& program, const PricedProgram& prices) {
  return InOrderPass(program, prices).run();
}

}  // namespace trainyard
