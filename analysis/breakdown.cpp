#include "analysis/breakdown.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "analysis/communication_table.hpp"

namespace trainyard {
namespace {

constexpr double time_resolution = 1e-12;  // seconds; below it two times are the same

// From a kind's first compute to its last end.
Span window_of(const RankKind& kind, const std::vector<Span>& spans) {
  Span window{Seconds(-1), Seconds(0)};
  for (std::size_t i = 0; i < kind.instructions.size(); ++i) {
    if (window.start.value < 0 && kind.instructions[i].stream == Stream::compute) window.start = spans[i].start;
    window.end = std::max(window.end, spans[i].end);
  }
  return window;
}

// Walks one rank kind.
class KindWalk {
 public:
  KindWalk(const StepProgram& program, const PricedProgram& prices, const Timeline& timeline, std::size_t kind,
           std::vector<Seconds>& exposed_of_work)
      : program_(program),
        prices_(prices),
        kind_(program.kinds[kind]),
        spans_(timeline.spans[kind]),
        exposed_of_work_(exposed_of_work) {}

  Breakdown run(Seconds step_time, bool own_window) {
    Seconds free = own_window ? window_of(kind_, spans_).start : Seconds(0);
    const Seconds begin = free;
    int final_id = -1;
    Seconds final_end{};
    for (std::size_t i = 0; i < kind_.instructions.size(); ++i) {
      if (spans_[i].end >= final_end) {
        final_end = spans_[i].end;
        final_id = static_cast<int>(i);
      }
      if (kind_.instructions[i].stream != Stream::compute) continue;
      if (spans_[i].start.value - free.value > time_resolution)
        attribute_gap(static_cast<int>(i), free, spans_[i].start);
      add_compute(kind_.instructions[i]);
      free = spans_[i].end;
    }
    if (final_id >= 0 && final_end.value > free.value + time_resolution) attribute_transfer(final_id, free, final_end);
    b_.bubble += step_time - (std::max(free, final_end) - begin);
    return b_;
  }

 private:
  const WorkPrice& price(const Instruction& i) const { return prices_.works[static_cast<std::size_t>(i.work)]; }

  void add_compute(const Instruction& i) {
    const WorkPrice& p = price(i);
    if (i.phase == Phase::optimizer) {
      b_.optimizer += p.duration;
      return;
    }
    b_.compute += p.compute;
    b_.exposed_tp += p.tp.exposed;
    b_.exposed_cp += p.cp.exposed;
    b_.exposed_ep += p.ep.exposed;
    b_.other += p.host;
  }

  // The dependency that ended last before `limit`, or -1.
  int gate(int id, Seconds limit) const {
    const Instruction& i = kind_.instructions[static_cast<std::size_t>(id)];
    int best = -1;
    const auto consider = [&](int candidate) {
      if (candidate < 0) return;
      if (kind_.instructions[static_cast<std::size_t>(candidate)].stream == Stream::compute) return;
      if (spans_[static_cast<std::size_t>(candidate)].end.value > limit.value + time_resolution) return;
      if (best < 0 || spans_[static_cast<std::size_t>(candidate)].end > spans_[static_cast<std::size_t>(best)].end)
        best = candidate;
    };
    for (int a = 0; a < i.after_count; ++a) consider(kind_.after[static_cast<std::size_t>(i.after_begin + a)].value);
    if (i.stream != Stream::compute) consider(previous_of_stream(id));
    return best;
  }

  int previous_of_stream(int id) const {
    const Stream stream = kind_.instructions[static_cast<std::size_t>(id)].stream;
    do --id;
    while (id >= 0 && kind_.instructions[static_cast<std::size_t>(id)].stream != stream);
    return id;
  }

  void attribute_gap(int id, Seconds from, Seconds to) {
    const int cause = gate(id, to);
    if (cause < 0 || spans_[static_cast<std::size_t>(cause)].end <= from) {
      b_.bubble += to - from;
      return;
    }
    b_.bubble += to - spans_[static_cast<std::size_t>(cause)].end;
    attribute_transfer(cause, from, spans_[static_cast<std::size_t>(cause)].end);
  }

  // [from, to] ends with instruction `id`: its own part is exposed, what precedes it is attributed to what it waited
  // for.
  void attribute_transfer(int id, Seconds from, Seconds to) {
    while (to.value - from.value > time_resolution) {
      const Instruction& i = kind_.instructions[static_cast<std::size_t>(id)];
      const Seconds start = std::max(from, std::min(to, spans_[static_cast<std::size_t>(id)].start));
      expose(i, to - start);
      to = start;
      const int before = gate(id, to);
      if (before < 0 || spans_[static_cast<std::size_t>(before)].end <= from) break;
      b_.bubble += to - spans_[static_cast<std::size_t>(before)].end;
      to = spans_[static_cast<std::size_t>(before)].end;
      id = before;
    }
    b_.bubble += std::max(Seconds(0), to - from);
  }

