// The one symbol of the SimGrid module.
#pragma once

#include <span>

#include "sim/engine/shared_network.hpp"

extern "C" trainyard::SharedNetwork* trainyard_simgrid_network(std::span<const double> capacities,
                                                               std::span<const trainyard::FlowClass> classes);
