// gemm: how fast the vendor's library multiplies matrices, over the shapes of training.
//
// Every shape is tried with the first algorithms that cuBLASLt's heuristic proposes, and the best is measured: the rate
// that a tuned framework reaches. Operands are random; the result is checked on sampled elements against a sum in
// double precision, with --verify of them, and every element for having been written.
//
// How to read it: flops_per_s = 2 m n k / time_s. It grows with the shape until the device's tensor cores (or, on a
// large shape, its power limit) bind; a shape whose tiles do not fill the last wave of multiprocessors falls off that
// curve. time_s starts from a cold L2 cache. Warm-up is short: for the clocks of a device that has been at its power
// limit for minutes, raise --warm-up.
#include <cublasLt.h>

#include <cstdio>
#include <string>
#include <vector>

#include "cublaslt_product.hpp"
#include "gemm_shapes.hpp"
#include "support/buffer.hpp"
#include "support/device.hpp"
#include "support/output.hpp"
#include "support/random.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace microbench {
namespace {

constexpr uint64_t kSeedA = 1;
constexpr uint64_t kSeedB = 2;
constexpr uint64_t kSeedD = 3;
// Powers of two, so that scaling FP8 operands is exact in the reference.
constexpr float kScaleA = 0.5f;
constexpr float kScaleB = 0.25f;

const char* const kUsage =
    "microbench gemm: matrix products of cuBLASLt\n"
    "example: gemm --shapes training --hidden 4096 --ffn 14336 --gated --heads 32 --kv-heads 8 --tokens 4096,8192";

Options parse(int argc, char** argv) {
  return Options(argc, argv, kUsage,
                 {{"shapes", "training", "training, square, grid or a list MxNxK,…"},
                  {"dtypes", "bf16", "list of bf16, fp16, tf32, fp8_e4m3"},
                  {"passes", "forward,dgrad,wgrad", "list of forward, dgrad, wgrad (not for square)"},
                  {"hidden", "8192", "training: width of the model"},
                  {"ffn", "28672", "training: width of the feed-forward layer"},
                  {"gated", kFlag, "training: gate and up projection are one product"},
                  {"heads", "64", "training: attention heads"},
                  {"kv-heads", "8", "training: key-value heads"},
                  {"head-dim", "128", "training: width of a head"},
                  {"vocabulary", "128256", "training: size of the vocabulary"},
                  {"tp", "1", "training: ranks of tensor parallelism"},
                  {"tokens", "1024,4096,8192", "training: list of tokens of a micro-batch"},
                  {"grid", "128,512,2048,8192", "grid: list of sizes of m, n and k"},
                  {"algorithms", "8", "how many of the library's proposals to try"},
                  {"verify", "64", "elements to check"},
                  {"warm-up", "0.02", "seconds of warm-up before each measurement"}});
}

DataType parse_type(const std::string& name) {
  for (const DataType type : {DataType::bf16, DataType::fp16, DataType::tf32})
    if (name == name_of(type)) return type;
  return DataType::fp8_e4m3;
}

// The operands of one product, on the device.
class Matrices {
 public:
  explicit Matrices(const Product& product)
      : product_(product),
        a_(product.a_count() * static_cast<size_t>(element_bytes(product.input))),
        b_(product.b_count() * static_cast<size_t>(element_bytes(product.input))),
        d_(product.d_count() * static_cast<size_t>(element_bytes(product.output))),
        scales_(2) {
    fill_random(a_.data(), product.a_count(), product.input, kSeedA);
    fill_random(b_.data(), product.b_count(), product.input, kSeedB);
    const float scales[2] = {kScaleA, kScaleB};
    CHECK_CUDA(cudaMemcpy(scales_.data(), scales, sizeof scales, cudaMemcpyHostToDevice));
  }

  static size_t bytes(const Product& product) {
    return (product.a_count() + product.b_count()) * static_cast<size_t>(element_bytes(product.input)) +
           product.d_count() * static_cast<size_t>(element_bytes(product.output));
  }
  Operands operands() const { return {a_.data(), b_.data(), d_.data(), scales_.data(), scales_.data() + 1}; }
  // Known contents where the product adds to them, otherwise contents that are no numbers.
  void reset_result() const {
    if (product_.accumulate) return fill_random(d_.data(), product_.d_count(), product_.output, kSeedD);
    poison(d_.data(), d_.bytes());
  }

