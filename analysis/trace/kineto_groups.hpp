// The process groups of a simulated rank, described as Megatron-LM describes them (`group_desc` of its
// parallel_state.py), with the ranks of the layout.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/simulate.hpp"
#include "sim/plan/comm_groups.hpp"

namespace trainyard {

struct ProcessGroup {
  std::string name;  // a number, the same on every member and on no other group
  std::string_view description;
  std::vector<RankId> ranks;  // ascending
};

// "[0, 1, 2]"; of more than 30 ranks the first 29 and the last, as PyTorch's profiler writes them.
std::string ranks_text(const std::vector<RankId>& ranks, bool whole);

class ProcessGroups {
 public:
  // Both must outlive this.
  ProcessGroups(const Job& job, const SimulatedStep& step);

  ProcessGroup of(CommGroup group, RankId rank) const;
  ProcessGroup of(Axis axis, RankId rank) const;  // of a collective inside a block
  ProcessGroup pipeline(RankId rank) const;       // of sends and receives
  std::optional<RankId> sender(int channel, RankId rank) const;
  std::optional<RankId> receiver(int channel, RankId rank) const;
  // Those that the instructions of the rank's list use, without repetition.
  std::vector<ProcessGroup> used(RankId rank, std::size_t kind) const;

 private:
  const SimulatedStep& step_;
  CommunicationPaths sizes_;  // only the sizes that groups are cut by
  CommGroups groups_;
  std::vector<int> sender_stage_, receiver_stage_;  // [channel]; -1 = none
};

}  // namespace trainyard
