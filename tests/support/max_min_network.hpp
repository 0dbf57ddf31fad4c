// Weighted max-min fair sharing written out: the oracle of the SimGrid network. Every rate is computed anew at every
// event, by progressive filling.
#pragma once

#include <memory>
#include <span>

#include "sim/engine/shared_network.hpp"

namespace trainyard::testing {

std::unique_ptr<SharedNetwork> max_min_network(std::span<const double> capacities, std::span<const FlowClass> classes);

}  // namespace trainyard::testing
