#include "analysis/trace/shown_ranks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "analysis/pipeline_picture.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

std::size_t list_of(const SimulatedStep& step, RankId rank) {
  const Timeline& timeline = step.timeline;
  if (!timeline.list_of_rank.empty()) return static_cast<std::size_t>(timeline.list_of_rank[rank.index()]);
  return static_cast<std::size_t>(step.layout.coordinates(rank).pp);  // lists are kinds, kinds are stages
}

ShownRank shown(const SimulatedStep& step, RankId rank, int stands_for) {
  const std::size_t list = list_of(step, rank);
  return {rank, list, kind_of_list(step.timeline, list), stands_for};
}

std::vector<ShownRank> one_per_stage(const SimulatedStep& step) {
  std::vector<ShownRank> ranks;
  for (std::size_t k = 0; k < step.program.kinds.size(); ++k) {
    const std::size_t latest = list_to_show(step.timeline, k);
    const RankId rank =
        step.timeline.lists.empty() ? step.program.kinds[k].representative : step.timeline.lists[latest].representative;
    ranks.push_back({rank, latest, k, step.program.kinds[k].ranks});
  }
  return ranks;
}

class ListReader {
 public:
  ListReader(std::string_view text, const SimulatedStep& step, const std::string& where)
      : text_(text), where_(where), world_(step.layout.world_size()) {}

  std::set<int> read() const {
    std::set<int> ranks;
    for (std::size_t at = 0; at <= text_.size();) {
      const std::size_t end = std::min(text_.find(',', at), text_.size());
      add(text_.substr(at, end - at), ranks);
      at = end + 1;
    }
    return ranks;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError({where_}, what, "'all', 'stages', or ranks such as 0,8,16-23");
  }
  int number(std::string_view word) const {
    int value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || stop != word.data() + word.size() || value < 0)
      fail(fmt::format("'{}' is no rank", word));
    if (value >= world_) fail(fmt::format("there is no rank {}: the job has {} ranks", value, world_));
    return value;
  }
  void add(std::string_view part, std::set<int>& ranks) const {
    const std::size_t dash = part.find('-');
    const int first = number(part.substr(0, dash));
    const int last = dash == std::string_view::npos ? first : number(part.substr(dash + 1));
    if (last < first) fail(fmt::format("the range '{}' runs backwards", part));
    for (int rank = first; rank <= last; ++rank) ranks.insert(rank);
  }

  std::string_view text_;
  const std::string& where_;
  int world_;
};

}  // namespace

std::vector<ShownRank> shown_ranks(std::string_view text, const SimulatedStep& step, const std::string& where) {
  if (text == "stages") return one_per_stage(step);
  std::vector<ShownRank> ranks;
  if (text == "all") {
    for (int rank = 0; rank < step.layout.world_size(); ++rank) ranks.push_back(shown(step, RankId(rank), 1));
    return ranks;
  }
  for (const int rank : ListReader(text, step, where).read()) ranks.push_back(shown(step, RankId(rank), 1));
  return ranks;
}

}  // namespace trainyard
