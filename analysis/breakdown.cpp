#include "analysis/breakdown.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "models/collective_cost.hpp"

namespace trainyard {
namespace {

constexpr double time_resolution = 1e-12;  // seconds; below it two times are the same

bool is_pipeline(Stream s) {
  return s == Stream::send_forward || s == Stream::receive_forward || s == Stream::send_backward ||
         s == Stream::receive_backward;
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

  Breakdown run(Seconds makespan) {
    Seconds free{};
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
    b_.bubble += makespan - std::max(free, final_end);
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
    b_.exposed_tp += p.exposed_tp;
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
    if (i.stream == Stream::host) {
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

// Sums the calls of equal axis, collective and purpose.
class CommunicationTable {
 public:
  CommunicationTable(const StepProgram& program, const PricedProgram& prices, const std::vector<Seconds>& exposed,
                     const Profile& profile)
      : program_(program),
        prices_(prices),
        exposed_(exposed),
        profile_(profile),
        kinds_(static_cast<double>(program.kinds.size())) {}

  std::vector<CommunicationLine> run(Seconds exposed_tp, const std::vector<std::int64_t>& uses) {
    for (std::size_t w = 0; w < program_.works.size(); ++w) {
      if (uses[w] == 0) continue;
      const WorkPrice& p = prices_.works[w];
      const Work& work = program_.works[w];
      if (const auto* c = std::get_if<Collective>(&work); c != nullptr && c->segment < 0)
        add(c->axis, std::string(name(c->kind)), std::string(c->label), c->kind, c->path, c->bytes, uses[w], p.duration,
            exposed_[w]);
      if (const auto* s = std::get_if<Send>(&work)) add_send(s->path, s->bytes, uses[w], p.duration, exposed_[w]);
      if (const auto* r = std::get_if<Receive>(&work)) add_send(r->path, r->bytes, 0, p.duration, exposed_[w]);
      if (p.tp_collectives > 0) add_tp(p, uses[w]);
    }
    std::vector<CommunicationLine> lines;
    for (auto& [key, line] : lines_) {
      line.count = static_cast<std::int64_t>(static_cast<double>(line.count) / kinds_ + 0.5);
      line.busy *= 1.0 / kinds_;
      line.exposed *= 1.0 / kinds_;
      if (key.first == Axis::tp && line.purpose == "activations") line.exposed = exposed_tp;
      lines.push_back(line);
    }
    return lines;
  }

 private:
  void add(Axis axis, const std::string& collective, const std::string& purpose, CollectiveKind kind, int path,
           Bytes bytes, std::int64_t uses, Seconds duration, Seconds exposed) {
    const std::vector<Tier>& tiers = program_.paths[static_cast<std::size_t>(path)];
    const int ranks = std::max(1, group_size(tiers));
    CommunicationLine& line = lines_[{axis, collective + purpose}];
    line.axis = axis;
    line.collective = collective;
    line.purpose = purpose;
    line.group_size = ranks;
    if (bytes >= line.bytes) {
      line.bytes = bytes;
      const CollectiveCost cost = collective_cost(kind, bytes, tiers, profile_.device, profile_.network);
      line.slowest_link = cost.slowest_link;
      if (duration.value > 0) line.bus_bandwidth = bus_factor(kind, ranks) * bytes / duration;
    }
    line.count += uses;
    line.busy += static_cast<double>(uses) * duration;
    line.exposed += exposed;
  }
  void add_send(int path, Bytes bytes, std::int64_t uses, Seconds duration, Seconds exposed) {
    CommunicationLine& line = lines_[{Axis::pp, "send/recv"}];
    const std::vector<Tier>& tiers = program_.paths[static_cast<std::size_t>(path)];
    line.axis = Axis::pp;
    line.collective = "send/recv";
    line.purpose = "activations";
    line.group_size = 2;
    line.count += uses;
    line.busy += static_cast<double>(uses) * duration;
    line.exposed += exposed;
    if (tiers.empty() || duration.value <= 0) return;
    const BytesPerSecond rate = bytes / duration;
    if (line.bytes.value > 0 && rate >= line.bus_bandwidth) return;  // shows the slowest boundary
    line.bytes = bytes;
    line.slowest_link = tiers.back().link;
    line.bus_bandwidth = rate;
  }
  void add_tp(const WorkPrice& p, std::int64_t uses) {
    if (program_.paths.empty() || program_.paths.front().empty()) return;
    const std::vector<Tier>& tiers = program_.paths.front();
    CommunicationLine& line = lines_[{Axis::tp, "activations"}];
    line.axis = Axis::tp;
    line.purpose = "activations";
    line.group_size = group_size(tiers);
    line.collective = gathers() ? "all-gather, reduce-scatter" : "all-reduce";
    line.count += uses * p.tp_collectives;
    line.busy += static_cast<double>(uses) * p.tp_busy;
    if (p.tp_bytes < line.bytes || p.tp_bytes == line.bytes) return;
    line.bytes = p.tp_bytes;
    const CollectiveKind kind = gathers() ? CollectiveKind::all_gather : CollectiveKind::all_reduce;
    const CollectiveCost cost = collective_cost(kind, p.tp_bytes, tiers, profile_.device, profile_.network);
    line.slowest_link = cost.slowest_link;
    line.bus_bandwidth = bus_factor(kind, line.group_size) * p.tp_bytes / cost.time;
  }
  bool gathers() const {
    for (const LayerStep& step : program_.segments.front().steps)
      if (const auto* c = std::get_if<TpCollective>(&step.work)) return c->kind != CollectiveKind::all_reduce;
    return false;
  }

  const StepProgram& program_;
  const PricedProgram& prices_;
  const std::vector<Seconds>& exposed_;
  const Profile& profile_;
  double kinds_;
  std::map<std::pair<Axis, std::string>, CommunicationLine> lines_;
};

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

TimeAnalysis analyse_time(const StepProgram& program, const PricedProgram& prices, const Timeline& timeline,
                          const Profile& profile, const std::vector<std::int64_t>& uses) {
  TimeAnalysis analysis;
  std::vector<Seconds> exposed(program.works.size());
  for (std::size_t k = 0; k < program.kinds.size(); ++k)
    analysis.per_stage.push_back(KindWalk(program, prices, timeline, k, exposed).run(timeline.makespan));
  analysis.mean = scaled_sum(analysis.per_stage);
  analysis.compute = split_compute(program, prices, analysis.mean.compute, uses);
  analysis.communication = CommunicationTable(program, prices, exposed, profile).run(analysis.mean.exposed_tp, uses);
  return analysis;
}

}  // namespace trainyard
