// Fixed durations make time a longest path: instructions are settled in dependency order, each once, so the cost is
// linear in instructions and the result independent of the order in which ready ones are taken.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>

#include "sim/engine/engine.hpp"

namespace trainyard {
namespace {

using Index = std::int32_t;
constexpr Index none = -1;

class AnalyticRun {
 public:
  AnalyticRun(const StepProgram& program, const PricedProgram& prices) : program_(program), prices_(prices) {
    Index total = 0;
    for (const RankKind& kind : program.kinds) {
      offset_.push_back(total);
      total += static_cast<Index>(kind.instructions.size());
    }
    offset_.push_back(total);
    const auto n = static_cast<std::size_t>(total);
    pending_.assign(n, 0);
    ready_.assign(n, 0.0);
    end_.assign(n, 0.0);
    start_.assign(n, 0.0);
    partner_.assign(n, none);
    stream_next_.assign(n, none);
  }

  Timeline run() {
    pair_up();
    link_dependencies();
    settle_all();
    return collect();
  }

 private:
  const Instruction& at(std::size_t kind, std::size_t i) const { return program_.kinds[kind].instructions[i]; }
  const Work& work(const Instruction& i) const { return program_.works[static_cast<std::size_t>(i.work)]; }
  double duration(Index global, std::size_t kind) const {
    const Instruction& i = at(kind, static_cast<std::size_t>(global - offset_[kind]));
    return prices_.works[static_cast<std::size_t>(i.work)].duration.value;
  }

  // partner_ of a send is its receive and back; members of a rendezvous form a ring through partner_.
  void pair_up() {
    std::vector<std::vector<Index>> sends, receives;
    std::map<int, std::vector<Index>> meetings;
    const auto slot = [](std::vector<std::vector<Index>>& all, int channel) -> std::vector<Index>& {
      if (all.size() <= static_cast<std::size_t>(channel)) all.resize(static_cast<std::size_t>(channel) + 1);
      return all[static_cast<std::size_t>(channel)];
    };
    for (std::size_t k = 0; k < program_.kinds.size(); ++k)
      for (std::size_t i = 0; i < program_.kinds[k].instructions.size(); ++i) {
        const Instruction& instruction = at(k, i);
        if (instruction.stream == Stream::compute || instruction.stream == Stream::host) continue;
        const Index global = offset_[k] + static_cast<Index>(i);
        const Work& w = work(instruction);
        if (const auto* send = std::get_if<Send>(&w)) slot(sends, send->channel).push_back(global);
        if (const auto* receive = std::get_if<Receive>(&w)) slot(receives, receive->channel).push_back(global);
        if (const auto* c = std::get_if<Collective>(&w); c != nullptr && c->parties > 1) meetings[c->rendezvous].push_back(global);
      }
    for (std::size_t channel = 0; channel < sends.size() && channel < receives.size(); ++channel)
      for (std::size_t j = 0; j < std::min(sends[channel].size(), receives[channel].size()); ++j) {
        partner_[static_cast<std::size_t>(sends[channel][j])] = receives[channel][j];
        partner_[static_cast<std::size_t>(receives[channel][j])] = sends[channel][j];
      }
    for (const auto& [id, members] : meetings)
      for (std::size_t j = 0; j < members.size(); ++j)
        partner_[static_cast<std::size_t>(members[j])] = members[(j + 1) % members.size()];
  }

  // Edges as a compressed list: who waits for an instruction, beyond its stream's successor.
  void link_dependencies() {
    waiters_begin_.assign(pending_.size() + 1, 0);
    std::size_t edges = 0;
    for (std::size_t k = 0; k < program_.kinds.size(); ++k) {
      const RankKind& kind = program_.kinds[k];
      edges += kind.after.size();
      std::array<Index, streams> last;
      last.fill(none);
      for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
        const Instruction& instruction = kind.instructions[i];
        const Index global = offset_[k] + static_cast<Index>(i);
        Index& previous = last[static_cast<std::size_t>(instruction.stream)];
        if (previous != none) {
          stream_next_[static_cast<std::size_t>(previous)] = global;
          ++pending_[static_cast<std::size_t>(global)];
        }
        previous = global;
        for (int a = 0; a < instruction.after_count; ++a) {
          const Index dependency = offset_[k] + kind.after[static_cast<std::size_t>(instruction.after_begin + a)].value;
          ++waiters_begin_[static_cast<std::size_t>(dependency) + 1];
          ++pending_[static_cast<std::size_t>(global)];
        }
      }
    }
    for (std::size_t i = 1; i < waiters_begin_.size(); ++i) waiters_begin_[i] += waiters_begin_[i - 1];
    waiters_.resize(edges);
    std::vector<Index> fill(waiters_begin_.begin(), waiters_begin_.end() - 1);
    for (std::size_t k = 0; k < program_.kinds.size(); ++k) {
      const RankKind& kind = program_.kinds[k];
      for (std::size_t i = 0; i < kind.instructions.size(); ++i)
        for (int a = 0; a < kind.instructions[i].after_count; ++a) {
          const Index dependency = offset_[k] + kind.after[static_cast<std::size_t>(kind.instructions[i].after_begin + a)].value;
          waiters_[static_cast<std::size_t>(fill[static_cast<std::size_t>(dependency)]++)] = offset_[k] + static_cast<Index>(i);
        }
    }
  }

