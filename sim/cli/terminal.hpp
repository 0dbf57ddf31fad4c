// How text may look where it goes.
#pragma once

#include <iosfwd>

#include "analysis/text_layout.hpp"

namespace trainyard {

// Colour and the window's width only on a terminal (and no colour with NO_COLOR or TERM=dumb), UTF-8 as the locale's
// variables say; 100 columns elsewhere unless COLUMNS says otherwise.
TextStyle style_of(const std::ostream& out);

}  // namespace trainyard
