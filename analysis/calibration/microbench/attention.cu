// attention: softmax(Q K^T / sqrt(d)) V forward, in bf16, full and causal, with keys shared between heads.
//
//   naive      three kernels (the vendor library's matrix products and a softmax) with all scores in memory
//   blockwise  one kernel that keeps the scores on chip, on the tensor cores (attention_blockwise.cuh)
//
// How to read it: flops_per_s counts 4 b s^2 a d operations (half of it when causal, also where a kernel computes all),
// so that times compare directly. What the naive form loses grows with s, since it moves s^2 scores three times through
// memory. The blockwise kernel is a plain one, without the asynchronous matrix units of newer devices: for the best
// rates that a library reaches see attention_sdpa.py.
#include <cublasLt.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "attention_blockwise.cuh"
#include "attention_naive.cuh"
#include "cublaslt_product.hpp"
#include "support/buffer.hpp"
#include "support/device.hpp"
#include "support/output.hpp"
#include "support/random.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace microbench {
namespace {

constexpr uint64_t kSeedQ = 1;
constexpr uint64_t kSeedK = 2;
constexpr uint64_t kSeedV = 3;
// Spreads the scores, so that softmax weights differ by an order of magnitude and a wrong maximum shows.
constexpr float kQueryRange = 4;

const char* const kUsage =
    "microbench attention: attention forward, with the scores in memory and without\n"
    "example: attention --lengths 2048,8192 --heads 32 --kv-heads 8 --head-dims 128 --causal-only";

struct Tensors {
  explicit Tensors(const AttentionShape& shape)
      : q(static_cast<size_t>(shape.query_count())),
        k(static_cast<size_t>(shape.key_count())),
        v(static_cast<size_t>(shape.key_count())),
        o(static_cast<size_t>(shape.query_count())) {
    fill_random(q.data(), q.size(), kSeedQ, kQueryRange);
    fill_random(k.data(), k.size(), kSeedK);
    fill_random(v.data(), v.size(), kSeedV);
  }
  AttentionData data() const { return {q.data(), k.data(), v.data(), o.data()}; }

  DeviceBuffer<bf16> q, k, v, o;
};

float softmax_scale(const AttentionShape& shape) { return 1.0f / std::sqrt(static_cast<float>(shape.head_dim)); }

template <int kHeadDim, bool kCausal>
void launch_blockwise(const AttentionShape& shape, const AttentionData& data) {
  using namespace blockwise;
  constexpr float kLog2E = 1.44269504f;  // the kernel's exponentials are powers of two
  constexpr int kSharedBytes = 4 * Tile<kHeadDim>::kCount * static_cast<int>(sizeof(bf16));
  const auto kernel = attention_kernel<kHeadDim, kCausal>;
  CHECK_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes));
  const dim3 grid(static_cast<unsigned>((shape.length + kQueries - 1) / kQueries),
                  static_cast<unsigned>(shape.batch * shape.heads));
  kernel<<<grid, kThreads, kSharedBytes>>>(data, shape, kLog2E * softmax_scale(shape));
  CHECK_LAUNCH();
}

void run_blockwise(const AttentionShape& shape, const AttentionData& data) {
  if (shape.head_dim == 64)
    return shape.causal ? launch_blockwise<64, true>(shape, data) : launch_blockwise<64, false>(shape, data);
  return shape.causal ? launch_blockwise<128, true>(shape, data) : launch_blockwise<128, false>(shape, data);
}

double dot(const AttentionShape& shape, int64_t query_row, int64_t key_row) {
  double sum = 0;
  for (int64_t i = 0; i < shape.head_dim; ++i)
    sum += random_element<bf16>(kSeedQ, static_cast<uint64_t>(query_row * shape.head_dim + i), kQueryRange) *
           random_element<bf16>(kSeedK, static_cast<uint64_t>(key_row * shape.head_dim + i));
  return sum;
}

struct ReferenceRow {
  std::vector<double> output;
  double scale;  // root mean square that independent values in [-1, 1) have under these weights
};

// `row` counts queries over batch and heads.
ReferenceRow reference_row(const AttentionShape& shape, int64_t row) {
  const int64_t query = row % shape.length;
  const int64_t first_key = row / shape.length / (shape.heads / shape.kv_heads) * shape.length;
  const int64_t seen = shape.causal ? query + 1 : shape.length;
  std::vector<double> weights;
  for (int64_t key = 0; key < seen; ++key)
    weights.push_back(dot(shape, row, first_key + key) / std::sqrt(static_cast<double>(shape.head_dim)));
  const double largest = *std::max_element(weights.begin(), weights.end());
  double sum = 0;
  for (double& weight : weights) sum += weight = std::exp(weight - largest);
  ReferenceRow reference{std::vector<double>(static_cast<size_t>(shape.head_dim)), 0};
  double squares = 0;
  for (int64_t key = 0; key < seen; ++key) {
    const double weight = weights[static_cast<size_t>(key)] / sum;
    squares += weight * weight;
    for (int64_t i = 0; i < shape.head_dim; ++i)
      reference.output[static_cast<size_t>(i)] +=
          weight * random_element<bf16>(kSeedV, static_cast<uint64_t>((first_key + key) * shape.head_dim + i));
  }
  reference.scale = std::sqrt(squares / 3);
  return reference;
}

// Weights and output are rounded to bf16, each by at most half a unit in the last place, 2^-8. The naive form also
// rounds the scores, whose error the exponential multiplies by the score itself, here up to about six.
constexpr double kTolerance = 4 * 0x1p-8;
constexpr double kNaiveTolerance = 12 * 0x1p-8;

