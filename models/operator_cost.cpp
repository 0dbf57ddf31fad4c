#include "models/operator_cost.hpp"

#include "models/attention_cost.hpp"
#include "models/gemm_cost.hpp"

namespace trainyard {
namespace {

double training_derate(DataType type, const DeviceProfile& device) {
  if (type == DataType::fp8 && device.peak_fp8.value > 0) return device.fp8.training_derate;
  if (type == DataType::nvfp4 && device.peak_fp4.value > 0) return device.fp4.training_derate;
  return device.training_derate;
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
    return benchmark / training_derate(gemm->type, device) * (gemm->weight_gradient ? device.wgrad_slowdown : 1.0);
  }
  if (const auto* attention = std::get_if<Attention>(&op.work)) return attention_time(*attention, kernel, device);
  return memory_bound_time(std::get<MemoryBound>(op.work), device);
}

}  // namespace trainyard
