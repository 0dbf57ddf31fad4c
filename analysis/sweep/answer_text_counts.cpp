#include "analysis/sweep/answer_text_counts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace trainyard {
namespace {

constexpr std::size_t most_reasons = 8;

class CountLines {
 public:
  CountLines(std::int64_t total, const TextStyle& style)
      : total_(total), style_(style), digits_(columns(grouped(total))) {}

  void add(std::string_view what, std::int64_t plans, Ink ink = Ink::plain) {
    if (plans > 0) append(plans, percent(static_cast<double>(plans) / static_cast<double>(total_)), what, "", ink);
  }
  void add_reason(std::string_view reason, std::int64_t plans) { append(plans, "", reason, "  ", Ink::faint); }
  const std::string& text() const { return text_; }

 private:
  void append(std::int64_t plans, const std::string& share, std::string_view what, const char* indent, Ink ink) {
    constexpr std::size_t share_columns = 7;  // "100.0 %"
    const std::string numbers =
        fmt::format("  {:>{}}  {:>{}}  {}", grouped(plans), digits_, share, share_columns, indent);
    const int width = style_.width - static_cast<int>(numbers.size());
    text_ += painted(numbers + wrapped(what, width, std::string(numbers.size(), ' ')), ink, style_) + "\n";
  }

  std::int64_t total_;
  const TextStyle& style_;
  std::size_t digits_;
  std::string text_;
};

// The commonest; the others are in the JSON.
void add_reasons(const SweepCounts& counts, CountLines& lines) {
  std::vector<std::pair<std::string, std::int64_t>> reasons(counts.infeasible_reasons.begin(),
                                                            counts.infeasible_reasons.end());
  std::stable_sort(reasons.begin(), reasons.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  const std::size_t shown = std::min(most_reasons, reasons.size());
  std::int64_t rest = 0;
  for (std::size_t i = shown; i < reasons.size(); ++i) rest += reasons[i].second;
  for (std::size_t i = 0; i < shown; ++i) lines.add_reason(reasons[i].first, reasons[i].second);
  if (rest > 0) lines.add_reason("other reasons", rest);
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string digits = fmt::format("{}", number);
  for (std::size_t at = digits.size(); at > 3 + (number < 0 ? 1U : 0U); digits.insert(at, " ")) at -= 3;
  return digits;
}

std::string plans_in_words(std::int64_t plans) { return grouped(plans) + (plans == 1 ? " plan" : " plans"); }

std::string counts_text(const SweepCounts& counts, const TextStyle& style) {
  CountLines lines(counts.total(), style);
  lines.add("excluded, or the same plan as another", counts.excluded);
  lines.add("cannot run", counts.infeasible);
  add_reasons(counts, lines);
  lines.add("do not fit in memory", counts.out_of_memory);
  lines.add("cross the same links as another", counts.same_placement);
  lines.add("provably neither among the best nor on the Pareto front", counts.pruned);
  lines.add("simulated", counts.evaluated);
  lines.add("in all", counts.total(), Ink::strong);
  return lines.text();
}

}  // namespace trainyard
