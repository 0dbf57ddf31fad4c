#include "analysis/pipeline_picture.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

#include "analysis/compute_gaps.hpp"

namespace trainyard {
namespace {

// What makes neighbours one bar.
auto key(const PipelineBar& b) { return std::tuple(b.kind, b.micro_batch, b.chunk, b.forward_micro_batch); }

// Appends where the last bar ends; what is shorter than two times can be told apart waits for the next bar.
void append(std::vector<PipelineBar>& bars, PipelineBar bar) {
  bar.start = bars.empty() ? Seconds(0) : bars.back().end;
  if (bar.length().value <= ComputeGaps::time_resolution) return;
  if (!bars.empty() && key(bars.back()) == key(bar))
    bars.back().end = bar.end;
  else
    bars.push_back(bar);
}

BarKind kind_of(Phase phase) {
  switch (phase) {
    case Phase::forward:
      return BarKind::forward;
    case Phase::backward:
      return BarKind::backward;
    case Phase::weight:
      return BarKind::weight;
    case Phase::gradient_sync:
    case Phase::parameter_gather:
    case Phase::offload:
      return BarKind::communication;
    case Phase::optimizer:
      return BarKind::optimizer;
    case Phase::host:
      return BarKind::idle;
  }
  return BarKind::idle;
}

class RowWalk {
  // A gap's parts come latest first.
  auto collector() {
    return [this](Seconds from, Seconds to, int id) {
      if (to > from) gap_.push_back({.start = from, .end = to, .kind = waiting_for(id)});
    };
  }

 public:
  RowWalk(const StepProgram& program, const RankKind& kind, const std::vector<Span>& spans)
      : kind_(kind), spans_(spans), gaps_(program, kind, spans) {}

  std::vector<PipelineBar> run(Seconds makespan) {
    const std::optional<std::size_t> final = walk_compute();
    if (final && spans_[*final].end > end()) {
      gaps_.during(static_cast<int>(*final), end(), spans_[*final].end, collector());
      append_gap();
    }
    append(bars_, {.end = makespan});
    if (!bars_.empty()) bars_.back().end = makespan;  // times within the resolution are the same
    return std::move(bars_);
  }

 private:
  Seconds end() const { return bars_.empty() ? Seconds(0) : bars_.back().end; }

  // Bars up to the last compute; the instruction that ends last.
  std::optional<std::size_t> walk_compute() {
    std::optional<std::size_t> final;
    for (std::size_t i = 0; i < kind_.instructions.size(); ++i) {
      if (!final || spans_[i].end >= spans_[*final].end) final = i;
      if (kind_.instructions[i].stream != Stream::compute) continue;
      if (spans_[i].start.value - end().value > ComputeGaps::time_resolution) {
        gaps_.before(static_cast<int>(i), end(), spans_[i].start, collector());
        append_gap();
      }
      append(bars_, compute_bar(i));
    }
    return final;
  }

  PipelineBar compute_bar(std::size_t i) const {
    const Instruction& instruction = kind_.instructions[i];
    PipelineBar bar{.end = spans_[i].end, .kind = kind_of(instruction.phase)};
    if (bar.kind == BarKind::optimizer) return bar;
    bar.micro_batch = instruction.micro_batch;
    bar.chunk = instruction.chunk;
    if (const PairedForward* pair = paired_forward(kind_, InstructionId(i))) {
      bar.kind = BarKind::fused;
      bar.forward_micro_batch = pair->micro_batch;
    }
    return bar;
  }

  BarKind waiting_for(int id) const {
    if (id == ComputeGaps::bubble) return BarKind::idle;
    const Stream stream = kind_.instructions[static_cast<std::size_t>(id)].stream;
    return stream == Stream::host ? BarKind::idle : BarKind::communication;
  }
  void append_gap() {
    for (auto part = gap_.rbegin(); part != gap_.rend(); ++part) append(bars_, *part);
    gap_.clear();
  }

  const RankKind& kind_;
  const std::vector<Span>& spans_;
  ComputeGaps gaps_;
  std::vector<PipelineBar> bars_, gap_;
};

std::size_t bar_count(const PipelinePicture& picture) {
  std::size_t count = 0;
  for (const PipelineRow& row : picture.rows) count += row.bars.size();
  return count;
}

// Makes one bar of each run of bars shorter than `shortest`, as soon as they are that long together.
class Merge {
 public:
  explicit Merge(Seconds shortest) : shortest_(shortest) {}

