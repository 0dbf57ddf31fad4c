// Which device is measured and in which state: the first line of every program's output.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>

#include "check.hpp"
#include "nvml.hpp"
#include "options.hpp"
#include "output.hpp"

namespace microbench {

struct Environment {
  std::string program;
  std::string device;
  int device_index = 0;
  std::string compute_capability;
  int multiprocessors = 0;
  int64_t memory_bytes = 0;
  int64_t l2_bytes = 0;
  int sm_clock_mhz = 0;      // highest
  int memory_clock_mhz = 0;  // highest
  int memory_bus_bits = 0;
  NvmlReading nvml;  // current clocks, power limit, driver: absent where NVML is
  int cuda_driver = 0;
  int cuda_runtime = 0;
  std::optional<std::string> cublaslt;  // set by the programs that use the library
  std::optional<std::string> nccl;
  std::string date;
};

// The device of --device, made current. Without a device (or without a driver) says "no CUDA device" and exits 1.
inline int select_device(const Options& options) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    std::fprintf(stderr, "no CUDA device: %s\n", status == cudaSuccess ? "count is 0" : cudaGetErrorString(status));
    std::exit(1);
  }
  const int device = static_cast<int>(options.get_int("device", 0, count - 1));
  CHECK_CUDA(cudaSetDevice(device));
  return device;
}

inline int device_attribute(cudaDeviceAttr attribute, int device) {
  int value = 0;
  CHECK_CUDA(cudaDeviceGetAttribute(&value, attribute, device));
  return value;
}

inline std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

inline Environment read_environment(int device, const std::string& program) {
  constexpr int kKilohertzPerMegahertz = 1000;
  cudaDeviceProp properties{};
  CHECK_CUDA(cudaGetDeviceProperties(&properties, device));
  char bus_id[32] = "";
  CHECK_CUDA(cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, device));
  Environment environment;
  environment.program = program;
  environment.device = properties.name;
  environment.device_index = device;
  environment.compute_capability = std::to_string(properties.major) + "." + std::to_string(properties.minor);
  environment.multiprocessors = properties.multiProcessorCount;
  environment.memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  environment.l2_bytes = properties.l2CacheSize;
  environment.memory_bus_bits = properties.memoryBusWidth;
  environment.sm_clock_mhz = device_attribute(cudaDevAttrClockRate, device) / kKilohertzPerMegahertz;
  environment.memory_clock_mhz = device_attribute(cudaDevAttrMemoryClockRate, device) / kKilohertzPerMegahertz;
  environment.nvml = read_nvml(bus_id);
  CHECK_CUDA(cudaDriverGetVersion(&environment.cuda_driver));
  CHECK_CUDA(cudaRuntimeGetVersion(&environment.cuda_runtime));
  environment.date = utc_now();
  return environment;
}

// CUDA counts 13000 for 13.0 and 12080 for 12.8.
inline std::string cuda_version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// cuBLAS counts 130100 for 13.1.0 (from 11 on: major x 10000 + minor x 100 + patch), NCCL 22803 for 2.28.3.
inline std::string library_version_text(int64_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

template <class Value>
void add_if_known(Record& record, const std::string& name, const std::optional<Value>& value) {
  if (value) record.add(name, *value);
}

inline void print(const Environment& environment) {
  Record record("environment");
  record.add("format", 1).add("program", environment.program).add("device", environment.device);
  record.add("device_index", environment.device_index).add("compute_capability", environment.compute_capability);
  record.add("multiprocessors", environment.multiprocessors).add("memory_bytes", environment.memory_bytes);
  record.add("l2_bytes", environment.l2_bytes);
  if (environment.sm_clock_mhz > 0) record.add("sm_clock_mhz", environment.sm_clock_mhz);
  if (environment.memory_clock_mhz > 0) record.add("memory_clock_mhz", environment.memory_clock_mhz);
  if (environment.memory_bus_bits > 0) record.add("memory_bus_bits", environment.memory_bus_bits);
  add_if_known(record, "sm_clock_start_mhz", environment.nvml.sm_clock_mhz);
  add_if_known(record, "memory_clock_start_mhz", environment.nvml.memory_clock_mhz);
  add_if_known(record, "power_limit_w", environment.nvml.power_limit_w);
  add_if_known(record, "driver", environment.nvml.driver);
  record.add("cuda_driver", cuda_version_text(environment.cuda_driver));
  record.add("cuda_runtime", cuda_version_text(environment.cuda_runtime));
  add_if_known(record, "cublaslt", environment.cublaslt);
  add_if_known(record, "nccl", environment.nccl);
  record.add("date", environment.date);
  print_line(record);
}

}  // namespace microbench
