#include "models/model_shape.hpp"

namespace trainyard {

std::int64_t padded_vocabulary(const ModelShape& model, int tensor_parallel) {
  const std::int64_t multiple = std::int64_t{128} * tensor_parallel;
  return (model.vocabulary + multiple - 1) / multiple * multiple;
}

bool is_moe_layer(const ModelShape& model, std::int64_t index) {
  if (!model.moe || index < model.moe->first_dense_layers) return false;
  return (index - model.moe->first_dense_layers + 1) % model.moe->layer_period == 0;
}

}  // namespace trainyard
