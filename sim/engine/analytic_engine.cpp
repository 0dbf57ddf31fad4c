// Fixed durations make time a longest path: instructions are settled in dependency order, each once, so the cost is
// linear in instructions and the result independent of the order in which ready ones are taken.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "sim/engine/engine.hpp"
#include "sim/engine/in_order_pass.hpp"

namespace trainyard {
namespace {

using Index = std::int32_t;
constexpr Index none = -1;
constexpr Index settled = -1;

// An instruction of any kind, in one numbering.
struct Node {
  double ready = 0;  // when the last dependency ended
  double start = 0;
  double end = 0;     // before settling: the duration
  Index pending = 0;  // dependencies that have not ended; `settled` afterwards
  Index stream_next = none;
  Index partner = none;       // ring of the instructions that start together: send and receive, rendezvous
  Index first_waiter = none;  // into edges_
};
struct Edge {
  Index waiter;
  Index next;  // further edge of the same dependency
};

// What the engine needs to know of a work.
struct WorkTraits {
  enum Kind : std::uint8_t { local, send, receive, rendezvous } kind = local;
  int key = 0;  // channel or rendezvous
  double duration = 0;
};

class AnalyticRun {
 public:
  AnalyticRun(const StepProgram& program, const PricedProgram& prices) : program_(program) {
    std::size_t total = 0, edges = 0;
    for (const RankKind& kind : program.kinds) {
      total += kind.instructions.size();
      edges += kind.after.size();
    }
    nodes_.reserve(total);
    edges_.reserve(edges);
    read_works(prices);
    for (const RankKind& kind : program.kinds) add_kind(kind);
    pair_up();
  }

  Timeline run() {
    std::vector<Index> stack;
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      if (nodes_[i].pending == 0) stack.push_back(static_cast<Index>(i));
    std::size_t done = 0;
    while (!stack.empty()) {
      const Index i = stack.back();
      stack.pop_back();
      done += settle(i, stack);
    }
    if (done != nodes_.size()) report_stuck();
    return collect();
  }

 private:
  Node& node(Index i) { return nodes_[static_cast<std::size_t>(i)]; }

  void read_works(const PricedProgram& prices) {
    traits_.resize(program_.works.size());
    for (std::size_t w = 0; w < traits_.size(); ++w) {
      WorkTraits& t = traits_[w];
      t.duration = prices.works[w].duration.value;
      if (const auto* s = std::get_if<Send>(&program_.works[w])) t = {WorkTraits::send, s->channel, t.duration};
      if (const auto* r = std::get_if<Receive>(&program_.works[w])) t = {WorkTraits::receive, r->channel, t.duration};
      if (const auto* c = std::get_if<Collective>(&program_.works[w]); c != nullptr && c->parties > 1)
        t = {WorkTraits::rendezvous, c->rendezvous, t.duration};
    }
  }

  void add_kind(const RankKind& kind) {
    const auto offset = static_cast<Index>(nodes_.size());
    offsets_.push_back(offset);
    std::array<Index, streams> last;
    last.fill(none);
    for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
      const Instruction& instruction = kind.instructions[i];
      const WorkTraits& traits = traits_[static_cast<std::size_t>(instruction.work)];
      const Index self = offset + static_cast<Index>(i);
      Node& added = nodes_.emplace_back();
      added.end = traits.duration;
      Index& previous = last[static_cast<std::size_t>(instruction.stream)];
      if (previous != none) {
        node(previous).stream_next = self;
        ++added.pending;
      }
      previous = self;
      added.pending += instruction.after_count;
      for (int a = 0; a < instruction.after_count; ++a) {
        Node& dependency = node(offset + kind.after[static_cast<std::size_t>(instruction.after_begin + a)].value);
        edges_.push_back({self, std::exchange(dependency.first_waiter, static_cast<Index>(edges_.size()))});
      }
      if (traits.kind != WorkTraits::local) meet(traits, self);
    }
  }

  // The k-th send of a channel meets its k-th receive; a rendezvous gathers all its members.
  void meet(const WorkTraits& traits, Index self) {
    auto& table = traits.kind == WorkTraits::send ? sends_ : traits.kind == WorkTraits::receive ? receives_ : meetings_;
    const auto key = static_cast<std::size_t>(traits.key);
    if (table.size() <= key) table.resize(key + 1);
    table[key].push_back(self);
  }

  void pair_up() {
    for (std::size_t channel = 0; channel < std::max(sends_.size(), receives_.size()); ++channel) {
      const std::size_t sent = channel < sends_.size() ? sends_[channel].size() : 0;
      const std::size_t received = channel < receives_.size() ? receives_[channel].size() : 0;
      for (std::size_t j = 0; j < std::max(sent, received); ++j) {
        if (j >= sent)
          block(receives_[channel][j]);
        else if (j >= received)
          block(sends_[channel][j]);
        else {
          node(sends_[channel][j]).partner = receives_[channel][j];
          node(receives_[channel][j]).partner = sends_[channel][j];
        }
      }
    }
    for (const std::vector<Index>& members : meetings_)
      for (std::size_t j = 0; j < members.size(); ++j) node(members[j]).partner = members[(j + 1) % members.size()];
  }
  // A send nobody receives, or the reverse, never becomes ready.
  void block(Index i) { ++node(i).pending; }

