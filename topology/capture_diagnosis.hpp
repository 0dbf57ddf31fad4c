// Says what a text without a topology matrix is, for the error that refuses it.
#pragma once

#include <string>
#include <string_view>

namespace trainyard {

struct CaptureDiagnosis {
  std::string what;  // "this is the table of plain `nvidia-smi`"
  std::string hint;
};
CaptureDiagnosis diagnose_capture(std::string_view text);

}  // namespace trainyard
