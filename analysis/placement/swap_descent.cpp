#include "analysis/placement/swap_descent.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>

#include "models/collective_cost.hpp"
#include "topology/group_path.hpp"

namespace trainyard {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

// Seconds that a kind's messages take on a path; few paths occur, each is priced once.
class MessagePrices {
 public:
  MessagePrices(const RankTraffic& traffic, const Profile& profile)
      : traffic_(traffic), profile_(profile), known_(traffic.messages.size()) {}

  double seconds(int kind, std::vector<Tier> path) {
    std::vector<std::pair<std::vector<Tier>, double>>& known = known_[at(kind)];
    for (const auto& [tiers, time] : known)
      if (tiers == path) return time;
    double sum = 0;
    for (const Message& m : traffic_.messages[at(kind)])
      sum += m.count * (m.send ? send_time(m.bytes, path, profile_.device, profile_.network)
                               : collective_cost(m.kind, m.bytes, path, profile_.device, profile_.network).time)
                           .value;
    known.emplace_back(std::move(path), sum);
    return sum;
  }

 private:
  const RankTraffic& traffic_;
  const Profile& profile_;
  std::vector<std::vector<std::pair<std::vector<Tier>, double>>> known_;
};

class Descent {
 public:
  Descent(const RankTraffic& traffic, const Routes& routes, const Profile& profile, std::vector<DeviceId> device)
      : traffic_(traffic),
        routes_(routes),
        prices_(traffic, profile),
        device_(std::move(device)),
        groups_of_(at(traffic.ranks)),
        of_bucket_(traffic.messages.size() * at(traffic.stages)),
        slowest_(of_bucket_.size(), 0.0) {
    for (std::size_t g = 0; g < traffic_.groups.size(); ++g) {
      const TrafficGroup& group = traffic_.groups[g];
      if (traffic_.messages[at(group.kind)].empty()) continue;
      for (const int rank : group.ranks) groups_of_[at(rank)].push_back(static_cast<int>(g));
      of_bucket_[bucket(group)].push_back(static_cast<int>(g));
    }
    groups_per_kind_.assign(traffic.messages.size(), 0.0);
    for (const TrafficGroup& group : traffic_.groups) groups_per_kind_[at(group.kind)] += 1;
    time_.assign(traffic_.groups.size(), 0.0);
    for (const std::vector<int>& groups : of_bucket_)
      for (const int g : groups) time_[at(g)] = seconds(g);
    for (std::size_t b = 0; b < of_bucket_.size(); ++b) slowest_[b] = slowest_of(b);
    make_units();
  }

  SwapResult run(int most_swaps) {
    MessageTime now = total();
    for (bool improved = true; improved;) {
      improved = false;
      for (const auto& [a, b] : candidates(most_swaps)) {
        if (--most_swaps < 0) return {std::move(device_), now};
        swap(a, b);
        if (const MessageTime then = total(); clearly_less(then, now)) {
          now = then;
          improved = true;
        } else {
          swap(a, b);
        }
      }
    }
    return {std::move(device_), now};
  }

 private:
  std::size_t bucket(const TrafficGroup& group) const { return at(group.kind) * at(traffic_.stages) + at(group.stage); }

  double seconds(int g) {
    const TrafficGroup& group = traffic_.groups[at(g)];
    members_.clear();
    for (const int rank : group.ranks) members_.push_back(device_[at(rank)]);
    return prices_.seconds(group.kind, group_path(routes_, members_).tiers);
  }

  double slowest_of(std::size_t b) const {
    double worst = 0;
    for (const int g : of_bucket_[b]) worst = std::max(worst, time_[at(g)]);
    return worst;
  }

  MessageTime total() const {
    MessageTime t;
    for (const double s : slowest_) t.slowest += s / traffic_.stages;
    for (std::size_t g = 0; g < time_.size(); ++g) t.mean += time_[g] / groups_per_kind_[at(traffic_.groups[g].kind)];
    return t;
  }

  // Sums in another order must not look like a gain, or the descent would never end.
  static bool clearly_less(const MessageTime& a, const MessageTime& b) {
    constexpr double rounding = 1e-9;
    if (a.slowest < b.slowest * (1 - rounding)) return true;
    return a.slowest <= b.slowest * (1 + rounding) && a.mean < b.mean * (1 - rounding);
  }

