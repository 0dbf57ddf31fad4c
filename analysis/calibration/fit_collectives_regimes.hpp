// One measured curve of times over sizes as few straight pieces t = latency + S / bandwidth.
//
// Borders, number and constants of the pieces are found together: dynamic programming over all ways to cut the sizes,
// each piece a non-negative least-squares line of relative errors with Huber weights, the sum of capped squared errors
// (in units of the noise) plus a price per piece (Bayesian information criterion: three constants, each log of the
// number of points). Neighbouring pieces meet where their lines cross; where they do not, as when NCCL changes its
// protocol, a step up of at most 5 % stays a jump and a larger one becomes a short bridge. Latencies are not negative,
// so that a doubling of the size never more than doubles the time; measured steps beyond that leave a jump of at most
// 10 % at either end of the bridge. Time never falls with size.
#pragma once

#include <vector>

#include "models/profile.hpp"

namespace trainyard {

struct CurvePoint {
  Bytes size{};
  Seconds time{};
};

// Of points in any order, several per size or not. Empty if they are of fewer than four sizes: a piece and its border
// take three constants. Points that are not positive and finite are ignored.
std::vector<CollectiveRegime> fit_regimes(std::vector<CurvePoint> points);

}  // namespace trainyard
