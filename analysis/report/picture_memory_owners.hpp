// One look per memory owner in all pictures.
#pragma once

#include "analysis/report/picture_svg.hpp"
#include "sim/program/instruction.hpp"

namespace trainyard {

Fill fill_of(MemoryOwner owner);

}  // namespace trainyard