  std::vector<PipelineBar> run(const std::vector<PipelineBar>& bars) {
    for (const PipelineBar& bar : bars) {
      if (bar.length() >= shortest_) {
        flush();
        append(result_, bar);
        continue;
      }
      run_.push_back(bar);
      if (run_.back().end - run_.front().start >= shortest_) flush();
    }
    flush();
    if (!result_.empty()) result_.back().end = bars.back().end;
    return std::move(result_);
  }

 private:
  // The kind in the run that is owed most by the runs so far, so that kinds fill as much of the row as of its time; of
  // its bars the longest.
  void flush() {
    if (run_.empty()) return;
    for (const PipelineBar& bar : run_) owed_[static_cast<std::size_t>(bar.kind)] += bar.length();
    PipelineBar best = run_.front();
    for (const PipelineBar& bar : run_) {
      const Seconds owed = owed_[static_cast<std::size_t>(bar.kind)], most = owed_[static_cast<std::size_t>(best.kind)];
      if (owed > most || (bar.kind == best.kind && bar.length() > best.length())) best = bar;
    }
    owed_[static_cast<std::size_t>(best.kind)] -= run_.back().end - run_.front().start;
    best.end = run_.back().end;
    append(result_, best);
    run_.clear();
  }

  Seconds shortest_;
  std::array<Seconds, bar_kinds> owed_{};
  std::vector<PipelineBar> result_, run_;
};

}  // namespace

std::string_view name(BarKind kind) {
  switch (kind) {
    case BarKind::forward:
      return "forward";
    case BarKind::backward:
      return "backward";
    case BarKind::weight:
      return "weight gradients";
    case BarKind::fused:
      return "forward and backward";
    case BarKind::optimizer:
      return "optimizer";
    case BarKind::communication:
      return "waiting for communication";
    case BarKind::idle:
      return "bubble";
  }
  return "?";
}

std::size_t list_to_show(const Timeline& timeline, std::size_t kind) {
  const auto end_of = [&](std::size_t list) {
    Seconds end{};
    for (const Span& span : timeline.spans[list]) end = std::max(end, span.end);
    return end;
  };
  std::size_t best = list_of_kind(timeline, kind);
  for (std::size_t list = best + 1; list < timeline.lists.size(); ++list)
    if (kind_of_list(timeline, list) == kind && end_of(list) > end_of(best)) best = list;
  return best;
}

PipelinePicture pipeline_picture(const SimulatedStep& step) {
  PipelinePicture picture;
  picture.end = step.timeline.makespan;
  if (picture.end.value <= 0) return picture;
  for (std::size_t k = 0; k < step.program.kinds.size(); ++k) {
    const RankKind& kind = step.program.kinds[k];
    const std::size_t list = list_to_show(step.timeline, k);
    picture.rows.push_back(
        {kind.stage.value, kind.ranks, RowWalk(step.program, kind, step.timeline.spans[list]).run(picture.end)});
    for (const PipelineBar& bar : picture.rows.back().bars) picture.chunks = picture.chunks || bar.chunk > 0;
  }
  return picture;
}

PipelinePicture coarsened(const PipelinePicture& picture, std::size_t bars) {
  PipelinePicture result = picture;
  if (picture.rows.empty() || picture.end.value <= 0) return result;
  bars = std::max(bars, picture.rows.size());
  // Every bar at least so long would do; what is left over between longer bars may double their number.
  Seconds shortest = (static_cast<double>(picture.rows.size()) / static_cast<double>(bars)) * picture.end;
  while (bar_count(result) > bars) {
    for (std::size_t r = 0; r < picture.rows.size(); ++r)
      result.rows[r].bars = Merge(shortest).run(picture.rows[r].bars);
    shortest *= 2.0;
  }
  return result;
}

std::array<Seconds, bar_kinds> time_by_kind(const PipelineRow& row) {
  std::array<Seconds, bar_kinds> time{};
  for (const PipelineBar& bar : row.bars) time[static_cast<std::size_t>(bar.kind)] += bar.length();
  return time;
}

}  // namespace trainyard
