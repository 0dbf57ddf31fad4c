// Every communicator of a job, what it puts on which link, and which links can be short: the input of the engines that
// simulate every rank.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "models/profile.hpp"
#include "sim/engine/footprint.hpp"
#include "sim/engine/link_pressure.hpp"
#include "sim/engine/pricing.hpp"
#include "sim/plan/comm_groups.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

// The machine and the job behind a program whose rank kinds are pipeline stages.
struct EngineContext {
  const RankLayout* layout = nullptr;
  const CommGroups* groups = nullptr;
  const LinkMap* links = nullptr;
  const Profile* profile = nullptr;
};

// What a work moves. T = latency + bytes / rate alone on the healthy machine.
struct WorkTransfer {
  std::int32_t set = -1;      // of communicators; -1: the work moves nothing between ranks
  std::int32_t pattern = -1;  // in which it loads their links
  double latency = 0;         // seconds
  double transfer = 0;        // seconds beyond the latency
  double bytes = 0;           // NCCL's message size, as far as it is not hidden inside a kernel
  int channels = 0;           // multiprocessors it occupies beside compute; 0: none that are not accounted for
  double memory_rate = 0;     // HBM bytes per second that it takes beside compute
  double duration() const { return latency + transfer; }
};

// Works that load the links of their communicator in equal proportions.
struct TrafficPattern {
  CollectiveKind kind = CollectiveKind::send_receive;
  std::string_view algorithm = {};
  double outside = -1;  // share of the message, see collective_footprint
  double peak = 0;      // largest bytes per second of NCCL's message size, alone
  friend bool operator==(const TrafficPattern&, const TrafficPattern&) = default;
};

// All communicators of one kind: the groups of an axis, or the pairs of neighbours between two stages.
struct CommunicatorSet {
  CommGroup group = CommGroup::none;
  int from_stage = -1, to_stage = -1;  // of a pair set: the sender's and the receiver's
  std::vector<TrafficPattern> patterns;
  std::vector<RankId> members;  // of communicator i: [begin[i], begin[i + 1])
  std::vector<std::int32_t> begin = {0};
  std::vector<std::int32_t> of_rank;  // communicator of every rank (of a pair set: as sender), -1 = none
  // Loads of communicator i by pattern p on contended links: [load_begin[i * patterns + p], …)
  std::vector<LinkUse> loads;
  std::vector<std::int32_t> load_begin;
  // Factor by which links that nobody shares, being degraded, stretch the transfer; [i * patterns + p], >= 1.
  std::vector<double> stretch;

  bool pairs() const { return from_stage >= 0; }
  int size() const { return static_cast<int>(begin.size()) - 1; }
  std::span<const RankId> of(int i) const {
    const auto first = static_cast<std::size_t>(begin[static_cast<std::size_t>(i)]);
    return {members.data() + first, static_cast<std::size_t>(begin[static_cast<std::size_t>(i) + 1]) - first};
  }
  std::size_t cell(int i, int pattern) const {
    return static_cast<std::size_t>(i) * patterns.size() + static_cast<std::size_t>(pattern);
  }
  std::span<const LinkUse> load(int i, int pattern) const {
    const auto first = static_cast<std::size_t>(load_begin[cell(i, pattern)]);
    return {loads.data() + first, static_cast<std::size_t>(load_begin[cell(i, pattern) + 1]) - first};
  }
};

struct Traffic {
  std::vector<WorkTransfer> works;  // [work]
  std::vector<CommunicatorSet> sets;
  std::vector<std::int32_t> inside_blocks;  // sets whose collectives run inside blocks: their members keep in step
  std::vector<std::int32_t> sender_set;     // [channel] set of its pairs
  std::vector<double> capacity;             // [link] bytes per second that transfers get of it together
  std::vector<bool> contended;              // [link] wanted by several, and short when all want it at once
  int contended_links = 0;
  std::vector<LinkPressure> pressures;
};

// fair_share: every transfer gets what a tier says a rank gets while its sibling groups are busy, whoever else is;
// alone: as if nothing else ran; on: what the links carry is shared by whatever runs. Degraded links slow all three.
enum class LinkSharing { fair_share, alone, on };

// `prices`: of the program's works on `paths`.
Traffic traffic_of(const StepProgram& program, const PricedProgram& prices, const EngineContext& context,
                   const std::vector<std::vector<Tier>>& paths, LinkSharing sharing);

// The program's paths with every tier at the bandwidth that it has while the sibling groups are silent.
std::vector<std::vector<Tier>> paths_alone(const StepProgram& program);

}  // namespace trainyard
