#include "sim/engine/rank_engine.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <queue>
#include <span>
#include <utility>

#include "sim/engine/kernel_contention.hpp"
#include "sim/engine/rank_activity.hpp"
#include "sim/engine/rank_lists.hpp"
#include "sim/engine/stuck_ranks.hpp"

namespace trainyard {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

class RankRun final : public NetworkClient {
 public:
  RankRun(const Cast& cast, SharedNetwork* network)
      : cast_(cast),
        program_(*cast.program),
        classes_(cast.classes->classes),
        network_(network),
        lists_(cast),
        gatherings_(cast.meetings) {
    const std::size_t n = classes_.size();
    states_.resize(n);
    beside_.resize(n);
    kernel_of_.assign(n, -1);
    timeline_.list_of_rank = cast.classes->of_rank;
    timeline_.spans.resize(n);
    for (std::size_t c = 0; c < n; ++c) {
      const std::size_t count = program_.kinds[static_cast<std::size_t>(classes_[c].kind)].instructions.size();
      timeline_.spans[c].assign(count, {Seconds(0), Seconds(unsettled)});
      timeline_.lists.push_back(
          {classes_[c].kind, classes_[c].ranks, classes_[c].representative, classes_[c].slowdown});
      wake(static_cast<std::int32_t>(c));
    }
  }

  Timeline run() {
    if (network_ != nullptr)
      network_->run(*this);
    else
      advance(0, {});
    for (std::size_t c = 0; c < states_.size(); ++c)
      if (!finished(c)) throw StuckProgram(stuck_text(cast_, lists_, timeline_, positions()));
    timeline_.makespan = Seconds(makespan_);
    return std::move(timeline_);
  }

  double advance(double now, std::span<const int> done) override {
    for (const int id : done) end_part(id, now);
    flows_ -= done.size();
    while (true) {
      settle_all();
      if (events_.empty()) return never;
      const Event& next = events_.top();
      // Without flows nothing can happen before the next event, but a flow starts when the network's clock says so.
      if (next.time > now && (flows_ > 0 || next.kind == EventKind::start_flow)) return next.time;
      const Event event = next;
      events_.pop();
      handle(event);
    }
  }

 private:
  static constexpr double unsettled = -1;
  struct State {
    StreamPositions next{};
    bool queued = false;
  };

  const Instruction& instruction(std::int32_t c, std::int32_t i) const {
    return kind_of(c).instructions[static_cast<std::size_t>(i)];
  }
  const RankKind& kind_of(std::int32_t c) const {
    return program_.kinds[static_cast<std::size_t>(classes_[static_cast<std::size_t>(c)].kind)];
  }
  Span& span(Member m) {
    return timeline_.spans[static_cast<std::size_t>(m.rank_class)][static_cast<std::size_t>(m.instruction)];
  }
  bool finished(std::size_t c) const {
    const StreamLists& lists = lists_.of_kind(classes_[c].kind);
    for (std::size_t s = 0; s < streams; ++s)
      if (static_cast<std::size_t>(states_[c].next[s]) != lists[s].size()) return false;
    return std::none_of(timeline_.spans[c].begin(), timeline_.spans[c].end(),
                        [](const Span& s) { return s.end.value < 0; });
  }
  std::vector<StreamPositions> positions() const {
    std::vector<StreamPositions> all;
    for (const State& s : states_) all.push_back(s.next);
    return all;
  }

  void wake(std::int32_t c) {
    State& state = states_[static_cast<std::size_t>(c)];
    if (!std::exchange(state.queued, true)) queue_.push_back(c);
  }
  void settle_all() {
    while (!queue_.empty()) {
      const std::int32_t c = queue_.front();
      queue_.pop_front();
      states_[static_cast<std::size_t>(c)].queued = false;
      issuing_ = c;
      issue(c);
      issuing_ = -1;
    }
  }

  // Issues every instruction of the class that can be.
  void issue(std::int32_t c) {
    const std::int32_t kind_index = classes_[static_cast<std::size_t>(c)].kind;
    const StreamLists& lists = lists_.of_kind(kind_index);
    const RankKind& kind = kind_of(c);
    const std::vector<Span>& spans = timeline_.spans[static_cast<std::size_t>(c)];
    State& state = states_[static_cast<std::size_t>(c)];
    bool moved = true;
    while (moved) {
      moved = false;
      for (const std::size_t s : lists_.streams_of(kind_index)) {
        const std::vector<std::int32_t>& list = lists[s];
        auto& next = state.next[s];
        while (static_cast<std::size_t>(next) < list.size()) {
          const std::int32_t i = list[static_cast<std::size_t>(next)];
          const double ready = ready_time(kind, spans, i, next > 0 ? list[static_cast<std::size_t>(next) - 1] : -1);
          if (ready < 0) break;
          ++next;
          moved = true;
          begin({c, i}, ready);
        }
      }
    }
  }

