#include <bit>
#include <unordered_map>

#include "models/collective_cost.hpp"
#include "sim/engine/pricing.hpp"

namespace trainyard {
namespace {

struct Question {
  CollectiveKind kind;
  Bytes bytes, outside;
  std::vector<Tier> tiers;
  friend bool operator==(const Question&, const Question&) = default;
};

// What tells most questions apart; the rest is left to the comparison.
struct Hash {
  std::size_t operator()(const Question& q) const {
    std::uint64_t h = static_cast<std::uint64_t>(q.kind) + 31 * q.tiers.size();
    const auto mix = [&h](double value) { h = (h ^ std::bit_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15ULL; };
    mix(q.bytes.value);
    for (const Tier& tier : q.tiers) {
      mix(tier.ranks);
      mix(tier.bandwidth.value);
    }
    return h ^ (h >> 32);
  }
};

// Far more than the plans of a grid ask for; beyond it the table starts anew, so that memory stays flat.
constexpr std::size_t most_known = 50'000;

}  // namespace

struct CollectiveTimes::Table {
  std::unordered_map<Question, Seconds, Hash> times;
};

CollectiveTimes::CollectiveTimes() : table_(std::make_unique<Table>()) {}
CollectiveTimes::~CollectiveTimes() = default;

Seconds CollectiveTimes::time(CollectiveKind kind, Bytes bytes, const std::vector<Tier>& tiers, const Profile& profile,
                              Bytes outside) {
  if (table_->times.size() >= most_known) table_->times.clear();
  const auto [known, added] = table_->times.try_emplace({kind, bytes, outside, tiers}, Seconds(0));
  if (added) known->second = collective_cost(kind, bytes, tiers, profile.device, profile.network, outside).time;
  return known->second;
}

}  // namespace trainyard
