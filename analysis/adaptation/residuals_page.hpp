// The page about what is still wrong, written from the numbers alone: scores, the leave-one-out study, patterns of
// errors with the largest first, and where the constants come from. The same inputs give the same bytes.
#pragma once

#include <string>
#include <vector>

#include "analysis/adaptation/leave_one_out.hpp"
#include "analysis/validation/validation.hpp"

namespace trainyard {

// `constants` are those of the profiles that the rows were predicted with; `picture` is the file of scatter_svg.
std::string residuals_page(const std::vector<ValidatedRun>& rows, const LeaveOneOut& study,
                           const std::vector<AdaptableConstant>& constants, const std::string& picture);

}  // namespace trainyard
