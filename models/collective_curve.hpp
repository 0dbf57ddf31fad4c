// Collectives inside one NVLink domain as they were measured (DeviceProfile::nvlink_collectives), for groups of any
// size. A curve of r ranks is continued to n ranks by what a ring moves and how many hops it takes:
//   t_n(S) = t_r(S f(n) / f(r) * W_measured / W) + t_r(0) (L(n) / L(r) - 1)
// f the bus factor of nccl-tests, W the nominal NVLink bandwidth per GPU, L(n) = base + (n-1) step the profile's
// latency of a ring. Between two measured numbers of ranks the time lies between theirs in proportion of f. Hence a
// curve that never falls with S stays so, and times beyond the curves never fall with n. Where
// NVLink SHARP reduces in the switch, an all-reduce beyond the curves may keep S / t instead and wait 7 us per further
// GPU: 72 GB200 reach 423 GB/s of S / t at 8 GB and 297 at 512 MB, 4 GB300 457 (nccl-tests).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/hardware.hpp"

namespace trainyard {

// "all_reduce" …, as CollectiveCurve::operation; empty for kinds without curves.
std::string_view curve_operation(CollectiveKind kind);

// t = latency + S / bandwidth in the regime of S; the last regime continues beyond what was measured.
Seconds regime_time(const std::vector<CollectiveRegime>& regimes, Bytes size);

// nullopt where no curve applies: another operation, another link, no curve of the operation, or an all-reduce curve of
// a device with NVLink SHARP on links that have none.
std::optional<Seconds> measured_collective_time(CollectiveKind kind, Bytes size, const Tier& tier,
                                                const DeviceProfile& device);

}  // namespace trainyard
