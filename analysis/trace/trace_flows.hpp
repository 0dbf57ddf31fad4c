// Arrows of a timeline: from a send to its receive, and along the members of a collective in the order in which they
// come to it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "analysis/trace/shown_ranks.hpp"
#include "sim/plan/comm_groups.hpp"

namespace trainyard {

struct FlowEnds {
  std::uint64_t out = 0;  // number of the arrow that leaves, 0 = none
  std::uint64_t in = 0;   // that arrives
};

// Numbers are unique; every arrow has both its ends among the ranks shown.
class TraceFlows {
 public:
  // Keeps references to all.
  TraceFlows(const Job& job, const SimulatedStep& step, const std::vector<ShownRank>& ranks);

  // Of an instruction of the shown-th rank.
  FlowEnds of(std::size_t shown, std::size_t instruction);

 private:
  struct Channel {
    std::size_t sender_kind = 0, receiver_kind = 0;
  };
  // Of a communicator, as one of its members sees it.
  struct Members {
    std::vector<std::size_t> shown;  // indices of those that are shown, ascending
    std::size_t own = 0;             // where this one stands among them
    bool one_list = false;           // all run the same list of the timeline
  };
  std::size_t partner(std::size_t shown, std::size_t kind) const;
  const Members& members(std::size_t shown, CommGroup group);
  FlowEnds of_collective(std::size_t shown, std::size_t instruction, CommGroup group);

  const SimulatedStep& step_;
  const std::vector<ShownRank>& ranks_;
  std::unique_ptr<CommGroups> groups_;  // where several members of a group may be shown
  std::map<int, Channel> channels_;
  std::vector<std::vector<std::uint32_t>> calls_;   // [kind][instruction] how-many-th of its channel
  std::vector<std::vector<std::size_t>> partners_;  // [shown][kind]
  std::map<RankId, std::size_t> shown_of_rank_;
  std::map<std::size_t, std::size_t> shown_of_kind_;  // ranks that stand for their stage
  std::map<std::pair<std::size_t, CommGroup>, Members> members_;
};

}  // namespace trainyard
