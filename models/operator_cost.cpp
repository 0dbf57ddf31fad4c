#include "models/operator_cost.hpp"

#include <algorithm>

#include "models/attention_cost.hpp"
#include "models/gemm_cost.hpp"

namespace trainyard {
namespace {

struct Training {
  double derate;          // of a GEMM that keeps the tensor cores busy
  double benchmark_rate;  // FLOP/s of such a GEMM in a benchmark loop
};
Training training_of(DataType type, const DeviceProfile& device) {
  if (type == DataType::fp8 && device.peak_fp8.value > 0)
    return {device.fp8.training_derate, device.fp8.sustained * device.peak_fp8.value};
  if (type == DataType::nvfp4 && device.peak_fp4.value > 0)
    return {device.fp4.training_derate, device.fp4.sustained * device.peak_fp4.value};
  return {device.training_derate, device.gemm.sustained * device.peak_half.value};
}

// The clock that a training step's power leaves falls with what the tensor cores draw: a GEMM that launches, waves or
// memory hold back keeps its benchmark speed.
double clock_factor(const Gemm& gemm, Seconds benchmark, const DeviceProfile& device) {
  const Training training = training_of(gemm.type, device);
  const double work = 2.0 * static_cast<double>(gemm.m) * static_cast<double>(gemm.n) * static_cast<double>(gemm.k) *
                      static_cast<double>(gemm.groups);
  const double busy = std::min(1.0, work / (benchmark.value * training.benchmark_rate));
  return 1.0 - (1.0 - training.derate) * busy * busy;
}

}  // namespace

Seconds memory_bound_time(const MemoryBound& work, const DeviceProfile& device) {
  double efficiency = device.fused_efficiency;
  if (work.kind == MemoryKind::layout) efficiency = device.layout_efficiency;
  if (work.kind == MemoryKind::embedding) efficiency = device.embedding_efficiency;
  if (work.kind == MemoryKind::permute) efficiency = device.permute_efficiency;
  const Bytes bytes = device.fp8_transposes ? work.bytes + work.transposes : work.bytes;
  return work.launches * device.kernel_launch + bytes / (efficiency * device.memory_bandwidth);
}

Seconds operator_time(const Operator& op, const DeviceProfile& device, AttentionKernel kernel) {
  if (const auto* gemm = std::get_if<Gemm>(&op.work)) {
    const Seconds benchmark = benchmark_gemm_time(*gemm, device);
    if (gemm->batch > 1) return benchmark;
    return benchmark / clock_factor(*gemm, benchmark, device) * (gemm->weight_gradient ? device.wgrad_slowdown : 1.0);
  }
  if (const auto* attention = std::get_if<Attention>(&op.work)) return attention_time(*attention, kernel, device);
  return memory_bound_time(std::get<MemoryBound>(op.work), device);
}

}  // namespace trainyard
