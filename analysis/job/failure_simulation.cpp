#include "analysis/job/failure_simulation.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

namespace trainyard {
namespace {

constexpr std::int64_t most_failures = 1'000'000;

class Run {
 public:
  Run(const RunPlan& plan, const FailureLaw& law, Random& random)
      : plan_(plan), law_(law), random_(random), left_(plan.segments) {
    if (law.mttf) weibull_scale_ = *law.mttf / std::tgamma(1.0 + 1.0 / law.weibull_shape);
    next_failure_ = time_to_failure();
  }

  RunTimes times(Seconds horizon) {
    while (now_ + remaining() > next_failure_) {
      fail_while_running();
      restart();
      if (now_ > horizon || times_.failures >= most_failures) {
        times_.finished = false;
        return times_;
      }
    }
    finish();
    return times_;
  }

 private:
  Seconds time_to_failure() {
    if (!law_.mttf) return Seconds(std::numeric_limits<double>::infinity());
    return weibull_scale_ * std::pow(-std::log(random_.uniform()), 1.0 / law_.weibull_shape);
  }

  // From a restart until the last checkpoint is stored.
  Seconds remaining() const {
    return static_cast<double>(left_ - 1) * plan_.segment_time() + plan_.last_segment_time() + plan_.cost.upload;
  }

  void credit(std::int64_t segments) {
    const auto n = static_cast<double>(segments);
    times_.work += n * plan_.segment_work;
    times_.checkpoint_stalls += n * (plan_.segment_time() - plan_.segment_work);
    left_ -= segments;
  }

  // The attempt began at now_ and fails at next_failure_: what is stored by then counts, the rest is lost.
  void fail_while_running() {
    const Seconds ran = next_failure_ - now_;
    const Seconds segment = plan_.segment_time();
    std::int64_t stored = 0;
    if (ran > plan_.cost.upload && segment.value > 0)
      stored = static_cast<std::int64_t>(std::min((ran - plan_.cost.upload) / segment, static_cast<double>(left_ - 1)));
    credit(stored);
    times_.lost_work += ran - static_cast<double>(stored) * segment;
    now_ = next_failure_;
    strike();
  }

  // A failure at now_.
  void strike() {
    ++times_.failures;
    const bool node_lost = random_.uniform() < law_.node_loss_share;
    if (node_lost && law_.spare_nodes) in_repair_until_.push_back(now_ + law_.node_repair);
    next_failure_ = now_ + time_to_failure();
  }

  // When enough nodes are back that the spares suffice. Repairs take the same time, so they end in order.
  Seconds nodes_ready() {
    while (!in_repair_until_.empty() && in_repair_until_.front() <= now_) in_repair_until_.pop_front();
    if (!law_.spare_nodes) return now_;
    const auto spares = static_cast<std::size_t>(*law_.spare_nodes);
    if (in_repair_until_.size() <= spares) return now_;
    return in_repair_until_[in_repair_until_.size() - spares - 1];
  }

  void restart() {
    while (times_.failures < most_failures) {
      const Seconds ready = nodes_ready();
      const Seconds running = ready + plan_.restart;
      const Seconds until = std::min(running, next_failure_);
      const Seconds waited = std::min(ready, until) - now_;
      times_.waiting_for_nodes += waited;
      times_.restarts += until - now_ - waited;
      now_ = until;
      if (next_failure_ >= running) return;
      strike();
    }
  }

  void finish() {
    credit(left_ - 1);
    times_.work += plan_.last_segment_work;
    times_.checkpoint_stalls += plan_.last_segment_time() - plan_.last_segment_work + plan_.cost.upload;
  }

  const RunPlan& plan_;
  const FailureLaw& law_;
  Random& random_;
  Seconds weibull_scale_{};
  std::int64_t left_;  // segments that are not stored yet
  Seconds now_{};
  Seconds next_failure_{};
  std::deque<Seconds> in_repair_until_;
  RunTimes times_;
};

}  // namespace

RunTimes simulate_run(const RunPlan& plan, const FailureLaw& law, Seconds horizon, Random& random) {
  return Run(plan, law, random).times(horizon);
}

}  // namespace trainyard
