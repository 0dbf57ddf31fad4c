#include "analysis/trace/trace_counters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "analysis/memory_timeline.hpp"
#include "models/collective_cost.hpp"

namespace trainyard {
namespace {

constexpr double giga = 1e9;

// Sums what comes and goes.
class Level {
 public:
  void during(std::int64_t from, std::int64_t to, double amount) {
    if (to <= from || amount == 0) return;
    changes_.emplace_back(from, amount);
    changes_.emplace_back(to, -amount);
  }
  bool empty() const { return changes_.empty(); }
  // Sums of doubles leave crumbs: what is below a millionth of the highest is nothing.
  std::vector<CounterPoint> points() {
    std::stable_sort(changes_.begin(), changes_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<CounterPoint> points = {{0, 0.0}};
    double level = 0, highest = 0;
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      level += changes_[i].second;
      highest = std::max(highest, level);
      if (i + 1 < changes_.size() && changes_[i + 1].first == changes_[i].first) continue;
      const double shown = level < 1e-6 * highest ? 0.0 : level;
      if (points.back().at == changes_[i].first)
        points.back().value = shown;
      else if (shown != points.back().value)
        points.push_back({changes_[i].first, shown});
    }
    return points;
  }

 private:
  std::vector<std::pair<std::int64_t, double>> changes_;
};

struct Transfer {
  double bytes = 0;
  int path = -1;
  int channels = 0;
};

// What a work moves between ranks; no bytes: nothing.
Transfer transfer_of(const StepProgram& program, const Work& work, const Profile& profile) {
  if (const auto* send = std::get_if<Send>(&work)) return {send->bytes.value, send->path, 0};
  if (const auto* receive = std::get_if<Receive>(&work)) return {receive->bytes.value, receive->path, 0};
  const auto* c = std::get_if<Collective>(&work);
  if (c == nullptr) return {};
  const CollectiveCost cost = collective_cost(c->kind, c->bytes, program.paths[static_cast<std::size_t>(c->path)],
                                              profile.device, profile.network, c->outside);
  return {c->bytes.value, c->path, cost.channels};
}

class Uses {
 public:
  Uses(const Job& job, const SimulatedStep& step, std::size_t list)
      : step_(step), multiprocessors_(job.profile.device.multiprocessors) {
    for (const Work& work : step.program.works) transfers_.push_back(transfer_of(step.program, work, job.profile));
    const RankKind& kind = step.program.kinds[kind_of_list(step.timeline, list)];
    for (std::size_t i = 0; i < kind.instructions.size(); ++i) add(kind.instructions[i], step.timeline.spans[list][i]);
  }

  void append(std::vector<CounterTrack>& tracks) {
    const bool blocks = std::any_of(step_.program.works.begin(), step_.program.works.end(),
                                    [](const Work& work) { return std::holds_alternative<Block>(work); });
    for (auto& [link, level] : links_)
      tracks.push_back({fmt::format("{} transfers{}", name(link), blocks ? " outside blocks" : ""),
                        CounterUnit::gigabytes_per_second, level.points()});
    if (!compute_.empty()) tracks.push_back({"SM compute", CounterUnit::percent, compute_.points()});
    if (!communication_.empty())
      tracks.push_back({fmt::format("SM communication{}", blocks ? " outside blocks" : ""), CounterUnit::percent,
                        communication_.points()});
  }

 private:
  void add(const Instruction& i, const Span& span) {
    const std::int64_t from = trace_nanoseconds(span.start), to = trace_nanoseconds(span.end);
    const Transfer& transfer = transfers_[static_cast<std::size_t>(i.work)];
    if (i.stream == Stream::compute && transfer.path < 0) compute_.during(from, to, 100.0);
    if (transfer.path < 0 || to <= from) return;
    const std::vector<Tier>& tiers = step_.program.paths[static_cast<std::size_t>(transfer.path)];
    if (tiers.empty()) return;
    const auto slowest =
        std::max_element(tiers.begin(), tiers.end(), [](const Tier& a, const Tier& b) { return a.link < b.link; });
    links_[slowest->link].during(from, to, transfer.bytes / (span.end - span.start).value / giga);
    if (multiprocessors_ > 0) communication_.during(from, to, 100.0 * transfer.channels / multiprocessors_);
  }

  const SimulatedStep& step_;
  int multiprocessors_;
  std::vector<Transfer> transfers_;  // [work]
  std::map<LinkClass, Level> links_;
  Level compute_, communication_;
};

void append_memory(const Job& job, const SimulatedStep& step, std::size_t list, std::vector<CounterTrack>& tracks) {
  const StageMemoryCurve curve = memory_curve(step.program, step.timeline, list, job.profile);
  const auto add = [&](std::string track, const auto& value) {
    std::vector<CounterPoint> points;
    for (const MemoryPoint& point : curve.points) {
      const std::int64_t at = trace_nanoseconds(point.time);
      const double bytes = value(point).value;
      if (!points.empty() && points.back().at == at)
        points.back().value = std::max(points.back().value, bytes);
      else if (points.empty() || points.back().value != bytes)
        points.push_back({at, bytes});
    }
    if (points.size() > 1 || (!points.empty() && points.front().value > 0))
      tracks.push_back({std::move(track), CounterUnit::bytes, std::move(points)});
  };
  add("memory", [](const MemoryPoint& point) { return point.total(); });
  for (int o = 0; o < memory_owners; ++o)
    add(fmt::format("memory: {}", name(static_cast<MemoryOwner>(o))),
        [o](const MemoryPoint& point) { return point.held[static_cast<std::size_t>(o)]; });
}

}  // namespace

std::int64_t trace_nanoseconds(Seconds t) { return std::llround(t.value * 1e9); }

std::vector<CounterTrack> trace_counters(const Job& job, const SimulatedStep& step, std::size_t list) {
  std::vector<CounterTrack> tracks;
  append_memory(job, step, list, tracks);
  Uses(job, step, list).append(tracks);
  return tracks;
}

}  // namespace trainyard