  std::size_t kind_of(Index global) const {
    return static_cast<std::size_t>(std::upper_bound(offset_.begin(), offset_.end(), global) - offset_.begin()) - 1;
  }

  void settle_all() {
    std::vector<Index> stack;
    for (Index i = 0; i < offset_.back(); ++i)
      if (pending_[static_cast<std::size_t>(i)] == 0) stack.push_back(i);
    std::size_t settled = 0;
    while (!stack.empty()) {
      const Index i = stack.back();
      stack.pop_back();
      settled += settle(i, stack);
    }
    if (settled != pending_.size()) report_stuck();
  }

  // Settles an instruction whose dependencies ended, with its partners if they are ready too; returns how many.
  std::size_t settle(Index first, std::vector<Index>& stack) {
    double start = ready_[static_cast<std::size_t>(first)];
    for (Index p = partner_[static_cast<std::size_t>(first)]; p != none && p != first; p = partner_[static_cast<std::size_t>(p)]) {
      if (pending_[static_cast<std::size_t>(p)] != 0) return 0;
      start = std::max(start, ready_[static_cast<std::size_t>(p)]);
    }
    if (needs_partner(first) && partner_[static_cast<std::size_t>(first)] == none) return 0;
    const double finish = start + duration(first, kind_of(first));
    std::size_t count = 0;
    Index i = first;
    do {
      start_[static_cast<std::size_t>(i)] = start;
      end_[static_cast<std::size_t>(i)] = finish;
      pending_[static_cast<std::size_t>(i)] = -1;  // settled: a partner still on the stack must not settle again
      release(i, finish, stack);
      ++count;
      i = partner_[static_cast<std::size_t>(i)];
    } while (i != none && i != first);
    return count;
  }

  bool needs_partner(Index global) const {
    const std::size_t k = kind_of(global);
    const Work& w = work(at(k, static_cast<std::size_t>(global - offset_[k])));
    return std::holds_alternative<Send>(w) || std::holds_alternative<Receive>(w);
  }

  void release(Index done, double finish, std::vector<Index>& stack) {
    const auto arrive = [&](Index waiter) {
      ready_[static_cast<std::size_t>(waiter)] = std::max(ready_[static_cast<std::size_t>(waiter)], finish);
      if (--pending_[static_cast<std::size_t>(waiter)] == 0) stack.push_back(waiter);
    };
    if (stream_next_[static_cast<std::size_t>(done)] != none) arrive(stream_next_[static_cast<std::size_t>(done)]);
    for (Index e = waiters_begin_[static_cast<std::size_t>(done)]; e < waiters_begin_[static_cast<std::size_t>(done) + 1]; ++e)
      arrive(waiters_[static_cast<std::size_t>(e)]);
  }

  [[noreturn]] void report_stuck() const {
    std::string text = "the step cannot finish:";
    for (std::size_t k = 0; k < program_.kinds.size(); ++k)
      for (std::size_t i = 0; i < program_.kinds[k].instructions.size(); ++i) {
        const Index global = offset_[k] + static_cast<Index>(i);
        if (pending_[static_cast<std::size_t>(global)] < 0) continue;
        const Instruction& instruction = at(k, i);
        text += fmt::format("\n  stage {}: instruction {} on {} (micro-batch {}, chunk {}) waits for {}", program_.kinds[k].stage.value, i,
                            name(instruction.stream), instruction.micro_batch, instruction.chunk,
                            pending_[static_cast<std::size_t>(global)] > 0 ? fmt::format("{} instructions", pending_[static_cast<std::size_t>(global)])
                                                                            : std::string("its partner"));
        break;  // the first blocked instruction of a kind blocks the rest
      }
    throw StuckProgram(text);
  }

  Timeline collect() const {
    Timeline timeline;
    for (std::size_t k = 0; k < program_.kinds.size(); ++k) {
      std::vector<Span> spans(program_.kinds[k].instructions.size());
      for (std::size_t i = 0; i < spans.size(); ++i) {
        const auto global = static_cast<std::size_t>(offset_[k]) + i;
        spans[i] = {Seconds(start_[global]), Seconds(end_[global])};
        timeline.makespan = std::max(timeline.makespan, spans[i].end);
      }
      timeline.spans.push_back(std::move(spans));
    }
    return timeline;
  }

  const StepProgram& program_;
  const PricedProgram& prices_;
  std::vector<Index> offset_;        // [kind] of its first instruction in the global numbering
  std::vector<Index> pending_;       // dependencies not yet ended; -1 = settled
  std::vector<double> ready_, start_, end_;
  std::vector<Index> partner_, stream_next_;
  std::vector<Index> waiters_begin_, waiters_;
};

}  // namespace

Timeline run_analytic(const StepProgram& program, const PricedProgram& prices) { return AnalyticRun(program, prices).run(); }

}  // namespace trainyard