  static double ready_time(const RankKind& kind, const std::vector<Span>& spans, std::int32_t i,
                           std::int32_t previous) {
    double ready = 0;
    if (previous >= 0) {
      ready = spans[static_cast<std::size_t>(previous)].end.value;
      if (ready < 0) return unsettled;
    }
    const Instruction& in = kind.instructions[static_cast<std::size_t>(i)];
    for (std::int32_t a = 0; a < in.after_count; ++a) {
      const double end = spans[kind.after[static_cast<std::size_t>(in.after_begin + a)].index()].end.value;
      if (end < 0) return unsettled;
      ready = std::max(ready, end);
    }
    return ready;
  }

  void begin(Member m, double ready) {
    const std::int32_t work = instruction(m.rank_class, m.instruction).work;
    const Role& role = cast_.roles[static_cast<std::size_t>(m.rank_class)][static_cast<std::size_t>(work)];
    if (role.meeting >= 0) return gather(m, work, role, ready);
    if (role.transfer < 0 && !followed(m)) return finish(m, ready, ready + kernel_duration(m, work));
    if (role.transfer >= 0 && !is_event(role.transfer)) {
      const ClassTransfer& t = cast_.transfers[static_cast<std::size_t>(role.transfer)];
      return finish(m, ready, ready + t.latency + t.transfer);
    }
    start({{m}, ready, work}, role.transfer);
  }

  bool followed(Member m) const {
    return cast_.compute_contention &&
           lists_.followed(classes_[static_cast<std::size_t>(m.rank_class)].kind, m.instruction);
  }
  // Does anything else depend on when exactly the transfer runs?
  bool is_event(std::int32_t transfer) const {
    const ClassTransfer& t = cast_.transfers[static_cast<std::size_t>(transfer)];
    return t.parts > 0 || loads(t);
  }
  bool loads(const ClassTransfer& t) const { return cast_.compute_contention && t.channels > 0; }

  void gather(Member m, std::int32_t work, const Role& role, double ready) {
    const bool sends = std::holds_alternative<Send>(program_.works[static_cast<std::size_t>(work)]);
    if (std::optional<Gathering> complete = gatherings_.join({m.rank_class, m.instruction, sends}, work, role, ready))
      start(*std::move(complete), role.transfer);
  }

  void start(Gathering g, std::int32_t transfer) {
    if (transfer < 0) return start_kernel(std::move(g));
    const ClassTransfer& t = cast_.transfers[static_cast<std::size_t>(transfer)];
    const double begin = g.ready;
    if (!is_event(transfer)) {
      for (const Member m : g.members) finish(m, begin, begin + t.latency + t.transfer);
      return;
    }
    const std::int32_t id = open_activity(std::move(g), transfer, begin);
    if (loads(t)) push(begin, EventKind::load, id);
    if (t.parts > 0) {
      push(begin + t.latency, EventKind::start_flow, id);
      return;
    }
    const double end = begin + t.latency + t.transfer;
    for (const Member m : activities_[static_cast<std::size_t>(id)].gathering.members) finish(m, begin, end);
    push(end, EventKind::unload, id);
  }

  void start_kernel(Gathering g) {
    double duration = 0;
    bool is_followed = false;
    for (const Member m : g.members) {
      duration = std::max(duration, kernel_duration(m, instruction(m.rank_class, m.instruction).work));
      is_followed = is_followed || followed(m);
    }
    const double begin = g.ready;
    if (!is_followed) {
      for (const Member m : g.members) finish(m, begin, begin + duration);
      return;
    }
    const std::int32_t id = open_activity(std::move(g), -1, begin);
    activities_[static_cast<std::size_t>(id)].remaining = duration;
    push(begin, EventKind::start_kernel, id);
  }

  double kernel_duration(Member m, std::int32_t work) const {
    const WorkPrice& p = cast_.prices->works[static_cast<std::size_t>(work)];
    const double slowdown = classes_[static_cast<std::size_t>(m.rank_class)].slowdown;
    const double duration = p.duration.value + (slowdown - 1.0) * p.compute.value;
    return cast_.jitter > 0 && p.compute.value > 0 ? duration * jitter(m, work) : duration;
  }

  // Drawn for every kernel of every rank; a block of n kernels varies by 1 / sqrt(n) of it.
  double jitter(Member m, std::int32_t work) const {
    const RankId rank = classes_[static_cast<std::size_t>(m.rank_class)].representative;
    const double kernels = lists_.kernels(work);
    return std::max(0.1, 1.0 + cast_.jitter / std::sqrt(kernels) * normal_draw(cast_.seed, rank.value, m.instruction));
  }

  std::int32_t open_activity(Gathering g, std::int32_t transfer, double begin) {
    std::int32_t id = 0;
    if (free_.empty()) {
      id = static_cast<std::int32_t>(activities_.size());
      activities_.emplace_back();
    } else {
      id = free_.back();
      free_.pop_back();
    }
    Activity& a = activities_[static_cast<std::size_t>(id)];
    const std::uint32_t version = a.version;
    a = Activity{};
    a.version = version;
    a.gathering = std::move(g);
    a.transfer = transfer;
    a.start = begin;
    return id;
  }
  void close_activity(std::int32_t id) {
    ++activities_[static_cast<std::size_t>(id)].version;
    free_.push_back(id);
  }

