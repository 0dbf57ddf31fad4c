// Which trainyard this is; printed under every report.
#pragma once

#include <string_view>

namespace trainyard {

std::string_view version();  // "0.1.0"

}  // namespace trainyard
