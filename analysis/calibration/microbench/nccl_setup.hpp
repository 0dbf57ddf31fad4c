// Before the first collective: which GPUs this process drives, the id that all processes join with, and who they are.
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "nccl_communicator.hpp"
#include "nccl_rendezvous.hpp"
#include "nccl_table.hpp"
#include "support/buffer.hpp"
#include "support/check.hpp"

namespace microbench {

inline std::string host_name() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return std::string(name).substr(0, std::string(name).find('.'));
}

inline DeviceLine describe(const LocalRank& rank) {
  cudaDeviceProp properties{};
  CHECK_CUDA(cudaGetDeviceProperties(&properties, rank.device));
  return {rank.rank,
          getpid(),
          host_name(),
          rank.device,
          properties.pciDomainID,
          properties.pciBusID,
          properties.pciDeviceID,
          properties.name};
}

// What every rank says of its device, in the order of ranks; only rank 0's process needs it.
inline std::vector<std::string> gather_device_lines(Communicators& communicators) {
  constexpr size_t kLine = 512;
  const size_t ranks = static_cast<size_t>(communicators.size());
  std::vector<DeviceBuffer<char>> gathered;
  for (const LocalRank& rank : communicators.local()) {
    CHECK_CUDA(cudaSetDevice(rank.device));
    gathered.emplace_back(ranks * kLine);
    std::string line = device_line(describe(rank));
    line.resize(kLine, '\0');
    CHECK_CUDA(cudaMemcpy(gathered.back().data() + static_cast<size_t>(rank.rank) * kLine, line.data(), kLine,
                          cudaMemcpyHostToDevice));
  }
  communicators.each([&](const LocalRank& rank) {
    char* const whole = gathered[communicators.local_index(rank)].data();
    return ncclAllGather(whole + static_cast<size_t>(rank.rank) * kLine, whole, kLine, ncclInt8, rank.communicator,
                         rank.stream);
  });
  communicators.wait("list of devices");
  std::vector<char> text(ranks * kLine);
  CHECK_CUDA(cudaMemcpy(text.data(), gathered.front().data(), text.size(), cudaMemcpyDeviceToHost));
  std::vector<std::string> lines;
  for (size_t i = 0; i < ranks; ++i) lines.emplace_back(&text[i * kLine]);
  return lines;
}

inline int visible_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  std::fprintf(stderr, "no CUDA device: %s\n", status == cudaSuccess ? "count is 0" : cudaGetErrorString(status));
  std::exit(1);
}

// The GPUs of this process: all it sees where the launcher gave it just as many as it drives; else its part of the
// node's, by its number on the node (ranks counted node by node where nobody says that number).
inline std::vector<int> own_devices(const ProcessPlace& place, int gpus, int visible) {
  int first = 0;
  if (gpus > visible)
    throw RendezvousError(std::to_string(gpus) + " GPUs per process (-g), but " + std::to_string(visible) + " visible");
  if (gpus < visible) first = place.local_rank.value_or(place.rank % (visible / gpus)) * gpus;
  if (first + gpus > visible)
    throw RendezvousError("process " + std::to_string(first / gpus) + " of this node finds no GPU left of " +
                          std::to_string(visible) + " visible: start fewer processes per node");
  std::vector<int> devices;
  for (int i = 0; i < gpus; ++i) devices.push_back(first + i);
  return devices;
}

// The one id that all processes join with.
inline ncclUniqueId agree_on_id(const ProcessPlace& place, std::chrono::seconds wait) {
  ncclUniqueId id{};
  if (place.rank == 0) CHECK_NCCL(ncclGetUniqueId(&id));
  if (place.rendezvous.empty()) return id;
  if (place.rank == 0) {
    publish_id(place, std::string(id.internal, sizeof id.internal));
    return id;
  }
  const std::string bytes = await_id(place, sizeof id.internal, wait);
  std::memcpy(id.internal, bytes.data(), sizeof id.internal);
  return id;
}

// Largest message whose two buffers fit into every GPU's free memory, with a tenth left for NCCL.
inline size_t largest_message(Communicators& communicators, size_t wanted, bool say) {
  double smallest_free = 1e18;
  for (const LocalRank& rank : communicators.local()) {
    size_t free = 0;
    size_t total = 0;
    CHECK_CUDA(cudaSetDevice(rank.device));
    CHECK_CUDA(cudaMemGetInfo(&free, &total));
    smallest_free = std::min(smallest_free, static_cast<double>(free));
  }
  const double limit = communicators.least(smallest_free) * 0.9 / 2;
  if (static_cast<double>(wanted) <= limit) return wanted;
  const size_t largest = static_cast<size_t>(limit) / 16 * 16;
  if (say)
    std::fprintf(stderr, "-e: two buffers of %zu bytes do not fit; up to %zu bytes are measured\n", wanted, largest);
  return largest;
}

}  // namespace microbench