 private:
  Product product_;
  DeviceBuffer<char> a_, b_, d_;
  DeviceBuffer<float> scales_;
};

double reference(const Product& product, int64_t row, int64_t column) {
  double sum = 0;
  for (int64_t i = 0; i < product.k; ++i) {
    const int64_t a = product.transpose_a ? row * product.k + i : i * product.m + row;
    const int64_t b = product.transpose_b ? i * product.n + column : column * product.k + i;
    sum += random_element(product.input, kSeedA, static_cast<uint64_t>(a)) *
           random_element(product.input, kSeedB, static_cast<uint64_t>(b));
  }
  if (product.input == DataType::fp8_e4m3) sum *= static_cast<double>(kScaleA) * static_cast<double>(kScaleB);
  if (!product.accumulate) return sum;
  return sum + random_element(product.output, kSeedD, static_cast<uint64_t>(column * product.m + row));
}

Verification verify(const Product& product, const void* result, int64_t samples) {
  const bool fp8 = product.input == DataType::fp8_e4m3;
  const double scale = dot_product_scale(product.k) * (fp8 ? static_cast<double>(kScaleA * kScaleB) : 1.0);
  const auto indices = sample_indices(product.m * product.n, samples);
  const auto values = read_elements(result, product.output, indices);
  Comparison comparison(gemm_tolerance(product.input, product.output, product.k));
  for (size_t i = 0; i < indices.size(); ++i)
    comparison.add(values[i], reference(product, indices[i] % product.m, indices[i] / product.m), scale);
  comparison.require(count_not_finite(result, product.d_count(), product.output) == 0);
  return comparison.result();
}

cublasLtMatmulAlgo_t fastest(const PlannedProduct& planned, const std::vector<cublasLtMatmulAlgo_t>& algorithms) {
  TimingOptions brief;
  brief.min_samples = 3;
  brief.max_samples = 5;
  brief.max_seconds = 0.1;
  brief.warm_up_seconds = 0;
  cublasLtMatmulAlgo_t best = algorithms.front();
  double best_s = HUGE_VAL;
  for (const cublasLtMatmulAlgo_t& algorithm : algorithms) {
    const Timing timing = measure(
        nullptr, [&] { planned.run(algorithm, nullptr); }, brief);
    if (timing.median_s >= best_s) continue;
    best = algorithm;
    best_s = timing.median_s;
  }
  return best;
}

Record describe(const GemmCase& gemm) {
  const Product& product = gemm.product;
  Record record("gemm");
  record.add("dtype", name_of(product.input)).add("pass", gemm.pass).add("layout", layout_name(product));
  record.add("accumulate", product.accumulate).add("m", product.m).add("n", product.n).add("k", product.k);
  return record;
}

void skip(const GemmCase& gemm, const char* why) {
  const Product& product = gemm.product;
  std::fprintf(stderr, "gemm: %s %s %lldx%lldx%lld skipped: %s\n", name_of(product.input), gemm.pass.c_str(),
               static_cast<long long>(product.m), static_cast<long long>(product.n), static_cast<long long>(product.k),
               why);
}

void run_case(const CublasLt& library, const GemmCase& gemm, const Options& options) {
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  CHECK_CUDA(cudaMemGetInfo(&free_bytes, &total_bytes));
  // A tenth stays free for the buffer that empties the L2 cache and for the library.
  if (Matrices::bytes(gemm.product) > free_bytes / 10 * 9) return skip(gemm, "the operands do not fit in memory");
  const Matrices matrices(gemm.product);
  const PlannedProduct planned(library, gemm.product, matrices.operands());
  const auto algorithms = planned.algorithms(static_cast<int>(options.get_int("algorithms", 1, 64)));
  if (algorithms.empty()) return skip(gemm, "cuBLASLt has no kernel for it on this device");
  const cublasLtMatmulAlgo_t best = fastest(planned, algorithms);
  matrices.reset_result();
  planned.run(best, nullptr);
  const Verification verification = verify(gemm.product, matrices.operands().d, options.get_int("verify", 1, 65536));
  TimingOptions timing_limits = timing_options(options);
  timing_limits.warm_up_seconds = options.get_double("warm-up", 0, 600);
  const Timing timing = measure(
      nullptr, [&] { planned.run(best, nullptr); }, timing_limits);
  Record record = describe(gemm);
  record.add("flops_per_s", gemm.product.flops() / timing.median_s);
  record.add("algorithm_count", algorithms.size());
  add_timing(record, timing);
  add_verification(record, verification);
  print(record);
}

}  // namespace
}  // namespace microbench

int main(int argc, char** argv) {
  using namespace microbench;
  const Options options = parse(argc, argv);
  const auto types = options.get_words("dtypes", {"bf16", "fp16", "tf32", "fp8_e4m3"});
  std::vector<GemmCase> cases;
  for (const std::string& type : types)
    for (const GemmCase& gemm : gemm_cases(options, parse_type(type))) cases.push_back(gemm);
  Environment environment = read_environment(select_device(options), "gemm");
  environment.cublaslt = library_version_text(static_cast<int64_t>(cublasLtGetVersion()));
  print(environment);
  const CublasLt library;
  for (const GemmCase& gemm : cases) run_case(library, gemm, options);
  return finish("gemm");
}
