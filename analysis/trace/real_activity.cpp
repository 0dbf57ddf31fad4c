#include "analysis/trace/real_activity.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace trainyard {
namespace {

constexpr double nanosecond = 1e-9;
constexpr std::uint64_t compute_set = (std::uint64_t{1} << compute_categories) - 1;
constexpr std::uint64_t copy_set = std::uint64_t{1} << compute_categories;

struct Edge {
  std::int64_t time = 0;
  WorkCode code = 0;
};

std::vector<Edge> edges(const std::vector<GpuInterval>& intervals, std::int64_t GpuInterval::*time) {
  std::vector<Edge> all;
  all.reserve(intervals.size());
  for (const GpuInterval& interval : intervals)
    if (interval.end > interval.start) all.push_back({interval.*time, interval.code});
  std::sort(all.begin(), all.end(), [](const Edge& a, const Edge& b) { return a.time < b.time; });
  return all;
}

// Sweeps over time, the number of running kernels of every kind at hand.
class Sweep {
 public:
  explicit Sweep(const std::vector<StepWindow>& windows) : windows_(windows) {}

  void run(const std::vector<GpuInterval>& intervals) {
    const std::vector<Edge> starts = edges(intervals, &GpuInterval::start), ends = edges(intervals, &GpuInterval::end);
    std::size_t started = 0;
    std::int64_t now = 0;
    for (const Edge& end : ends) {
      for (; started < starts.size() && starts[started].time < end.time; ++started) {
        spend(std::exchange(now, starts[started].time), starts[started].time);
        start(starts[started]);
      }
      spend(std::exchange(now, end.time), end.time);
      if (--running_[end.code] == 0) set_ &= ~(std::uint64_t{1} << end.code);
    }
  }

  GpuActivity mean() const {
    GpuActivity activity;
    if (windows_.empty()) return activity;
    const double scale = nanosecond / static_cast<double>(windows_.size());
    std::int64_t whole = 0;
    for (const StepWindow& window : windows_) whole += window.end - window.start;
    activity.step = Seconds(scale * static_cast<double>(whole));
    activity.compute = Seconds(scale * static_cast<double>(compute_));
    activity.exposed_collectives = Seconds(scale * static_cast<double>(exposed_collectives_));
    activity.exposed_copies = Seconds(scale * static_cast<double>(exposed_copies_));
    activity.idle = Seconds(scale * static_cast<double>(whole - compute_ - exposed_collectives_ - exposed_copies_));
    for (std::size_t c = 0; c < busy_.size(); ++c)
      activity.works[c] = {Seconds(scale * static_cast<double>(busy_[c])), Seconds(scale * exposed_[c]),
                           static_cast<double>(calls_[c]) / static_cast<double>(windows_.size())};
    return activity;
  }

 private:
  void start(const Edge& edge) {
    if (running_[edge.code]++ == 0) set_ |= std::uint64_t{1} << edge.code;
    const auto after = std::upper_bound(windows_.begin(), windows_.end(), edge.time,
                                        [](std::int64_t t, const StepWindow& w) { return t < w.start; });
    if (after != windows_.begin() && edge.time < std::prev(after)->end) ++calls_[edge.code];
  }

  // The part of [from, to] that lies in windows, under the present set of running kernels.
  void spend(std::int64_t from, std::int64_t to) {
    if (set_ == 0 || to <= from) return;
    while (window_ < windows_.size() && windows_[window_].end <= from) ++window_;
    for (std::size_t w = window_; w < windows_.size() && windows_[w].start < to; ++w)
      add(std::min(to, windows_[w].end) - std::max(from, windows_[w].start));
  }

  void add(std::int64_t time) {
    if (time <= 0) return;
    for (std::uint64_t left = set_; left != 0; left &= left - 1) {
      const auto code = static_cast<std::size_t>(std::countr_zero(left));
      busy_[code] += time * running_[code];
    }
    const std::uint64_t collectives = set_ & ~(compute_set | copy_set);
    if ((set_ & compute_set) != 0) {
      compute_ += time;
    } else if (collectives != 0) {
      exposed_collectives_ += time;
      const double share = static_cast<double>(time) / std::popcount(collectives);
      for (std::uint64_t left = collectives; left != 0; left &= left - 1)
        exposed_[static_cast<std::size_t>(std::countr_zero(left))] += share;
    } else {
      exposed_copies_ += time;
    }
  }

  const std::vector<StepWindow>& windows_;
  std::size_t window_ = 0;  // the first that may still get time
  std::uint64_t set_ = 0;   // codes of which something runs
  std::array<std::int64_t, work_codes> running_{}, busy_{}, calls_{};
  std::array<double, work_codes> exposed_{};
  std::int64_t compute_ = 0, exposed_collectives_ = 0, exposed_copies_ = 0;
};

}  // namespace

GpuActivity activity_of(const std::vector<GpuInterval>& intervals, const std::vector<StepWindow>& windows) {
  Sweep sweep(windows);
  sweep.run(intervals);
  return sweep.mean();
}

GpuActivity mean_of(const std::vector<GpuActivity>& gpus) {
  GpuActivity mean;
  if (gpus.empty()) return mean;
  const double share = 1.0 / static_cast<double>(gpus.size());
  for (const GpuActivity& gpu : gpus) {
    for (const auto field : {&GpuActivity::step, &GpuActivity::compute, &GpuActivity::exposed_collectives,
                             &GpuActivity::exposed_copies, &GpuActivity::idle})
      mean.*field += share * (gpu.*field);
    for (std::size_t c = 0; c < mean.works.size(); ++c) {
      mean.works[c].busy += share * gpu.works[c].busy;
      mean.works[c].exposed += share * gpu.works[c].exposed;
      mean.works[c].calls += share * gpu.works[c].calls;
    }
  }
  return mean;
}

}  // namespace trainyard
