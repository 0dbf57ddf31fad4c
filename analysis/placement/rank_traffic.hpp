// Who sends how much to whom in one step, by groups of ranks.
#pragma once

#include <vector>

#include "analysis/simulate.hpp"
#include "models/operators.hpp"
#include "topology/symmetry.hpp"

namespace trainyard {

struct TrafficGroup {
  int kind = 0;   // index into RankTraffic::messages
  int stage = 0;  // pipeline stage of its members; of a pair of neighbours the first
  std::vector<int> ranks;
};

// What every group of a kind sends in a step.
struct Message {
  bool send = false;  // between pipeline neighbours
  CollectiveKind kind = CollectiveKind::all_reduce;
  Bytes bytes{};     // NCCL's message size of one call
  double count = 0;  // calls per step
};

struct RankTraffic {
  int ranks = 0;
  int stages = 1;
  std::vector<TrafficGroup> groups;            // of two and more
  std::vector<std::vector<Message>> messages;  // by kind
};

// The communicators of a plan's layout, without messages. Pipeline neighbours are groups of two; those of the last and
// the first stage where chunks wrap around.
RankTraffic traffic_groups(const Plan& resolved_plan, const RankLayout& layout, const Routes& routes, bool moe);

// Fills in the messages as a simulated step of the same plan and rank order reports them: the sizes of the largest call
// of each kind, and how many there were.
void add_messages(RankTraffic& traffic, const std::vector<CommunicationLine>& lines);

// The groups as they lie on the machine, with the stages: what tells two placements apart.
std::vector<PlacedGroup> placed_groups(const RankTraffic& traffic, const RankLayout& layout);

}  // namespace trainyard
