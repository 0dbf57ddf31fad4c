#include "analysis/rank_words.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trainyard {
namespace {

constexpr std::size_t most_named = 3;
// A rank stands out whose kernels take this much longer than those of the median rank of its stage.
constexpr double stands_out = 1.02;

Seconds exposed(const Breakdown& b) { return b.exposed_tp + b.exposed_cp + b.exposed_ep + b.exposed_pp + b.exposed_dp; }

double gigabytes(BytesPerSecond rate) { return rate.value * 1e-9; }

Seconds median_compute(const StepResult& result, int stage) {
  std::vector<Seconds> all;
  for (const RankResult& r : result.ranks)
    if (r.stage == stage) all.insert(all.end(), static_cast<std::size_t>(r.ranks), r.breakdown.compute);
  std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
  return all[all.size() / 2];
}

// The rank of the same stage that waits longest in communication.
const RankResult& longest_waiting(const StepResult& result, int stage) {
  const RankResult* most = nullptr;
  for (const RankResult& r : result.ranks)
    if (r.stage == stage && (most == nullptr || exposed(r.breakdown) > exposed(most->breakdown))) most = &r;
  return *most;
}

void add_slow_ranks(const StepResult& result, int gpus_per_node, std::vector<std::string>& lines) {
  std::vector<const RankResult*> slow;
  for (const RankResult& r : result.ranks)
    if (r.breakdown.compute > stands_out * median_compute(result, r.stage)) slow.push_back(&r);
  std::stable_sort(slow.begin(), slow.end(), [](const RankResult* a, const RankResult* b) {
    return a->breakdown.compute > b->breakdown.compute;
  });
  for (std::size_t i = 0; i < std::min(most_named, slow.size()); ++i) {
    const RankResult& r = *slow[i];
    const RankResult& peer = longest_waiting(result, r.stage);
    lines.push_back(
        fmt::format("{} ({}) computes for {}, the median of stage {} for {}; {} waits {} in communication, "
                    "{} {}",
                    rank_words(r), device_words(r.device, gpus_per_node), to_text(r.breakdown.compute), r.stage,
                    to_text(median_compute(result, r.stage)), rank_words(peer), to_text(exposed(peer.breakdown)),
                    rank_words(r), to_text(exposed(r.breakdown))));
  }
  if (slow.size() > most_named) lines.push_back(fmt::format("{} more ranks are slow", slow.size() - most_named));
}

}  // namespace

std::string device_words(int device, int gpus_per_node) {
  return fmt::format("node {} GPU{}", device / gpus_per_node, device % gpus_per_node);
}

std::string rank_words(const RankResult& rank) {
  if (rank.ranks == 1) return fmt::format("rank {}", rank.rank);
  return fmt::format("rank {} and {} like it", rank.rank, rank.ranks - 1);
}

std::string pressure_words(const LinkPressure& link) {
  const std::string health = link.health < 1.0 ? fmt::format(", at {:.0f} % of its width", 100 * link.health) : "";
  return fmt::format("{} ({}){}: {} communicator{} want{} {:.1f} of {:.1f} GB/s ({})", link.link, name(link.link_class),
                     health, link.communicators, link.communicators == 1 ? "" : "s", link.communicators == 1 ? "s" : "",
                     gigabytes(link.wanted), gigabytes(link.carries), link.users);
}

std::vector<std::string> straggler_evidence(const StepResult& result, int gpus_per_node) {
  std::vector<std::string> lines;
  add_slow_ranks(result, gpus_per_node, lines);
  for (const LinkPressure& link : result.links)
    if (link.health < 1.0 || result.engine == "fluid") lines.push_back(pressure_words(link));
  return lines;
}

}  // namespace trainyard
