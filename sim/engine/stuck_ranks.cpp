#include "sim/engine/stuck_ranks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trainyard {
namespace {

class StuckText {
 public:
  StuckText(const Cast& cast, const RankLists& lists, const Timeline& timeline,
            const std::vector<StreamPositions>& next)
      : cast_(cast), lists_(lists), timeline_(timeline), next_(next) {}

  std::string text() const {
    std::string all = "the step cannot finish:";
    for (std::size_t c = 0; c < next_.size(); ++c)
      for (std::size_t s = 0; s < streams; ++s) add(c, s, all);
    return all;
  }

 private:
  const RankKind& kind(std::size_t c) const {
    return cast_.program->kinds[static_cast<std::size_t>(cast_.classes->classes[c].kind)];
  }
  bool settled(std::size_t c, std::size_t i) const { return timeline_.spans[c][i].end.value >= 0; }

  // The first instruction of a stream that has not ended.
  void add(std::size_t c, std::size_t s, std::string& all) const {
    const std::vector<std::int32_t>& list = lists_.of_kind(cast_.classes->classes[c].kind)[s];
    const auto issued = static_cast<std::size_t>(next_[c][s]);
    if (issued > 0 && !settled(c, static_cast<std::size_t>(list[issued - 1])))
      all += line(c, list[issued - 1], "waits for " + partners(c, list[issued - 1]));
    else if (issued < list.size())
      all += line(c, list[issued], "waits for " + dependency(c, list[issued]));
  }

  std::string line(std::size_t c, std::int32_t i, const std::string& waits) const {
    const RankClass& rank_class = cast_.classes->classes[c];
    std::string ranks = fmt::format("rank {}", rank_class.representative.value);
    if (rank_class.ranks > 1) ranks += fmt::format(" and {} like it", rank_class.ranks - 1);
    return fmt::format("\n  {} (stage {}): {} {}", ranks, kind(c).stage.value, name_of(c, i), waits);
  }
  std::string name_of(std::size_t c, std::int32_t i) const {
    const Instruction& in = kind(c).instructions[static_cast<std::size_t>(i)];
    std::string text = fmt::format("instruction {} on {}", i, name(in.stream));
    if (in.micro_batch >= 0) text += fmt::format(" (micro-batch {}, chunk {})", in.micro_batch, in.chunk);
    return text;
  }

  // The instruction of the same rank that it comes after.
  std::string dependency(std::size_t c, std::int32_t i) const {
    const Instruction& in = kind(c).instructions[static_cast<std::size_t>(i)];
    for (std::int32_t a = 0; a < in.after_count; ++a) {
      const InstructionId before = kind(c).after[static_cast<std::size_t>(in.after_begin + a)];
      if (!settled(c, before.index())) return name_of(c, before.value) + " of the same rank";
    }
    return "an earlier instruction of its stream";
  }

  // Who has not come to the meeting that it is in.
  std::string partners(std::size_t c, std::int32_t i) const {
    const auto work = static_cast<std::size_t>(kind(c).instructions[static_cast<std::size_t>(i)].work);
    const std::int32_t meeting = cast_.roles[c][work].meeting;
    std::string missing;
    for (std::size_t other = 0; other < next_.size(); ++other) {
      if (other == c || waits_at(other, meeting)) continue;
      if (!goes_to(other, meeting)) continue;
      missing +=
          fmt::format("{}{}", missing.empty() ? "rank " : ", ", cast_.classes->classes[other].representative.value);
    }
    const bool message = std::holds_alternative<Send>(cast_.program->works[work]) ||
                         std::holds_alternative<Receive>(cast_.program->works[work]);
    if (missing.empty()) missing = message ? "a rank that never posts the other end" : "a rank that never joins it";
    return missing;
  }
  bool goes_to(std::size_t c, std::int32_t meeting) const {
    return std::any_of(cast_.roles[c].begin(), cast_.roles[c].end(),
                       [&](const Role& role) { return meeting >= 0 && role.meeting == meeting; });
  }
  bool waits_at(std::size_t c, std::int32_t meeting) const {
    for (std::size_t s = 0; s < streams; ++s) {
      const auto issued = static_cast<std::size_t>(next_[c][s]);
      if (issued == 0) continue;
      const auto i = static_cast<std::size_t>(lists_.of_kind(cast_.classes->classes[c].kind)[s][issued - 1]);
      const auto work = static_cast<std::size_t>(kind(c).instructions[i].work);
      if (!settled(c, i) && cast_.roles[c][work].meeting == meeting) return true;
    }
    return false;
  }

  const Cast& cast_;
  const RankLists& lists_;
  const Timeline& timeline_;
  const std::vector<StreamPositions>& next_;
};

}  // namespace

std::string stuck_text(const Cast& cast, const RankLists& lists, const Timeline& timeline,
                       const std::vector<StreamPositions>& next) {
  return StuckText(cast, lists, timeline, next).text();
}

}  // namespace trainyard
