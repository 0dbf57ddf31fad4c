// What rows have taught: which constants they determine, and which rows to take where only a few can be.
#pragma once

#include <cstddef>
#include <vector>

#include "analysis/adaptation/adaptation_rows.hpp"
#include "analysis/adaptation/map_fit.hpp"

namespace trainyard {

// A constant is learnt when the rows have narrowed it to less than this share of what was believed.
inline constexpr double learnt_share = 0.8;
inline bool is_learnt(double posterior, double prior) { return posterior < learnt_share * prior; }

// A fit of at most as many constants as there are rows: those that a fit of all narrows most. The others stay at the
// prior's centre exactly. `posterior` is what all constants together leave uncertain, so that a combination of several
// does not pass for knowledge of one.
struct FrugalFit {
  MapFit fit;
  std::vector<double> posterior;  // spread of each constant
  std::vector<char> adapted;      // whether it was free to move
};
FrugalFit frugal_fit(const MapPrior& prior, const std::vector<MapRow>& rows, const LogResidual& residual,
                     const MapOptions& options);

MapPrior believed(const AdaptationProblem& problem, Belief belief);

// A small, a middle and a large one of the rows (GPU-seconds per step), another three in each draw; all of them where
// there are no more than three.
std::vector<std::size_t> three_rows_of(const AdaptationProblem& problem, std::vector<std::size_t> rows, int draw,
                                       int draws);

}  // namespace trainyard
