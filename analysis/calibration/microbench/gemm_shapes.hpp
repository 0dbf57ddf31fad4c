// Which matrix products a run of the gemm program measures.
//
// A linear layer with weight W [out, in] (row-major) and activations X [tokens, in] is three products per training
// step:
//   forward  Y  [tokens, out] = X W^T   column-major m = out, n = tokens, k = in,     layout TN
//   dgrad    dX [tokens, in]  = dY W                 m = in,  n = tokens, k = out,    layout NN
//   wgrad    dW [out, in]    += dY^T X               m = in,  n = out,    k = tokens, layout NT, 32-bit accumulation
// FP8 tensor cores read both operands along k: there every product is TN, on operands stored transposed beforehand.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "cublaslt_product.hpp"
#include "support/options.hpp"

namespace microbench {

struct GemmCase {
  std::string pass;  // forward, dgrad, wgrad, square
  Product product;
};

struct LinearLayer {
  int64_t out = 0;
  int64_t in = 0;
};

inline GemmCase gemm_case(const std::string& pass, int64_t m, int64_t n, int64_t k, DataType type) {
  const bool fp8 = type == DataType::fp8_e4m3;
  GemmCase result{pass, {}};
  Product& product = result.product;
  product.m = m;
  product.n = n;
  product.k = k;
  product.transpose_a = fp8 || pass == "forward" || pass == "square";
  product.transpose_b = !fp8 && pass == "wgrad";
  product.input = type;
  product.output = fp8 ? DataType::bf16 : type == DataType::tf32 ? DataType::fp32 : type;
  product.accumulate = pass == "wgrad";
  if (product.accumulate) product.output = DataType::fp32;
  // As NVIDIA's Transformer Engine: fast accumulation in the forward pass, full accumulation in the backward passes.
  product.fast_accumulation = fp8 && (pass == "forward" || pass == "square");
  return result;
}

inline GemmCase layer_case(const std::string& pass, const LinearLayer& layer, int64_t tokens, DataType type) {
  if (pass == "forward") return gemm_case(pass, layer.out, tokens, layer.in, type);
  if (pass == "dgrad") return gemm_case(pass, layer.in, tokens, layer.out, type);
  return gemm_case(pass, layer.in, layer.out, tokens, type);
}

inline int64_t divided(const std::string& name, int64_t count, int64_t parts) {
  if (count % parts != 0) Options::refuse(name, std::to_string(count) + " is not a multiple of --tp");
  return count / parts;
}

// QKV, attention output, up (and gate), down and vocabulary projection of one rank of a tensor-parallel group.
inline std::vector<LinearLayer> transformer_layers(const Options& options) {
  constexpr int64_t kMost = int64_t{1} << 20;
  const int64_t tp = options.get_int("tp", 1, 1024);
  const int64_t hidden = options.get_int("hidden", 1, kMost);
  const int64_t head_dim = options.get_int("head-dim", 1, 1024);
  const int64_t heads = divided("heads", options.get_int("heads", 1, kMost), tp);
  // Fewer key-value heads than ranks are repeated, one on each rank.
  const int64_t all_kv_heads = options.get_int("kv-heads", 1, kMost);
  const int64_t kv_heads = all_kv_heads < tp ? 1 : divided("kv-heads", all_kv_heads, tp);
  const int64_t ffn = divided("ffn", options.get_int("ffn", 1, kMost), tp);
  const int64_t vocabulary = (options.get_int("vocabulary", 1, 16 * kMost) + tp - 1) / tp;
  return {{(heads + 2 * kv_heads) * head_dim, hidden},
          {hidden, heads * head_dim},
          {options.flag("gated") ? 2 * ffn : ffn, hidden},
          {hidden, ffn},
          {vocabulary, hidden}};
}

inline std::vector<GemmCase> training_cases(const Options& options, DataType type) {
  std::vector<int64_t> tokens = options.get_list("tokens", 1, int64_t{1} << 24);
  if (options.flag("quick") && !options.given("tokens")) tokens = {1024};
  std::vector<GemmCase> cases;
  for (const int64_t count : tokens)
    for (const LinearLayer& layer : transformer_layers(options))
      for (const std::string& pass : options.get_words("passes", {"forward", "dgrad", "wgrad"}))
        cases.push_back(layer_case(pass, layer, count, type));
  return cases;
}

// Powers of two and one and a half times these: the latter fill the multiprocessors unevenly.
inline std::vector<GemmCase> square_cases(const Options& options, DataType type) {
  const int64_t largest = options.flag("quick") ? 2048 : 16384;
  std::vector<GemmCase> cases;
  for (int64_t size = 128; size <= largest; size *= 2) {
    cases.push_back(gemm_case("square", size, size, size, type));
    const int64_t between = size + size / 2;
    if (between < largest) cases.push_back(gemm_case("square", between, between, between, type));
  }
  return cases;
}

inline std::vector<GemmCase> grid_cases(const Options& options, DataType type) {
  std::vector<int64_t> sizes = options.get_list("grid", 1, 131072);
  if (options.flag("quick") && !options.given("grid")) sizes = {256, 2048};
  std::vector<GemmCase> cases;
  for (const std::string& pass : options.get_words("passes", {"forward", "dgrad", "wgrad"}))
    for (const int64_t m : sizes)
      for (const int64_t n : sizes)
        for (const int64_t k : sizes) cases.push_back(gemm_case(pass, m, n, k, type));
  return cases;
}

inline GemmCase parse_case(const std::string& pass, const std::string& text, DataType type) {
  constexpr long long kMost = 1 << 24;
  long long m = 0, n = 0, k = 0;
  int used = 0;
  const int read = std::sscanf(text.c_str(), "%8lldx%8lldx%8lld%n", &m, &n, &k, &used);
  if (read != 3 || used != static_cast<int>(text.size()) || std::min({m, n, k}) < 1 || std::max({m, n, k}) > kMost)
    Options::refuse("shapes", "'" + text + "' is neither training, square, grid nor MxNxK");
  return gemm_case(pass, m, n, k, type);
}

inline std::vector<GemmCase> gemm_cases(const Options& options, DataType type) {
  const std::string shapes = options.get_string("shapes");
  if (shapes == "training") return training_cases(options, type);
  if (shapes == "square") return square_cases(options, type);
  if (shapes == "grid") return grid_cases(options, type);
  std::vector<GemmCase> cases;
  for (const std::string& shape : options.get_words("shapes"))
    for (const std::string& pass : options.get_words("passes", {"forward", "dgrad", "wgrad"}))
      cases.push_back(parse_case(pass, shape, type));
  return cases;
}

}  // namespace microbench
