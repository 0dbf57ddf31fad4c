// Which layers of the model an instruction runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "analysis/simulate.hpp"

namespace trainyard {

struct LayerRange {
  std::int32_t first = -1;  // of the model, from 0; prediction modules follow its last layer
  std::int32_t count = 0;   // 0: none (embedding, head, messages, optimizer …)
  std::int32_t last() const { return first + count - 1; }
};

// [instruction] of a kind: blocks and, at operator granularity, operators and the collectives inside a layer. Of a
// backward that runs as one with a forward, the layers of the backward.
std::vector<LayerRange> model_layers(const SimulatedStep& step, std::size_t kind);

}  // namespace trainyard