  // Exchanges the devices of two units, member by member.
  void swap(int a, int b) {
    const std::vector<int>&first = units_[at(a)], &second = units_[at(b)];
    for (std::size_t i = 0; i < first.size(); ++i) std::swap(device_[at(first[i])], device_[at(second[i])]);
    for (const std::vector<int>* unit : {&first, &second})
      for (const int rank : *unit)
        for (const int g : groups_of_[at(rank)]) {
          time_[at(g)] = seconds(g);
          slowest_[bucket(traffic_.groups[at(g)])] = -1;
        }
    for (std::size_t b_of = 0; b_of < slowest_.size(); ++b_of)
      if (slowest_[b_of] < 0) slowest_[b_of] = slowest_of(b_of);
  }

  // What is swapped: single ranks, and the groups whose kind communicates longest, which swaps of ranks would tear.
  void make_units() {
    std::vector<double> of_kind(traffic_.messages.size(), 0.0);
    for (std::size_t g = 0; g < time_.size(); ++g)
      of_kind[at(traffic_.groups[g].kind)] += time_[g] / groups_per_kind_[at(traffic_.groups[g].kind)];
    const auto longest = std::max_element(of_kind.begin(), of_kind.end()) - of_kind.begin();
    for (const TrafficGroup& group : traffic_.groups)
      if (group.kind == longest) units_.push_back(group.ranks);
    blocks_ = static_cast<int>(units_.size());
    for (int rank = 0; rank < traffic_.ranks; ++rank) units_.push_back({rank});
  }

  // Pairs of groups, then pairs of ranks, those with a member of a slowest group first; shuffled, so that a cut-off
  // budget sees all of them.
  std::vector<std::pair<int, int>> candidates(int most) {
    std::vector<std::pair<int, int>> pairs = candidates(0, blocks_, most / 2);
    const std::vector<std::pair<int, int>> of_ranks = candidates(blocks_, traffic_.ranks, most / 2);
    pairs.insert(pairs.end(), of_ranks.begin(), of_ranks.end());
    return pairs;
  }

  std::vector<std::pair<int, int>> candidates(int first, int count, int most) {
    std::vector<std::pair<int, int>> pairs;
    if (count < 2) return pairs;
    if (static_cast<std::int64_t>(count) * (count - 1) / 2 <= most)
      for (int a = 0; a < count; ++a)
        for (int b = a + 1; b < count; ++b) pairs.emplace_back(first + a, first + b);
    else
      for (int i = 0; i < most; ++i) {
        const int a = drawn(count), b = drawn(count - 1);
        pairs.emplace_back(first + a, first + (b < a ? b : b + 1));
      }
    shuffle(pairs);
    const std::vector<bool> slow = slow_ranks();
    const auto waits = [&](int unit) { return slow[at(units_[at(unit)].front())]; };
    std::stable_partition(pairs.begin(), pairs.end(), [&](const auto& p) { return waits(p.first) || waits(p.second); });
    return pairs;
  }

  std::vector<bool> slow_ranks() const {
    std::vector<bool> slow(at(traffic_.ranks), false);
    for (std::size_t b = 0; b < of_bucket_.size(); ++b)
      for (const int g : of_bucket_[b])
        if (time_[at(g)] >= slowest_[b])
          for (const int rank : traffic_.groups[at(g)].ranks) slow[at(rank)] = true;
    return slow;
  }

  // std::shuffle and the distributions of the library differ between libraries; results must not.
  int drawn(int below) { return static_cast<int>(random_() % static_cast<std::uint64_t>(below)); }
  void shuffle(std::vector<std::pair<int, int>>& pairs) {
    for (std::size_t i = pairs.size(); i > 1; --i) std::swap(pairs[i - 1], pairs[at(drawn(static_cast<int>(i)))]);
  }

  const RankTraffic& traffic_;
  const Routes& routes_;
  MessagePrices prices_;
  std::vector<DeviceId> device_;
  std::vector<std::vector<int>> groups_of_;  // of every rank, with messages
  std::vector<std::vector<int>> of_bucket_;  // groups by kind and stage
  std::vector<double> slowest_;              // by bucket
  std::vector<double> time_;                 // by group
  std::vector<double> groups_per_kind_;
  std::vector<std::vector<int>> units_;  // what is swapped: `blocks_` groups, then every rank
  int blocks_ = 0;
  std::vector<DeviceId> members_;
  std::mt19937_64 random_{1};
};

}  // namespace

SwapResult swap_descent(const RankTraffic& traffic, const Routes& routes, const Profile& profile,
                        std::vector<DeviceId> device, int most_swaps) {
  if (traffic.ranks < 2) return {std::move(device), {}};
  return Descent(traffic, routes, profile, std::move(device)).run(most_swaps);
}

}  // namespace trainyard