Verification verify(const AttentionShape& shape, const bf16* output, double tolerance, int64_t rows) {
  Comparison comparison(tolerance);
  for (const int64_t row : sample_indices(shape.batch * shape.heads * shape.length, rows)) {
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < shape.head_dim; ++i) indices.push_back(row * shape.head_dim + i);
    const auto got = read_elements(output, indices);
    const ReferenceRow want = reference_row(shape, row);
    for (size_t i = 0; i < got.size(); ++i) comparison.add(got[i], want.output[i], want.scale);
  }
  comparison.require(count_not_finite(output, static_cast<size_t>(shape.query_count())) == 0);
  return comparison.result();
}

double attention_flops(const AttentionShape& shape) {
  const double scores =
      static_cast<double>(shape.batch * shape.heads * shape.length) * static_cast<double>(shape.length);
  return 4 * scores * static_cast<double>(shape.head_dim) * (shape.causal ? 0.5 : 1.0);
}

void run_kernel(const std::string& kernel, const AttentionShape& shape, const Tensors& tensors,
                const std::function<void()>& launch, const Options& options) {
  poison(tensors.o.data(), tensors.o.bytes());
  launch();
  const double tolerance = kernel == "naive" ? kNaiveTolerance : kTolerance;
  const Verification verification = verify(shape, tensors.o.data(), tolerance, options.get_int("verify", 1, 65536));
  const Timing timing = measure(nullptr, launch, timing_options(options));
  Record record("attention");
  record.add("kernel", kernel).add("pass", "forward").add("dtype", "bf16").add("causal", shape.causal);
  record.add("batch", shape.batch).add("heads", shape.heads).add("kv_heads", shape.kv_heads);
  record.add("length", shape.length).add("head_dim", shape.head_dim);
  record.add("flops_per_s", attention_flops(shape) / timing.median_s);
  add_timing(record, timing);
  add_verification(record, verification);
  print(record);
}

void run_naive(const CublasLt& library, const AttentionShape& shape, const Tensors& tensors, const Options& options) {
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  CHECK_CUDA(cudaMemGetInfo(&free_bytes, &total_bytes));
  const size_t needed = NaiveAttention::scores_count(shape) * sizeof(bf16);
  const char* why = needed > free_bytes / 10 * 9 ? "the scores do not fit in memory" : nullptr;
  if (why == nullptr) {
    const NaiveAttention attention(library, shape, tensors.data());
    const auto launch = [&] { attention.run(softmax_scale(shape)); };
    if (attention.supported()) return run_kernel("naive", shape, tensors, launch, options);
    why = "cuBLASLt has no kernel for its products on this device";
  }
  std::fprintf(stderr, "attention: naive at length %lld skipped: %s\n", static_cast<long long>(shape.length), why);
}

void run_shape(const CublasLt& library, const AttentionShape& shape, const Options& options) {
  const Tensors tensors(shape);
  const auto kernels = options.get_words("kernels", {"naive", "blockwise"});
  if (std::count(kernels.begin(), kernels.end(), "naive") > 0) run_naive(library, shape, tensors, options);
  const auto blockwise = [&] { run_blockwise(shape, tensors.data()); };
  if (std::count(kernels.begin(), kernels.end(), "blockwise") > 0)
    run_kernel("blockwise", shape, tensors, blockwise, options);
}

std::vector<AttentionShape> shapes_of(const Options& options) {
  constexpr int64_t kMostHeads = 65535;  // the largest y of a grid, batch included
  std::vector<int64_t> lengths = options.get_list("lengths", 8, 1 << 20);
  if (options.flag("quick") && !options.given("lengths")) lengths = {200, 2048};
  const int64_t tokens = options.get_int("tokens", 1, int64_t{1} << 24);
  const int64_t heads = options.get_int("heads", 1, kMostHeads);
  const int64_t kv_heads = options.get_int("kv-heads", 1, heads);
  if (heads % kv_heads != 0) Options::refuse("kv-heads", "does not divide --heads");
  std::vector<AttentionShape> shapes;
  for (const std::string& head_dim : options.get_words("head-dims", {"64", "128"}))
    for (const int64_t length : lengths)
      for (const bool causal : {false, true}) {
        if (length % naive::kVector != 0)
          Options::refuse("lengths", std::to_string(length) + " is not a multiple of 8");
        if (!causal && options.flag("causal-only")) continue;
        const int64_t batch = std::clamp(tokens / length, int64_t{1}, kMostHeads / heads);
        shapes.push_back({batch, heads, kv_heads, length, std::stoll(head_dim), causal});
      }
  return shapes;
}

}  // namespace
}  // namespace microbench

int main(int argc, char** argv) {
  using namespace microbench;
  const Options options(argc, argv, kUsage,
                        {{"kernels", "naive,blockwise", "list of naive, blockwise"},
                         {"lengths", "200,512,1024,2048,4096,8192,16384", "list of sequence lengths, multiples of 8"},
                         {"tokens", "16384", "tokens of a batch: as many sequences as fit, at least one"},
                         {"heads", "32", "query heads"},
                         {"kv-heads", "8", "key-value heads, a divisor of --heads"},
                         {"head-dims", "64,128", "list of 64, 128"},
                         {"causal-only", kFlag, "leave out full attention"},
                         {"verify", "16", "rows of the output to check"}});
  const auto shapes = shapes_of(options);
  Environment environment = read_environment(select_device(options), "attention");
  environment.cublaslt = library_version_text(static_cast<int64_t>(cublasLtGetVersion()));
  print(environment);
  const CublasLt library;
  for (const AttentionShape& shape : shapes) run_shape(library, shape, options);
  return finish("attention");
}
