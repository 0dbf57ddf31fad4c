// adam: one step of the Adam optimizer over many tensors, mixed precision: float master parameters and moments, bf16 or
// float gradients, and a bf16 copy of the parameters written for the next forward pass.
//
//   adam_fused    one kernel for all tensors, every value read and written once
//   adam_unfused  for each tensor the chain of kernels of an eager framework
//
// How to read it: bytes is the fused step's traffic in both cases (28 per parameter with bf16 gradients, 30 with
// float), so bytes_per_s of adam_fused should come close to the bandwidth of the memory program.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "adam_chain.cuh"
#include "adam_fused.cuh"
#include "adam_tensor.hpp"
#include "support/buffer.hpp"
#include "support/device.hpp"
#include "support/output.hpp"
#include "support/random.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace microbench {
namespace {

constexpr int64_t kAlignment = 64;  // elements: tensors begin at multiples of 128 bytes in the bf16 buffers too
constexpr uint64_t kSeedMaster = 1;
constexpr uint64_t kSeedM = 2;
constexpr uint64_t kSeedV = 3;
constexpr uint64_t kSeedGradient = 4;
// Keeps the step, divided by the square root of the second moment, from magnifying roundings.
constexpr float kSmallestV = 0.01f;

// Unequal sizes as in a network: the i-th of each four tensors is in proportion to 1, 2, 3, 4, and odd in number.
std::vector<int64_t> tensor_sizes(int64_t parameters, int64_t tensors) {
  std::vector<int64_t> sizes;
  int64_t left = parameters;
  for (int64_t i = 0; i < tensors; ++i) {
    const int64_t even_share = left / (tensors - i);
    const int64_t share = (even_share * (i % 4 + 1) * 2 / 5) | 1;
    sizes.push_back(i + 1 == tensors ? left : std::min(share, left - (tensors - i - 1)));
    left -= sizes.back();
  }
  return sizes;
}

// All tensors of the model, each part in one buffer.
template <class Gradient>
class Model {
 public:
  Model(int64_t parameters, int64_t tensors) {
    int64_t end = 0;
    for (const int64_t size : tensor_sizes(parameters, tensors)) {
      firsts_.push_back(end);
      sizes_.push_back(size);
      end += (size + kAlignment - 1) / kAlignment * kAlignment;
    }
    const auto count = static_cast<size_t>(end);
    master_ = DeviceBuffer<float>(count);
    m_ = DeviceBuffer<float>(count);
    v_ = DeviceBuffer<float>(count);
    gradient_ = DeviceBuffer<Gradient>(count);
    parameter_ = DeviceBuffer<bf16>(count);
    fill_random(gradient_.data(), count, kSeedGradient);
    upload_tables();
  }

  // Contents of step 2 of a made-up training run; the second moment is a random number squared, as it cannot be
  // negative.
  void reset() const;
  void run_fused(const AdamConstants& adam) const {
    fused_adam_kernel<<<static_cast<unsigned>(chunks_.size()), kFusedThreads>>>(tensors_.data(), chunks_.data(), adam);
    CHECK_LAUNCH();
  }
  void run_unfused(const AdamConstants& adam) const {
    const int64_t largest = *std::max_element(sizes_.begin(), sizes_.end());
    if (work_.size() == 0) work_ = DeviceBuffer<float>(2 * static_cast<size_t>(largest));
    for (size_t i = 0; i < sizes_.size(); ++i) run_adam_chain(tensor(i), adam, work_.data(), work_.data() + largest);
  }
  Verification verify(const AdamConstants& adam) const;
  int64_t bytes() const {
    int64_t parameters = 0;
    for (const int64_t size : sizes_) parameters += size;
    constexpr size_t kEach = 3 * 2 * sizeof(float) + sizeof(Gradient) + sizeof(bf16);
    return parameters * static_cast<int64_t>(kEach);
  }

 private:
  AdamTensor<Gradient> tensor(size_t index) const {
    const auto first = static_cast<size_t>(firsts_[index]);
    return {sizes_[index],     master_.data() + first,   m_.data() + first,
            v_.data() + first, gradient_.data() + first, parameter_.data() + first};
  }
  void upload_tables();
  std::vector<int64_t> sampled_positions() const;

  std::vector<int64_t> firsts_, sizes_;
  DeviceBuffer<float> master_, m_, v_;
  DeviceBuffer<Gradient> gradient_;
  DeviceBuffer<bf16> parameter_;
  DeviceBuffer<AdamTensor<Gradient>> tensors_;
  DeviceBuffer<Chunk> chunks_;
  mutable DeviceBuffer<float> work_;  // of the unfused chain only
};

template <class T>
DeviceBuffer<T> uploaded(const std::vector<T>& table) {
  DeviceBuffer<T> buffer(table.size());
  CHECK_CUDA(cudaMemcpy(buffer.data(), table.data(), buffer.bytes(), cudaMemcpyHostToDevice));
  return buffer;
}

template <class Gradient>
void Model<Gradient>::upload_tables() {
  std::vector<AdamTensor<Gradient>> tensors;
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < sizes_.size(); ++i) {
    tensors.push_back(tensor(i));
    for (int64_t first = 0; first < sizes_[i]; first += kChunk) chunks.push_back({static_cast<int>(i), first});
  }
  tensors_ = uploaded(tensors);
  chunks_ = uploaded(chunks);
}

