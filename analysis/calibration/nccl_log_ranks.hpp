// Which collective and how many ranks the figures of a table belong to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "analysis/calibration/nccl_log_table.hpp"

namespace trainyard {

// busbw / algbw, as far as rounding tells.
struct FactorRange {
  double low = 0;
  double high = 0;
};

// Over all rows. InputError at a row whose figures contradict each other (algbw is not size / time within 5 %) or the
// rows above it, or if the bus bandwidth is 0: one rank.
FactorRange factor_of(const NcclTable& table);

// The word nccl-tests and users have for a collective to what the cost models have; nullopt for one that they have not
// (reduce, gather, scatter …).
std::optional<CollectiveKind> collective_from(std::string_view word);
bool is_collective_word(std::string_view word);

// From --operation, the heading, the file's name or the figures. nullopt = a collective that is not modelled.
std::optional<CollectiveKind> kind_of(const NcclTable& table, const FactorRange& factor, const std::string& file,
                                      const MeasurementChoices& choices);

struct RankLayoutOfRun {
  int ranks = 0;
  int nodes = 0;  // 0 = not said
};
RankLayoutOfRun ranks_of(const NcclTable& table, CollectiveKind kind, const FactorRange& factor,
                         const MeasurementChoices& choices);

}  // namespace trainyard
