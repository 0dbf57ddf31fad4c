// The few readings that only the driver's management library gives. It is opened at run time, so no program links it,
// and where it is absent (containers, other vendors' drivers) the readings are simply absent.
#pragma once

#include <dlfcn.h>

#include <optional>
#include <string>

namespace microbench {

struct NvmlReading {
  std::optional<std::string> driver;
  std::optional<int> sm_clock_mhz;      // now
  std::optional<int> memory_clock_mhz;  // now
  std::optional<int> power_limit_w;
};

namespace nvml {

// Types and values of nvml.h, which not every toolkit installs.
using Device = void*;
constexpr int kSuccess = 0;
constexpr int kClockSm = 1;
constexpr int kClockMemory = 2;

template <class Function>
Function* find(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

inline std::optional<std::string> driver_version(void* library) {
  const auto read = find<int(char*, unsigned)>(library, "nvmlSystemGetDriverVersion");
  char text[96] = "";
  if (read == nullptr || read(text, sizeof text) != kSuccess) return std::nullopt;
  return text;
}

inline std::optional<int> clock_mhz(void* library, Device device, int domain) {
  const auto read = find<int(Device, int, unsigned*)>(library, "nvmlDeviceGetClockInfo");
  unsigned megahertz = 0;
  if (read == nullptr || read(device, domain, &megahertz) != kSuccess) return std::nullopt;
  return static_cast<int>(megahertz);
}

inline std::optional<int> power_limit_w(void* library, Device device) {
  const auto read = find<int(Device, unsigned*)>(library, "nvmlDeviceGetEnforcedPowerLimit");
  unsigned milliwatts = 0;
  if (read == nullptr || read(device, &milliwatts) != kSuccess) return std::nullopt;
  return static_cast<int>(milliwatts / 1000);
}

inline NvmlReading read_initialised(void* library, const char* pci_bus_id) {
  NvmlReading reading;
  reading.driver = driver_version(library);
  const auto handle_of = find<int(const char*, Device*)>(library, "nvmlDeviceGetHandleByPciBusId_v2");
  Device device = nullptr;
  if (handle_of == nullptr || handle_of(pci_bus_id, &device) != kSuccess) return reading;
  reading.sm_clock_mhz = clock_mhz(library, device, kClockSm);
  reading.memory_clock_mhz = clock_mhz(library, device, kClockMemory);
  reading.power_limit_w = power_limit_w(library, device);
  return reading;
}

}  // namespace nvml

inline NvmlReading read_nvml(const char* pci_bus_id) {
  void* library = dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return {};
  const auto initialise = nvml::find<int()>(library, "nvmlInit_v2");
  const auto shut_down = nvml::find<int()>(library, "nvmlShutdown");
  NvmlReading reading;
  if (initialise != nullptr && shut_down != nullptr && initialise() == nvml::kSuccess) {
    reading = nvml::read_initialised(library, pci_bus_id);
    shut_down();
  }
  dlclose(library);
  return reading;
}

}  // namespace microbench
