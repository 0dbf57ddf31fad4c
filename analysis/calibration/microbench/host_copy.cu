// host_copy: bandwidth between the host's memory and the GPU's, from 4 KiB to 1 GiB: from page-locked ("pinned")
// memory, which the copy engine reads by itself, and from pageable memory, which the driver copies through a
// page-locked buffer first; and both directions at once, from page-locked memory.
//
// How to read it: large pinned copies show what PCIe (or NVLink-C2C) gives: about 25 GB/s for PCIe 4.0 x16 and 50 GB/s
// for 5.0. The time of the smallest is the latency of a copy. "bidirectional" counts the bytes of both directions.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "copy_check.hpp"
#include "support/buffer.hpp"
#include "support/check.hpp"
#include "support/device.hpp"
#include "support/options.hpp"
#include "support/output.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace {

using namespace microbench;

constexpr const char* kProgram = "host_copy";

// The two streams of simultaneous copies; the second forks from the first and joins it again, so that the first's
// events time both.
struct Streams {
  Streams() {
    for (cudaStream_t* stream : {&first, &second}) CHECK_CUDA(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking));
    for (cudaEvent_t* event : {&fork, &join}) CHECK_CUDA(cudaEventCreateWithFlags(event, cudaEventDisableTiming));
  }
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;
  ~Streams() {
    cudaEventDestroy(fork);
    cudaEventDestroy(join);
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
  }
  cudaStream_t first = nullptr;
  cudaStream_t second = nullptr;
  cudaEvent_t fork = nullptr;
  cudaEvent_t join = nullptr;
};

struct Side {
  uint32_t* host;
  uint32_t* device;
};

void copy_to_device(const Side& side, size_t bytes, cudaStream_t stream) {
  CHECK_CUDA(cudaMemcpyAsync(side.device, side.host, bytes, cudaMemcpyHostToDevice, stream));
}

void copy_to_host(const Side& side, size_t bytes, cudaStream_t stream) {
  CHECK_CUDA(cudaMemcpyAsync(side.host, side.device, bytes, cudaMemcpyDeviceToHost, stream));
}

// `bytes` moved in total.
void print_copy(const char* direction, bool pinned, size_t bytes, const Timing& timing, const Verification& correct) {
  Record record("copy");
  record.add("direction", direction).add("pinned", pinned).add("bytes", bytes);
  add_timing(record, timing);
  record.add("bytes_per_s", static_cast<double>(bytes) / timing.median_s);
  add_verification(record, correct);
  print(record);
}

// A pageable copy makes the host wait for its stream, so nothing may hold that stream.
TimingOptions copy_timing(const Options& options, bool pinned) {
  TimingOptions timing = timing_options(options);
  timing.max_seconds = options.flag("quick") ? 0.1 : 0.5;  // there are many sizes
  timing.flush_l2 = false;  // the copy engines read and write memory in large blocks, once
  timing.block = pinned;
  return timing;
}

void measure_to_device(const Side& side, bool pinned, size_t bytes, const Streams& streams,
                       const TimingOptions& timing) {
  const size_t words = bytes / sizeof(uint32_t);
  fill_pattern_on_host(side.host, words);
  CHECK_CUDA(cudaMemset(side.device, kNotCopied, bytes));
  CHECK_CUDA(cudaDeviceSynchronize());
  const Timing time = measure(
      streams.first, [&] { copy_to_device(side, bytes, streams.first); }, timing);
  print_copy("host_to_device", pinned, bytes, time, verify_pattern(side.device, words));
}

void measure_to_host(const Side& side, bool pinned, size_t bytes, const Streams& streams, const TimingOptions& timing) {
  const size_t words = bytes / sizeof(uint32_t);
  fill_pattern(side.device, words);
  std::memset(side.host, kNotCopied, bytes);
  const Timing time = measure(
      streams.first, [&] { copy_to_host(side, bytes, streams.first); }, timing);
  CHECK_CUDA(cudaDeviceSynchronize());
  print_copy("device_to_host", pinned, bytes, time, verify_pattern_on_host(side.host, words));
}

void measure_both(const Side& in, const Side& out, size_t bytes, const Streams& streams, const TimingOptions& timing) {
  const size_t words = bytes / sizeof(uint32_t);
  fill_pattern_on_host(in.host, words);
  CHECK_CUDA(cudaMemset(in.device, kNotCopied, bytes));
  fill_pattern(out.device, words);
  std::memset(out.host, kNotCopied, bytes);
  const auto launch = [&] {
    CHECK_CUDA(cudaEventRecord(streams.fork, streams.first));
    CHECK_CUDA(cudaStreamWaitEvent(streams.second, streams.fork, 0));
    copy_to_device(in, bytes, streams.first);
    copy_to_host(out, bytes, streams.second);
    CHECK_CUDA(cudaEventRecord(streams.join, streams.second));
    CHECK_CUDA(cudaStreamWaitEvent(streams.first, streams.join, 0));
  };
  const Timing time = measure(streams.first, launch, timing);
  CHECK_CUDA(cudaDeviceSynchronize());
  const Verification arrived = verify_pattern(in.device, words);
  const Verification returned = verify_pattern_on_host(out.host, words);
  print_copy("bidirectional", true, 2 * bytes, time, worse_of(arrived, returned));
}

std::vector<size_t> sizes(const Options& options) {
  constexpr size_t kFactor = 4;
  const int64_t limit = int64_t{1} << 36;
  const size_t smallest = static_cast<size_t>(options.get_bytes("min-bytes", 4, limit)) / 4 * 4;
  size_t largest = static_cast<size_t>(options.get_bytes("max-bytes", 4, limit)) / 4 * 4;
  if (options.flag("quick") && !options.given("max-bytes")) largest = std::max(smallest, size_t{64} << 20);
  if (largest < smallest) Options::refuse("max-bytes", "is less than --min-bytes");
  std::vector<size_t> list;
  for (size_t bytes = smallest; bytes <= largest; bytes *= kFactor) list.push_back(bytes);
  return list;
}

int run(const Options& options) {
  const std::vector<size_t> all_sizes = sizes(options);
  const int device = select_device(options);
  print(read_environment(device, kProgram));
  const size_t words = all_sizes.back() / sizeof(uint32_t);
  const PinnedBuffer<uint32_t> pinned_in(words);
  const PinnedBuffer<uint32_t> pinned_out(words);
  const DeviceBuffer<uint32_t> device_in(words);
  const DeviceBuffer<uint32_t> device_out(words);
  std::vector<uint32_t> pageable(words);
  const Streams streams;
  for (const bool pinned : {true, false}) {
    const TimingOptions timing = copy_timing(options, pinned);
    for (const size_t bytes : all_sizes) {
      const Side side{pinned ? pinned_in.data() : pageable.data(), device_in.data()};
      measure_to_device(side, pinned, bytes, streams, timing);
      measure_to_host(side, pinned, bytes, streams, timing);
    }
  }
  for (const size_t bytes : all_sizes)
    measure_both({pinned_in.data(), device_in.data()}, {pinned_out.data(), device_out.data()}, bytes, streams,
                 copy_timing(options, true));
  return finish(kProgram);
}

}  // namespace

int main(int argc, char** argv) {
  return run(
      Options(argc, argv,
              "Times copies between host and device, page-locked and pageable, each direction and both at once.\n\n"
              "example: host_copy --max-bytes 256M",
              {{"min-bytes", "4K", "smallest copy (K, M, G)"}, {"max-bytes", "1G", "largest copy (--quick: 64M)"}}));
}
