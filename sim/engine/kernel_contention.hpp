// How much slower a kernel runs while communication kernels hold multiprocessors and memory bandwidth of its GPU.
#pragma once

#include "sim/engine/pricing.hpp"

namespace trainyard {

// Of all communication kernels that run on a GPU at one time.
struct KernelsBeside {
  int channels = 0;        // thread blocks, one multiprocessor each
  double memory_rate = 0;  // HBM bytes per second
};

// Duration relative to that alone, >= 1. Matrix work loses the multiprocessors, n / (n - channels); memory-bound work
// the bandwidth, 1 / (1 - share); each for its part of the price. Communication never takes more than half of a GPU.
// Sources: NCCL runs one thread block per channel; DeepSeek-V3's report for 20 of 132 multiprocessors; a ring step
// reads two buffers and writes one.
double slowdown_beside(const WorkPrice& price, const KernelsBeside& beside, int multiprocessors,
                       double memory_bandwidth);

}  // namespace trainyard