  void expose(const Instruction& i, Seconds time) {
    if (i.stream == Stream::host || i.stream == Stream::to_host || i.stream == Stream::from_host) {
      b_.other += time;
      return;
    }
    exposed_of_work_[static_cast<std::size_t>(i.work)] += time;
    if (is_pipeline(i.stream)) {
      b_.exposed_pp += time;
      return;
    }
    const auto& c = std::get<Collective>(program_.works[static_cast<std::size_t>(i.work)]);
    switch (c.axis) {
      case Axis::tp:
        b_.exposed_tp += time;
        return;
      case Axis::cp:
        b_.exposed_cp += time;
        return;
      case Axis::ep:
        b_.exposed_ep += time;
        return;
      case Axis::dp:
        b_.exposed_dp += time;
        return;
      case Axis::pp:
        b_.exposed_pp += time;
        return;
    }
  }

  const StepProgram& program_;
  const PricedProgram& prices_;
  const RankKind& kind_;
  const std::vector<Span>& spans_;
  std::vector<Seconds>& exposed_of_work_;
  Breakdown b_;
};

Breakdown scaled_sum(const std::vector<Breakdown>& all) {
  Breakdown sum;
  for (const Breakdown& b : all) {
    sum.compute += b.compute;
    sum.exposed_tp += b.exposed_tp;
    sum.exposed_cp += b.exposed_cp;
    sum.exposed_ep += b.exposed_ep;
    sum.exposed_pp += b.exposed_pp;
    sum.exposed_dp += b.exposed_dp;
    sum.bubble += b.bubble;
    sum.optimizer += b.optimizer;
    sum.other += b.other;
  }
  const double k = 1.0 / static_cast<double>(all.size());
  for (Seconds* part : {&sum.compute, &sum.exposed_tp, &sum.exposed_cp, &sum.exposed_ep, &sum.exposed_pp,
                        &sum.exposed_dp, &sum.bubble, &sum.optimizer, &sum.other})
    *part *= k;
  return sum;
}

ComputeSplit split_compute(const StepProgram& program, const PricedProgram& prices, Seconds compute,
                           const std::vector<std::int64_t>& uses) {
  ComputeSplit split;
  for (std::size_t w = 0; w < program.works.size(); ++w) {
    const auto* op = std::get_if<OperatorWork>(&program.works[w]);
    if (op != nullptr && op->phase == Phase::optimizer) continue;
    const WorkPrice& p = prices.works[w];
    const double n = static_cast<double>(uses[w]);
    split.gemm += n * p.gemm;
    split.attention += n * p.attention;
    split.memory_bound += n * p.memory_bound;
  }
  const double k = 1.0 / static_cast<double>(program.kinds.size());
  split.gemm *= k;
  split.attention *= k;
  split.memory_bound *= k;
  split.contention = std::max(Seconds(0), compute - split.gemm - split.attention - split.memory_bound);
  return split;
}

}  // namespace

Seconds step_time(const StepProgram& program, const Timeline& timeline) {
  if (!program.steps_overlap) return timeline.makespan;
  Seconds longest{};
  for (std::size_t k = 0; k < program.kinds.size(); ++k) {
    const Span window = window_of(program.kinds[k], timeline.spans[k]);
    longest = std::max(longest, window.end - window.start);
  }
  return longest;
}

TimeAnalysis analyse_time(const StepProgram& program, const PricedProgram& prices, const Timeline& timeline,
                          const Profile& profile, const std::vector<std::int64_t>& uses) {
  TimeAnalysis analysis;
  analysis.step_time = step_time(program, timeline);
  std::vector<Seconds> exposed(program.works.size());
  for (std::size_t k = 0; k < program.kinds.size(); ++k)
    analysis.per_stage.push_back(
        KindWalk(program, prices, timeline, k, exposed).run(analysis.step_time, program.steps_overlap));
  analysis.mean = scaled_sum(analysis.per_stage);
  analysis.compute = split_compute(program, prices, analysis.mean.compute, uses);
  analysis.communication = communication_lines(program, prices, exposed, profile, analysis.mean, uses);
  return analysis;
}

}  // namespace trainyard
