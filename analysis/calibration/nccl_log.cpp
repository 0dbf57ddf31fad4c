#include "analysis/calibration/nccl_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "analysis/calibration/nccl_log_ranks.hpp"

namespace trainyard {
namespace {

// A first row is slower than the next, though that moves more bytes, when it pays for first use.
constexpr double warm_up_ratio = 1.5;
constexpr double seconds_per_microsecond = 1e-6;

// Engineering samples call themselves so; it names no device.
constexpr std::string_view unnamed_device = "NVIDIA Graphics Device";

std::vector<const NcclRow*> rows_with_data(const NcclTable& table) {
  std::vector<const NcclRow*> rows;
  for (const NcclRow& row : table.rows)
    if (row.size > 0) rows.push_back(&row);
  return rows;
}

bool slowed_by_first_use(const std::vector<const NcclRow*>& rows, std::optional<NcclCell> NcclRow::*placement) {
  if (rows.size() < 2 || !(rows[0]->*placement) || !(rows[1]->*placement)) return false;
  return rows[0]->size <= rows[1]->size &&
         (rows[0]->*placement)->time.value > warm_up_ratio * (rows[1]->*placement)->time.value;
}

std::string device_of(const NcclHeading& heading) {
  for (const NcclRank& r : heading.ranks)
    if (!r.name.empty() && r.name != unnamed_device) return r.name;
  return heading.machine.device;
}

class TableSamples {
 public:
  TableSamples(const NcclTable& table, CollectiveKind kind, RankLayoutOfRun layout, Measurements& all)
      : table_(table), kind_(kind), layout_(layout), device_(device_of(table.heading)), all_(all) {}

  void add() {
    const std::vector<const NcclRow*> rows = rows_with_data(table_);
    for (const bool in_place : {false, true}) {
      const auto placement = in_place ? &NcclRow::in_place : &NcclRow::out_of_place;
      const bool skip_first = slowed_by_first_use(rows, placement);
      if (skip_first)
        note(*rows.front(), fmt::format("the first row, {} µs{}, is slowed by first use and left out",
                                        (rows.front()->*placement)->time.value, in_place ? " in place" : ""));
      for (std::size_t i = skip_first ? 1 : 0; i < rows.size(); ++i)
        if (rows[i]->*placement) add_cell(*rows[i], *(rows[i]->*placement), in_place);
    }
  }

 private:
  void note(const NcclRow& row, std::string_view text) {
    all_.notes.push_back(fmt::format("{}: {}", to_text(row.where), text));
  }

  void add_cell(const NcclRow& row, const NcclCell& cell, bool in_place) {
    if (cell.wrong) {
      note(row, "the results were wrong; left out");
      return;
    }
    all_.collectives.push_back({device_, table_.heading.machine.nccl, kind_, row.type, layout_.ranks,
                                std::max(layout_.nodes, 1), Bytes(row.size), in_place,
                                Seconds(cell.time.value * seconds_per_microsecond), row.where, layout_.nodes > 0});
  }

  const NcclTable& table_;
  CollectiveKind kind_;
  RankLayoutOfRun layout_;
  std::string device_;
  Measurements& all_;
};

void refuse_without_data(const NcclTable& table) {
  const NcclHeading& h = table.heading;
  const SourceLocation& where = table.rows.front().where;
  if (rows_with_data(table).empty())
    throw InputError(where, "every row of this table is of size 0", "give larger sizes");
  if (h.ranks.size() == 1 && h.ranks.front().rank == 0 && !h.ranks_elided && h.ranks_per_entry == 1)
    throw InputError(where, "one rank communicates with nobody", "run it on several GPUs");
}

void add_machine(const NcclHeading& heading, Measurements& all) {
  MeasuredMachine machine = heading.machine;
  machine.device = device_of(heading);
  if (machine == MeasuredMachine{}) return;
  if (std::find(all.machines.begin(), all.machines.end(), machine) == all.machines.end())
    all.machines.push_back(machine);
}

}  // namespace

void add_samples(const NcclTable& table, const std::string& file, const MeasurementChoices& choices,
                 Measurements& all) {
  const SourceLocation where = table.rows.front().where;
  refuse_without_data(table);
  const FactorRange factor = factor_of(table);
  const std::optional<CollectiveKind> kind = kind_of(table, factor, file, choices);
  if (!kind) {
    all.notes.push_back(fmt::format("{}: {} is not part of any training step here and left out", to_text(where),
                                    choices.operation.empty() ? table.heading.operation : choices.operation));
    return;
  }
  const RankLayoutOfRun layout = ranks_of(table, *kind, factor, choices);
  const std::size_t before = all.collectives.size();
  TableSamples(table, *kind, layout, all).add();
  if (all.collectives.size() == before)
    throw InputError(where, "no row of this table can be used", "the notes say why");
  if (layout.nodes == 0)
    all.notes.push_back(fmt::format("{}: {} ranks are taken to share one NVLink domain; --nodes says otherwise",
                                    to_text(where), layout.ranks));
  add_machine(table.heading, all);
}

}  // namespace trainyard
