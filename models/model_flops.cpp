#include "models/model_flops.hpp"

#include <algorithm>

#include "models/parameter_count.hpp"

namespace trainyard {
namespace {

double as_double(std::int64_t n) { return static_cast<double>(n); }

// Mean keys a query is multiplied with. Causal: s/2; a window of w keys: w(1 - (w-1)/(2s)).
double mean_keys(const ModelShape& m, std::int64_t sequence_length, bool causal) {
  const double s = as_double(sequence_length);
  const double full = causal ? s / 2 : s;
  const double w = as_double(m.sliding_window);
  if (m.sliding_window == 0 || w >= s) return full;
  return causal ? std::min(full, w * (1 - (w - 1) / (2 * s))) : w;
}

struct ForwardToken {
  double layer_matrices = 0;
  double attention_core = 0;
  double head = 0;
};

// The multi-token-prediction modules repeat a layer, project 2h -> h and use the head again.
ForwardToken forward_token(const ModelShape& m, std::int64_t sequence_length, bool causal) {
  const std::int64_t moe_layers = moe_layer_count(m);
  const std::int64_t mtp = m.multi_token_prediction_layers;
  std::int64_t matrices = (m.layers - moe_layers) * matrix_parameters_per_token(m, false);
  if (moe_layers > 0) matrices += moe_layers * matrix_parameters_per_token(m, true);
  if (mtp > 0)
    matrices += mtp * (matrix_parameters_per_token(m, is_moe_layer(m, m.layers - 1)) + 2 * m.hidden * m.hidden);
  const std::int64_t score_width =
      m.latent_attention
          ? m.latent_attention->qk_nope_head_dim + m.latent_attention->qk_rope_head_dim + m.latent_attention->v_head_dim
          : 2 * m.head_dim;
  return {
      .layer_matrices = 2 * as_double(matrices),
      .attention_core = 2 * as_double((m.layers + mtp) * m.heads * score_width) * mean_keys(m, sequence_length, causal),
      .head = 2 * as_double((1 + mtp) * m.hidden * m.vocabulary)};
}

double per_token(const ModelShape& m, FlopsConvention convention, std::int64_t s) {
  switch (convention) {
    case FlopsConvention::six_n:
      return 6 * as_double(count_parameters(m).active);
    case FlopsConvention::palm_2022:
      return 6 * as_double(count_parameters(m).active) + 3 * forward_token(m, s, false).attention_core;
    case FlopsConvention::narayanan_2021: {
      const ForwardToken f = forward_token(m, s, false);
      return 4 * (f.layer_matrices + f.attention_core) + 3 * f.head;
    }
    case FlopsConvention::korthikanti_2022: {
      const ForwardToken f = forward_token(m, s, false);
      return 3 * (f.layer_matrices + f.attention_core + f.head);
    }
    case FlopsConvention::korthikanti_2022_hardware: {
      // The paper doubles the core's s/(6h) to s/(3h): three extra forwards' worth, more than what is re-executed.
      const ForwardToken f = forward_token(m, s, false);
      return 3 * (f.layer_matrices + 2 * f.attention_core + f.head);
    }
    case FlopsConvention::megatron_lm: {
      const ForwardToken f = forward_token(m, s, true);
      return 3 * (f.layer_matrices + f.attention_core + f.head);
    }
  }
  return 0;
}

}  // namespace

std::string_view name(FlopsConvention c) {
  switch (c) {
    case FlopsConvention::six_n:
      return "6n";
    case FlopsConvention::palm_2022:
      return "palm-2022";
    case FlopsConvention::narayanan_2021:
      return "narayanan-2021";
    case FlopsConvention::korthikanti_2022:
      return "korthikanti-2022";
    case FlopsConvention::korthikanti_2022_hardware:
      return "korthikanti-2022-hardware";
    case FlopsConvention::megatron_lm:
      return "megatron-lm";
  }
  return "?";
}

std::string_view description(FlopsConvention c) {
  switch (c) {
    case FlopsConvention::six_n:
      return "6n (6 x active parameters x tokens, no attention core)";
    case FlopsConvention::palm_2022:
      return "palm-2022 (6n plus full attention, no recompute)";
    case FlopsConvention::narayanan_2021:
      return "narayanan-2021 (full attention, with full recompute)";
    case FlopsConvention::korthikanti_2022:
      return "korthikanti-2022 (full attention, no recompute)";
    case FlopsConvention::korthikanti_2022_hardware:
      return "korthikanti-2022-hardware (full attention, with selective recompute)";
    case FlopsConvention::megatron_lm:
      return "megatron-lm (causal attention, no recompute)";
  }
  return "?";
}

std::optional<FlopsConvention> flops_convention_from(std::string_view text) {
  for (FlopsConvention c : flops_conventions)
    if (name(c) == text) return c;
  return std::nullopt;
}

Flops model_flops(const ModelShape& model, FlopsConvention convention, std::int64_t sequences,
                  std::int64_t sequence_length) {
  return Flops(per_token(model, convention, sequence_length) * as_double(sequences) * as_double(sequence_length));
}

Flops forward_flops_per_token(const ModelShape& model, std::int64_t sequence_length) {
  const ForwardToken f = forward_token(model, sequence_length, true);
  return Flops(f.layer_matrices + f.attention_core + f.head);
}

}  // namespace trainyard
