// elementwise: the operators of a transformer between its matrix products, in bf16, forward: additions, activations,
// normalisations and softmax.
//
// fused: true   one kernel that reads its inputs and writes its outputs once
// fused: false  the chain of kernels that an eager framework runs for it (add is one kernel in either case)
//
// How to read it: bytes is the fused kernel's traffic in both cases, so bytes_per_s of a fused operator should reach
// that of the memory program, and the ratio of the two times is what fusing gains. Sizes that fit into the L2 cache are
// faster in the chain, whose intermediate results then stay there.
#include <cuda_runtime.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "elementwise_chain.cuh"
#include "elementwise_fused.cuh"
#include "support/buffer.hpp"
#include "support/device.hpp"
#include "support/output.hpp"
#include "support/random.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace microbench {
namespace {

constexpr uint64_t kSeedX = 1;
constexpr uint64_t kSeedResidual = 2;
constexpr uint64_t kSeedWeight = 3;
constexpr uint64_t kSeedBias = 4;

const std::vector<std::string> kOperators = {"add",        "bias_gelu", "swiglu",       "rms_norm",
                                             "layer_norm", "softmax",   "residual_norm"};

class Matrices {
 public:
  explicit Matrices(const MatrixSize& size)
      : x_(2 * size.count()),
        residual_(size.count()),
        weight_(static_cast<size_t>(size.columns)),
        bias_(static_cast<size_t>(size.columns)),
        sum_(size.count()),
        y_(size.count()) {
    fill_random(x_.data(), x_.size(), kSeedX);
    fill_random(residual_.data(), residual_.size(), kSeedResidual);
    fill_random(weight_.data(), weight_.size(), kSeedWeight);
    fill_random(bias_.data(), bias_.size(), kSeedBias);
  }
  OperatorData data() const {
    return {x_.data(), residual_.data(), weight_.data(), bias_.data(), sum_.data(), y_.data()};
  }

 private:
  DeviceBuffer<bf16> x_, residual_, weight_, bias_, sum_, y_;
};

void run_fused(const std::string& op, const OperatorData& data, const MatrixSize& size) {
  const int64_t row_vectors = size.row_vectors();
  const auto blocks = static_cast<unsigned>((size.vectors() + kPointwiseThreads - 1) / kPointwiseThreads);
  if (op == "add") fused_add<<<blocks, kPointwiseThreads>>>(data, size.vectors());
  if (op == "bias_gelu") fused_bias_gelu<<<grid_of_rows(size), kPointwiseThreads>>>(data, row_vectors);
  if (op == "swiglu") fused_swiglu<<<grid_of_rows(size), kPointwiseThreads>>>(data, row_vectors);
  CHECK_LAUNCH();
  if (op == "rms_norm") run_fused_row_operator(RowOperator::rms_norm, data, size);
  if (op == "layer_norm") run_fused_row_operator(RowOperator::layer_norm, data, size);
  if (op == "softmax") run_fused_row_operator(RowOperator::softmax, data, size);
  if (op == "residual_norm") run_fused_row_operator(RowOperator::residual_norm, data, size);
}

void run_chain(const StepChain& chain, const std::string& op, const OperatorData& data) {
  if (op == "bias_gelu") chain.bias_gelu(data);
  if (op == "swiglu") chain.swiglu(data);
  if (op == "rms_norm") chain.rms_norm(data);
  if (op == "layer_norm") chain.layer_norm(data);
  if (op == "softmax") chain.softmax(data);
  if (op == "residual_norm") chain.residual_norm(data);
}

// What the fused kernel reads and writes.
int64_t ideal_bytes(const std::string& op, const MatrixSize& size) {
  const int64_t matrices = op == "residual_norm" ? 4 : op == "add" || op == "swiglu" ? 3 : 2;
  const int64_t columns = op == "layer_norm"                                               ? 2
                          : op == "bias_gelu" || op == "rms_norm" || op == "residual_norm" ? 1
                                                                                           : 0;
  return (matrices * size.rows + columns) * size.columns * static_cast<int64_t>(sizeof(bf16));
}

double stored(uint64_t seed, int64_t index) { return random_element<bf16>(seed, static_cast<uint64_t>(index)); }

std::vector<double> normalised(std::vector<double> row, bool subtract_mean) {
  double mean = 0;
  double square = 0;
  for (const double x : row) mean += x / static_cast<double>(row.size());
  if (!subtract_mean) mean = 0;
  for (const double x : row) square += (x - mean) * (x - mean) / static_cast<double>(row.size());
  for (double& x : row) x = (x - mean) / std::sqrt(square + static_cast<double>(kNormEpsilon));
  return row;
}

std::vector<double> softmax_of(std::vector<double> row) {
  double sum = 0;
  for (double& x : row) sum += x = std::exp(x);
  for (double& x : row) x /= sum;
  return row;
}

// One row of an operator's output in double precision.
std::vector<double> reference_row(const std::string& op, const MatrixSize& size, int64_t row) {
  const int64_t wide = op == "swiglu" ? 2 * size.columns : size.columns;
  std::vector<double> values(static_cast<size_t>(size.columns));
  for (int64_t i = 0; i < size.columns; ++i) {
    double& value = values[static_cast<size_t>(i)];
    const double x = stored(kSeedX, row * wide + i);
    const double sum = x + stored(kSeedResidual, row * size.columns + i);
    const double biased = x + stored(kSeedBias, i);
    value = x;
    if (op == "add") value = sum;
    if (op == "residual_norm") value = static_cast<double>(to_float(from_float<bf16>(static_cast<float>(sum))));
    if (op == "bias_gelu") value = static_cast<double>(gelu(static_cast<float>(biased)));
    if (op == "swiglu") value = x / (1 + std::exp(-x)) * stored(kSeedX, row * wide + size.columns + i);
  }
  if (op == "softmax") return softmax_of(values);
  if (op == "rms_norm" || op == "residual_norm") values = normalised(values, false);
  if (op == "layer_norm") values = normalised(values, true);
  for (int64_t i = 0; i < size.columns; ++i) {
    double& value = values[static_cast<size_t>(i)];
    if (op == "rms_norm" || op == "layer_norm" || op == "residual_norm") value *= stored(kSeedWeight, i);
    if (op == "layer_norm") value += stored(kSeedBias, i);
  }
  return values;
}

// The chain rounds to bf16 at most three times, values of up to about 1.7.
constexpr double kTolerance = 5 * 0x1p-8;

Verification verify(const std::string& op, const MatrixSize& size, const OperatorData& data) {
  constexpr int64_t kRows = 8;
  // Operators but softmax give results of the order of one.
  const double scale = op == "softmax" ? 1.0 / static_cast<double>(size.columns) : 1.0;
  Comparison comparison(kTolerance);
  for (const int64_t row : sample_indices(size.rows, kRows)) {
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < size.columns; ++i) indices.push_back(row * size.columns + i);
    const auto got = read_elements(data.y, indices);
    const auto want = reference_row(op, size, row);
    for (size_t i = 0; i < got.size(); ++i) comparison.add(got[i], want[i], scale);
  }
  comparison.require(count_not_finite(data.y, size.count()) == 0);
  if (op == "residual_norm") comparison.require(count_not_finite(data.sum, size.count()) == 0);
  return comparison.result();
}

