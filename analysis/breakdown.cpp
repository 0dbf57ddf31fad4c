#include "analysis/breakdown.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "analysis/communication_table.hpp"
#include "analysis/compute_gaps.hpp"

namespace trainyard {
namespace {

constexpr double time_resolution = ComputeGaps::time_resolution;

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
  KindWalk(const StepProgram& program, const PricedProgram& prices, const Timeline& timeline, std::size_t list,
           std::vector<Seconds>& exposed_of_work)
      : program_(program),
        prices_(prices),
        kind_(program.kinds[kind_of_list(timeline, list)]),
        spans_(timeline.spans[list]),
        ranks_(timeline.lists.empty() ? 1.0 : timeline.lists[list].ranks),
        slowdown_(timeline.lists.empty() ? 1.0 : timeline.lists[list].slowdown),
        exposed_of_work_(exposed_of_work) {}

  Breakdown run(Seconds step_time, bool own_window) {
    const ComputeGaps gaps(program_, kind_, spans_);
    const auto visit = [this](Seconds from, Seconds to, int id) { spend(to - from, id); };
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
        gaps.before(static_cast<int>(i), free, spans_[i].start, visit);
      add_compute(kind_.instructions[i], spans_[i].end - spans_[i].start);
      free = spans_[i].end;
    }
    if (final_id >= 0 && final_end.value > free.value + time_resolution) gaps.during(final_id, free, final_end, visit);
    b_.bubble += step_time - (std::max(free, final_end) - begin);
    return b_;
  }

 private:
  const WorkPrice& price(const Instruction& i) const { return prices_.works[static_cast<std::size_t>(i.work)]; }

  void add_compute(const Instruction& i, Seconds taken) {
    const WorkPrice& p = price(i);
    if (i.phase == Phase::optimizer) {
      b_.optimizer += taken;
      return;
    }
    // What a kernel took longer than priced: its own GPU is slow or shared; beyond that it waited for its peers.
    const Seconds longer = taken - p.duration;
    const Seconds exposed = p.exposed();
    const bool waits = exposed.value > 0 && slowdown_ == 1.0 && longer.value > time_resolution;
    b_.compute += p.compute + (waits ? Seconds(0) : longer);
    const double scale = waits ? 1.0 + longer / exposed : 1.0;
    b_.exposed_tp += scale * p.tp.exposed;
    b_.exposed_cp += scale * p.cp.exposed;
    b_.exposed_ep += scale * p.ep.exposed;
    b_.other += p.host;
  }

  void spend(Seconds time, int id) {
    if (id == ComputeGaps::bubble)
      b_.bubble += time;
    else
      expose(kind_.instructions[static_cast<std::size_t>(id)], time);
  }

  void expose(const Instruction& i, Seconds time) {
    if (i.stream == Stream::host || i.stream == Stream::to_host || i.stream == Stream::from_host) {
      b_.other += time;
      return;
    }
    exposed_of_work_[static_cast<std::size_t>(i.work)] += ranks_ * time;
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
  double ranks_;     // that the list stands for, where lists are not kinds
  double slowdown_;  // of their kernels
  std::vector<Seconds>& exposed_of_work_;
  Breakdown b_;
};

// The mean over ranks; each entry stands for `weights` of them.
Breakdown mean_of(const std::vector<Breakdown>& all, const std::vector<double>& weights) {
  Breakdown mean;
  double whole = 0;
  for (const double w : weights) whole += w;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double k = weights[i] / whole;
    mean.compute += k * all[i].compute;
    mean.exposed_tp += k * all[i].exposed_tp;
    mean.exposed_cp += k * all[i].exposed_cp;
    mean.exposed_ep += k * all[i].exposed_ep;
    mean.exposed_pp += k * all[i].exposed_pp;
    mean.exposed_dp += k * all[i].exposed_dp;
    mean.bubble += k * all[i].bubble;
    mean.optimizer += k * all[i].optimizer;
    mean.other += k * all[i].other;
  }
  return mean;
}

// Lists to stages: the mean of a kind's lists.
std::vector<Breakdown> by_kind(const std::vector<Breakdown>& lists, const Timeline& timeline, std::size_t kinds) {
  if (timeline.lists.empty()) return lists;
  std::vector<Breakdown> result;
  for (std::size_t k = 0; k < kinds; ++k) {
    std::vector<Breakdown> own;
    std::vector<double> weights;
    for (std::size_t l = 0; l < lists.size(); ++l) {
      if (kind_of_list(timeline, l) != k) continue;
      own.push_back(lists[l]);
      weights.push_back(timeline.lists[l].ranks);
    }
    result.push_back(mean_of(own, weights));
  }
  return result;
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

// All kinds stand for equally many ranks: those of a pipeline stage.
double ranks_per_kind(const StepProgram& program) { return program.kinds.front().ranks; }

}  // namespace

Seconds step_time(const StepProgram& program, const Timeline& timeline) {
  if (!program.steps_overlap) return timeline.makespan;
  Seconds longest{};
  for (std::size_t l = 0; l < timeline.spans.size(); ++l) {
    const Span window = window_of(program.kinds[kind_of_list(timeline, l)], timeline.spans[l]);
    longest = std::max(longest, window.end - window.start);
  }
  return longest;
}

TimeAnalysis analyse_time(const StepProgram& program, const PricedProgram& prices, const Timeline& timeline,
                          const Profile& profile, const std::vector<std::int64_t>& uses) {
  TimeAnalysis analysis;
  analysis.step_time = step_time(program, timeline);
  std::vector<Seconds> exposed(program.works.size());
  for (std::size_t l = 0; l < timeline.spans.size(); ++l)
    analysis.per_list.push_back(
        KindWalk(program, prices, timeline, l, exposed).run(analysis.step_time, program.steps_overlap));
  analysis.per_stage = by_kind(analysis.per_list, timeline, program.kinds.size());
  analysis.mean = mean_of(analysis.per_stage, std::vector<double>(program.kinds.size(), 1.0));
  // Work is counted once per kind, of which each rank's waiting is a share.
  if (!timeline.lists.empty())
    for (std::size_t w = 0; w < exposed.size(); ++w) exposed[w] *= 1.0 / ranks_per_kind(program);
  analysis.compute = split_compute(program, prices, analysis.mean.compute, uses);
  analysis.communication = communication_lines(program, prices, exposed, profile, analysis.mean, uses);
  return analysis;
}

}  // namespace trainyard