  void push(double time, EventKind kind, std::int32_t activity) {
    events_.push({time, sequence_++, kind, activity, activities_[static_cast<std::size_t>(activity)].version});
  }

  void handle(const Event& event) {
    Activity& a = activities_[static_cast<std::size_t>(event.activity)];
    switch (event.kind) {
      case EventKind::start_flow:
        return start_flow(event.activity);
      case EventKind::start_kernel:
        a.since = event.time;
        a.rate = kernel_rate(a);
        for (const Member m : a.gathering.members) kernel_of_[static_cast<std::size_t>(m.rank_class)] = event.activity;
        return schedule_end(event.activity);
      case EventKind::end_kernel:
        if (event.version == a.version) end_kernel(event.activity, event.time);
        return;
      case EventKind::load:
        return change_load(a, event.time, 1);
      case EventKind::unload:
        change_load(a, event.time, -1);
        return close_activity(event.activity);
    }
  }

  void start_flow(std::int32_t id) {
    Activity& a = activities_[static_cast<std::size_t>(id)];
    const ClassTransfer& t = cast_.transfers[static_cast<std::size_t>(a.transfer)];
    a.parts_left = t.parts;
    for (std::int32_t p = t.first_part; p < t.first_part + t.parts; ++p) {
      const TransferPart& part = cast_.parts[static_cast<std::size_t>(p)];
      network_->start(part.flow_class, part.bytes, id);
      ++flows_;
    }
  }
  void end_part(std::int32_t id, double now) {
    Activity& a = activities_[static_cast<std::size_t>(id)];
    if (--a.parts_left > 0) return;
    for (const Member m : a.gathering.members) finish(m, a.start, now);
    const ClassTransfer& t = cast_.transfers[static_cast<std::size_t>(a.transfer)];
    if (loads(t)) change_load(a, now, -1);
    close_activity(id);
  }

  void schedule_end(std::int32_t id) {
    Activity& a = activities_[static_cast<std::size_t>(id)];
    ++a.version;
    push(a.since + a.remaining / a.rate, EventKind::end_kernel, id);
  }
  void end_kernel(std::int32_t id, double now) {
    Activity& a = activities_[static_cast<std::size_t>(id)];
    for (const Member m : a.gathering.members) {
      kernel_of_[static_cast<std::size_t>(m.rank_class)] = -1;
      finish(m, a.start, now);
    }
    close_activity(id);
  }

  // The slowest member sets the pace.
  double kernel_rate(const Activity& a) const {
    double slowest = 1.0;
    for (const Member m : a.gathering.members) {
      const std::int32_t work = instruction(m.rank_class, m.instruction).work;
      slowest = std::max(slowest, slowdown_beside(cast_.prices->works[static_cast<std::size_t>(work)],
                                                  beside_[static_cast<std::size_t>(m.rank_class)],
                                                  cast_.multiprocessors, cast_.memory_bandwidth));
    }
    return 1.0 / slowest;
  }
  void change_load(const Activity& transfer, double now, int sign) {
    const ClassTransfer& t = cast_.transfers[static_cast<std::size_t>(transfer.transfer)];
    for (const Member m : transfer.gathering.members) {
      KernelsBeside& beside = beside_[static_cast<std::size_t>(m.rank_class)];
      beside.channels += sign * t.channels;
      beside.memory_rate += sign * t.memory_rate;
      if (beside.channels == 0) beside.memory_rate = 0;
      const std::int32_t kernel = kernel_of_[static_cast<std::size_t>(m.rank_class)];
      if (kernel < 0) continue;
      Activity& a = activities_[static_cast<std::size_t>(kernel)];
      a.remaining -= (now - a.since) * a.rate;
      a.since = now;
      a.rate = kernel_rate(a);
      schedule_end(kernel);
    }
  }

  void finish(Member m, double begin, double end) {
    span(m) = {Seconds(begin), Seconds(end)};
    makespan_ = std::max(makespan_, end);
    if (m.rank_class != issuing_) wake(m.rank_class);
  }

  const Cast& cast_;
  const StepProgram& program_;
  const std::vector<RankClass>& classes_;
  SharedNetwork* network_;
  RankLists lists_;
  Timeline timeline_;
  std::vector<State> states_;            // [class]
  std::vector<KernelsBeside> beside_;    // [class]
  std::vector<std::int32_t> kernel_of_;  // [class] followed kernel, -1 = none
  std::deque<std::int32_t> queue_;
  std::int32_t issuing_ = -1;  // class whose streams are being looked at anyway
  Gatherings gatherings_;
  std::vector<Activity> activities_;
  std::vector<std::int32_t> free_;
  std::priority_queue<Event> events_;
  std::uint64_t sequence_ = 0;
  std::size_t flows_ = 0;
  double makespan_ = 0;
};

}  // namespace

Timeline run_ranks(const Cast& cast, SharedNetwork* network) { return RankRun(cast, network).run(); }

}  // namespace trainyard