  // Settles an instruction whose dependencies ended, with its partners if they are ready too; returns how many.
  std::size_t settle(Index first, std::vector<Index>& stack) {
    double start = node(first).ready;
    for (Index p = node(first).partner; p != none && p != first; p = node(p).partner) {
      if (node(p).pending != 0) return 0;
      start = std::max(start, node(p).ready);
    }
    const double finish = start + node(first).end;
    std::size_t count = 0;
    Index i = first;
    do {
      Node& n = node(i);
      n.start = start;
      n.end = finish;
      n.pending = settled;  // a partner still on the stack must not settle again
      if (n.stream_next != none) arrive(n.stream_next, finish, stack);
      for (Index e = n.first_waiter; e != none; e = edges_[static_cast<std::size_t>(e)].next)
        arrive(edges_[static_cast<std::size_t>(e)].waiter, finish, stack);
      ++count;
      i = n.partner;
    } while (i != none && i != first);
    makespan_ = std::max(makespan_, finish);
    return count;
  }
  void arrive(Index waiter, double time, std::vector<Index>& stack) {
    Node& n = node(waiter);
    n.ready = std::max(n.ready, time);
    if (--n.pending == 0) stack.push_back(waiter);
  }

  [[noreturn]] void report_stuck() const {
    std::string text = "the step cannot finish:";
    for (std::size_t k = 0; k < program_.kinds.size(); ++k) {
      const RankKind& kind = program_.kinds[k];
      std::array<bool, streams> named{};
      for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
        const Node& n = nodes_[static_cast<std::size_t>(offsets_[k]) + i];
        const Instruction& instruction = kind.instructions[i];
        // The first blocked instruction of a stream blocks the rest of it.
        if (n.pending == settled || std::exchange(named[static_cast<std::size_t>(instruction.stream)], true)) continue;
        text += fmt::format("\n  {} (stage {}): {} waits for {}", ranks_of(kind), kind.stage.value,
                            instruction_name(kind, i), cause_of(k, i));
      }
    }
    throw StuckProgram(text);
  }
  static std::string ranks_of(const RankKind& kind) {
    std::string text = fmt::format("rank {}", kind.representative.value);
    return kind.ranks > 1 ? text + fmt::format(" and {} like it", kind.ranks - 1) : text;
  }
  static std::string instruction_name(const RankKind& kind, std::size_t i) {
    const Instruction& in = kind.instructions[i];
    return fmt::format("instruction {} on {} (micro-batch {}, chunk {})", i, name(in.stream), in.micro_batch, in.chunk);
  }
  std::string cause_of(std::size_t k, std::size_t i) const {
    const RankKind& kind = program_.kinds[k];
    const Instruction& in = kind.instructions[i];
    for (int a = 0; a < in.after_count; ++a) {
      const std::size_t before = kind.after[static_cast<std::size_t>(in.after_begin + a)].index();
      if (nodes_[static_cast<std::size_t>(offsets_[k]) + before].pending != settled)
        return instruction_name(kind, before) + " of the same rank";
    }
    const Node& n = nodes_[static_cast<std::size_t>(offsets_[k]) + i];
    if (n.partner == none) return "the other end of a message that no rank posts";
    // The kinds of the ring of partners that are not ready.
    std::string others;
    for (Index p = n.partner; p != offsets_[k] + static_cast<Index>(i);
         p = nodes_[static_cast<std::size_t>(p)].partner) {
      const auto after = std::upper_bound(offsets_.begin(), offsets_.end(), p);
      const RankKind& other = program_.kinds[static_cast<std::size_t>(after - offsets_.begin()) - 1];
      if (nodes_[static_cast<std::size_t>(p)].pending > 0) others += (others.empty() ? "" : ", ") + ranks_of(other);
    }
    return others.empty() ? "an earlier instruction of its stream" : others;
  }

  Timeline collect() const {
    Timeline timeline;
    timeline.makespan = Seconds(makespan_);
    timeline.spans.reserve(program_.kinds.size());
    auto n = nodes_.begin();
    for (const RankKind& kind : program_.kinds) {
      std::vector<Span> spans;
      spans.reserve(kind.instructions.size());
      for (std::size_t i = 0; i < kind.instructions.size(); ++i, ++n)
        spans.push_back({Seconds(n->start), Seconds(n->end)});
      timeline.spans.push_back(std::move(spans));
    }
    return timeline;
  }

  const StepProgram& program_;
  std::vector<WorkTraits> traits_;  // [work]
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::vector<Index> offsets_;                                   // [kind] of its first instruction
  std::vector<std::vector<Index>> sends_, receives_, meetings_;  // [channel or rendezvous] in order
  double makespan_ = 0;
};

}  // namespace

Timeline run_analytic(const StepProgram& program, const PricedProgram& prices) {
  if (std::optional<Timeline> timeline = run_in_order(program, prices)) return *std::move(timeline);
  return run_by_dependency(program, prices);
}

Timeline run_by_dependency(const StepProgram& program, const PricedProgram& prices) {
  return AnalyticRun(program, prices).run();
}

}  // namespace trainyard
