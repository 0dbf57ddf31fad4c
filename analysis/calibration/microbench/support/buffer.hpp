// Memory of the device and page-locked memory of the host, freed when the owner goes out of scope.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "check.hpp"

namespace microbench {

inline void require_allocated(cudaError_t status, const char* kind, size_t count, size_t element_bytes) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "cannot allocate %zu x %zu bytes of %s memory: %s\n", count, element_bytes, kind,
               cudaGetErrorString(status));
  std::exit(1);
}

struct DeviceMemory {
  static constexpr const char* kKind = "device";
  static cudaError_t allocate(void** memory, size_t bytes) { return cudaMalloc(memory, bytes); }
  static void release(void* memory) { cudaFree(memory); }
};

struct PinnedMemory {
  static constexpr const char* kKind = "page-locked host";
  static cudaError_t allocate(void** memory, size_t bytes) { return cudaMallocHost(memory, bytes); }
  static void release(void* memory) { cudaFreeHost(memory); }
};

template <class T, class Memory>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t count) : count_(count) {
    if (count == 0) return;
    const bool fits = count <= static_cast<size_t>(-1) / sizeof(T);
    void* memory = nullptr;
    require_allocated(fits ? Memory::allocate(&memory, count * sizeof(T)) : cudaErrorMemoryAllocation, Memory::kKind,
                      count, sizeof(T));
    data_ = static_cast<T*>(memory);
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) Memory::release(data_);
  }

  T* data() const { return data_; }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }
  // Contents of a PinnedBuffer, or an address in a DeviceBuffer.
  T& operator[](size_t index) const { return data_[index]; }

 private:
  T* data_ = nullptr;
  size_t count_ = 0;
};

template <class T>
using DeviceBuffer = Buffer<T, DeviceMemory>;
template <class T>
using PinnedBuffer = Buffer<T, PinnedMemory>;

}  // namespace microbench
