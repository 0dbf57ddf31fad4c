#include "sim/base/hardware.hpp"

namespace trainyard {

std::optional<DataType> data_type_from(std::string_view text) {
  for (DataType t : {DataType::fp32, DataType::tf32, DataType::bf16, DataType::fp16, DataType::fp8, DataType::nvfp4})
    if (text == name(t)) return t;
  return std::nullopt;
}

}  // namespace trainyard
