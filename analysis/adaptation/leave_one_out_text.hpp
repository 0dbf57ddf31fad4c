// The leave-one-out study as people read it.
#pragma once

#include <string>

#include "analysis/adaptation/leave_one_out.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

// One line per source and the mean; then what each constant would be, fitted to all sources.
std::string leave_one_out_text(const LeaveOneOut& study, const TextStyle& style);
std::string leave_one_out_markdown(const LeaveOneOut& study);  // the scores only

}  // namespace trainyard
