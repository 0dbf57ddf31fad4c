#include "analysis/memory_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/plan_words.hpp"

namespace trainyard {
namespace {

std::string gib(Bytes b) { return fmt::format("{:.2f}", in_gib(b)); }

const StageMemory* fullest(const MemoryLedger& ledger) {
  const auto found =
      std::max_element(ledger.stages.begin(), ledger.stages.end(),
                       [](const StageMemory& a, const StageMemory& b) { return a.allocated < b.allocated; });
  return found == ledger.stages.end() ? nullptr : &*found;
}

bool same_numbers(const StageMemory& a, const StageMemory& b) {
  return a.at_peak == b.at_peak && a.allocated == b.allocated && a.reserved == b.reserved &&
         a.device_used == b.device_used && a.layers == b.layers && a.parameters == b.parameters;
}

std::string range(int first, int last) {
  return first == last ? fmt::format("{}", first) : fmt::format("{}–{}", first, last);
}

std::string billions(std::int64_t parameters) {
  const auto count = static_cast<double>(parameters);
  return count >= 1e9 ? fmt::format("{:.2f} B", count / 1e9) : fmt::format("{:.1f} M", count / 1e6);
}

std::vector<std::string> cells_of(const StageMemory& stage, int last_stage) {
  std::vector<std::string> cells = {range(stage.stage, last_stage), fmt::format("{}", stage.layers),
                                    billions(stage.parameters)};
  for (const Bytes& owned : stage.at_peak) cells.push_back(gib(owned));
  cells.push_back(gib(stage.allocated));
  cells.push_back(gib(stage.reserved));
  cells.push_back(gib(stage.device_used));
  return cells;
}

}  // namespace

std::string memory_verdict(const MemoryLedger& ledger) {
  const StageMemory* stage = fullest(ledger);
  if (stage == nullptr) return "unknown";
  const std::string amounts =
      fmt::format("{:.1f} of {:.1f} GiB on stage {}", in_gib(stage->allocated), in_gib(ledger.limit), stage->stage);
  if (ledger.fits) return fmt::format("fits{}: {}", ledger.pressure ? " barely" : "", amounts);
  if (stage->allocated <= ledger.limit)
    return fmt::format("does not fit: {}, {:.1f} GiB with the allocator's fragmentation", amounts,
                       in_gib(stage->reserved));
  return fmt::format("does not fit: {}, {:.1f} GiB too much", amounts, in_gib(stage->allocated - ledger.limit));
}

std::string memory_section(const MemoryLedger& ledger, const TextStyle& style) {
  if (ledger.stages.empty()) return {};
  TextTable table({{"stage"},
                   {"layers", Align::right, true},
                   {"params", Align::right, true},
                   {"weights"},
                   {"grads"},
                   {"optim"},
                   {"activ"},
                   {"temp"},
                   {"comm", Align::right, true},
                   {"allocated"},
                   {"reserved"},
                   {"device", Align::right, true}});
  const StageMemory* peak = fullest(ledger);
  for (std::size_t first = 0; first < ledger.stages.size();) {
    std::size_t last = first;
    while (last + 1 < ledger.stages.size() && same_numbers(ledger.stages[first], ledger.stages[last + 1])) ++last;
    const StageMemory& stage = ledger.stages[first];
    const bool is_peak = stage.allocated == peak->allocated;
    const Ink ink = !is_peak ? Ink::plain : ledger.fits ? Ink::strong : Ink::bad;
    table.add(cells_of(stage, ledger.stages[last].stage), ink, is_peak ? "▸" : " ");
    first = last + 1;
  }
  std::string text = table.text(style);
  if (!peak->peak_at.empty())
    text += fmt::format("  {}\n", painted(fmt::format("peak in the {}", peak->peak_at), Ink::faint, style));
  return text;
}

std::string memory_text(const Job& job, const Plan& resolved, const MemoryLedger& ledger, const TextStyle& style) {
  std::string text = fmt::format("{} on {}\n  {}\n\n", painted(job.model.name, Ink::strong, style), job.cluster.name,
                                 wrapped(plan_line(resolved), style.width - 2, "  "));
  text += fmt::format("{}\n\n", painted(memory_verdict(ledger), ledger.fits ? Ink::good : Ink::bad, style));
  text +=
      fmt::format("Memory per GPU at its peak, GiB\n{}", memory_section(ledger, style)) + memory_bars(ledger, style);
  return finished(std::move(text), style);
}

}  // namespace trainyard
