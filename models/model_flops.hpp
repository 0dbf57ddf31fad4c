// Model FLOPs of one training step: the numerator of MFU. Papers differ in what they count, so every number names its
// convention. 1 multiply-add = 2 FLOP; backward = 2 x forward. The vocabulary is counted as the shape states it: pass a
// shape with the padded vocabulary to count what the padded head really multiplies.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "models/model_shape.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// The three published closed forms (72BLsh^2(1+...) and so on) are stated for GPT with ffn = 4h; here each is the sum
// over the model's real matrices, which is the same number for that GPT and extends to GQA, gated MLPs, MoE and MLA.
enum class FlopsConvention {
  six_n,                      // 6 N per token, N = active parameters, embeddings included (Chinchilla)
  palm_2022,                  // 6 N + 12 L a d s per token (PaLM appendix B; llm-foundry)
  narayanan_2021,             // layers x 4 (one full recompute), head x 3, every key (arXiv 2104.04473 eq. 3)
  korthikanti_2022,           // everything x 3, every key (arXiv 2205.05198 eq. 7)
  korthikanti_2022_hardware,  // plus the attention core once more for selective recompute (eq. 8)
  megatron_lm                 // everything x 3, keys before the query only (Megatron-LM num_floating_point_operations)
};
inline constexpr std::array flops_conventions = {FlopsConvention::six_n,
                                                 FlopsConvention::palm_2022,
                                                 FlopsConvention::narayanan_2021,
                                                 FlopsConvention::korthikanti_2022,
                                                 FlopsConvention::korthikanti_2022_hardware,
                                                 FlopsConvention::megatron_lm};

std::string_view name(FlopsConvention c);         // "megatron-lm"
std::string_view description(FlopsConvention c);  // "megatron-lm (causal attention, no recompute)"
std::optional<FlopsConvention> flops_convention_from(std::string_view name);

// One step of `sequences` (the global batch) of `sequence_length` tokens, all ranks together.
Flops model_flops(const ModelShape& model, FlopsConvention convention, std::int64_t sequences,
                  std::int64_t sequence_length);

// Forward only, one token, as megatron_lm counts it.
Flops forward_flops_per_token(const ModelShape& model, std::int64_t sequence_length);

}  // namespace trainyard