__global__ void fill_second_moment_kernel(float* data, size_t count) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride)
    data[i] = kSmallestV + random_value(kSeedV, i) * random_value(kSeedV, i);
}

template <class Gradient>
void Model<Gradient>::reset() const {
  fill_random(master_.data(), master_.size(), kSeedMaster);
  fill_random(m_.data(), m_.size(), kSeedM);
  fill_second_moment_kernel<<<4096, 256>>>(v_.data(), v_.size());
  CHECK_LAUNCH();
  poison(parameter_.data(), parameter_.bytes());
}

// Ends and middles of tensors, where a wrong tail or a missed chunk would show.
template <class Gradient>
std::vector<int64_t> Model<Gradient>::sampled_positions() const {
  std::vector<int64_t> positions;
  for (size_t i = 0; i < sizes_.size(); ++i)
    for (const int64_t index : sample_indices(sizes_[i], 64, i + 1)) positions.push_back(firsts_[i] + index);
  return positions;
}

struct Reference {
  double master;
  double m;
  double v;
};

template <class Gradient>
Reference reference(int64_t position, const AdamConstants& adam) {
  const auto at = static_cast<uint64_t>(position);
  const double gradient = random_element<Gradient>(kSeedGradient, at);
  const double beta1 = adam.beta1;
  const double beta2 = adam.beta2;
  const double m = beta1 * random_element<float>(kSeedM, at) + (1 - beta1) * gradient;
  const double old_v = static_cast<double>(kSmallestV) + std::pow(random_element<float>(kSeedV, at), 2);
  const double v = beta2 * old_v + (1 - beta2) * gradient * gradient;
  const double denominator = std::sqrt(v / adam.correction2) + adam.epsilon;
  const double kept = random_element<float>(kSeedMaster, at) * (1 - static_cast<double>(adam.rate) * adam.decay);
  return {kept - adam.rate * (m / adam.correction1) / denominator, m, v};
}

// The float state is compared to a few roundings, each relative to values of the order of one (the update's own error
// is smaller by the learning rate); the bf16 copy to its own rounding, in units of that tolerance.
template <class Gradient>
Verification Model<Gradient>::verify(const AdamConstants& adam) const {
  const double few_roundings = 8 * unit_roundoff(DataType::fp32);
  const auto positions = sampled_positions();
  const auto master = read_elements(master_.data(), positions);
  const auto m = read_elements(m_.data(), positions);
  const auto v = read_elements(v_.data(), positions);
  const auto parameter = read_elements(parameter_.data(), positions);
  Comparison comparison(few_roundings);
  for (size_t i = 0; i < positions.size(); ++i) {
    const Reference want = reference<Gradient>(positions[i], adam);
    comparison.add(master[i], want.master, 1);
    comparison.add(m[i], want.m, 1);
    comparison.add(v[i], want.v, 1);
    comparison.require(std::abs(parameter[i] - master[i]) <= unit_roundoff(DataType::bf16) * std::abs(master[i]));
  }
  for (size_t i = 0; i < sizes_.size(); ++i)
    comparison.require(count_not_finite(tensor(i).parameter, static_cast<size_t>(sizes_[i])) == 0);
  return comparison.result();
}

template <class Gradient>
void run_case(const std::string& kernel, const Model<Gradient>& model, int64_t parameters, const Options& options) {
  const AdamConstants adam;
  const auto step = [&] { kernel == "adam_fused" ? model.run_fused(adam) : model.run_unfused(adam); };
  model.reset();
  step();
  const Verification verification = model.verify(adam);
  const Timing timing = measure(nullptr, step, timing_options(options));
  Record record("optimizer");
  record.add("kernel", kernel).add("parameters", parameters).add("bytes", model.bytes());
  record.add("bytes_per_s", static_cast<double>(model.bytes()) / timing.median_s);
  add_timing(record, timing);
  add_verification(record, verification);
  print(record);
}

template <class Gradient>
void run_size(int64_t parameters, int64_t tensors, const Options& options) {
  const Model<Gradient> model(parameters, std::min(tensors, parameters));
  for (const char* kernel : {"adam_fused", "adam_unfused"}) run_case(kernel, model, parameters, options);
}

}  // namespace
}  // namespace microbench

int main(int argc, char** argv) {
  using namespace microbench;
  const Options options(argc, argv,
                        "microbench adam: one optimizer step, fused over all tensors and not\n"
                        "example: adam --parameters 100000000 --tensors 36 --gradient fp32",
                        {{"parameters", "1048576,16777216,268435456", "list of parameter counts"},
                         {"tensors", "64", "among how many tensors"},
                         {"gradient", "bf16", "bf16 or fp32"}});
  std::vector<int64_t> counts = options.get_list("parameters", 1, int64_t{1} << 36);
  if (options.flag("quick") && !options.given("parameters")) counts = {1048576};
  const int64_t tensors = options.get_int("tensors", 1, 100000);
  const bool wide = options.get_string("gradient", {"bf16", "fp32"}) == "fp32";
  print(read_environment(select_device(options), "adam"));
  for (const int64_t count : counts) {
    if (wide) run_size<float>(count, tensors, options);
    if (!wide) run_size<bf16>(count, tensors, options);
  }
  return finish("adam");
}