void run_case(const std::string& op, bool fused, const MatrixSize& size, const OperatorData& data,
              const std::function<void()>& launch, const Options& options) {
  poison(data.y, size.count() * sizeof(bf16));
  poison(data.sum, size.count() * sizeof(bf16));
  launch();
  const Verification verification = verify(op, size, data);
  const Timing timing = measure(nullptr, launch, timing_options(options));
  const int64_t bytes = ideal_bytes(op, size);
  Record record("elementwise");
  record.add("kernel", op).add("fused", fused).add("direction", "forward").add("dtype", "bf16");
  record.add("rows", size.rows).add("columns", size.columns).add("bytes", bytes);
  record.add("bytes_per_s", static_cast<double>(bytes) / timing.median_s);
  add_timing(record, timing);
  add_verification(record, verification);
  print(record);
}

void run_size(const MatrixSize& size, const std::vector<std::string>& operators, const Options& options) {
  const Matrices matrices(size);
  const StepChain chain(size);
  const OperatorData data = matrices.data();
  for (const std::string& op : operators) {
    run_case(
        op, true, size, data, [&] { run_fused(op, data, size); }, options);
    if (op != "add")
      run_case(
          op, false, size, data, [&] { run_chain(chain, op, data); }, options);
  }
}

}  // namespace
}  // namespace microbench

int main(int argc, char** argv) {
  using namespace microbench;
  const Options options(argc, argv,
                        "microbench elementwise: operators bound by memory, fused and not\n"
                        "example: elementwise --kernels rms_norm,swiglu --rows 8192 --columns 4096",
                        {{"kernels", "add,bias_gelu,swiglu,rms_norm,layer_norm,softmax,residual_norm", "list"},
                         {"rows", "1024,8192,32768", "list of rows (tokens)"},
                         {"columns", "4096,8192", "list of columns, multiples of 8"}});
  const auto operators = options.get_words("kernels", kOperators);
  constexpr int64_t kMostRows = 65535;  // the largest y of a grid
  std::vector<int64_t> rows = options.get_list("rows", 1, kMostRows);
  std::vector<int64_t> columns = options.get_list("columns", kVector, kMostColumns);
  for (const int64_t count : columns)
    if (count % kVector != 0) Options::refuse("columns", std::to_string(count) + " is not a multiple of 8");
  if (options.flag("quick") && !options.given("rows")) rows = {1024};
  if (options.flag("quick") && !options.given("columns")) columns = {4096};
  print(read_environment(select_device(options), "elementwise"));
  for (const int64_t row_count : rows)
    for (const int64_t column_count : columns) run_size({row_count, column_count}, operators, options);
  return finish("elementwise");
}
