// peer: copies between every pair of visible GPUs: bandwidth in one direction and in both at once, and the time of a
// copy too small for bandwidth to matter; each with peer access (the copy goes over NVLink or the PCIe switch) and
// without it (it goes through the host's memory).
//
// How to read it: "unidirectional" is what one GPU sends another, "bidirectional" the bytes of both directions
// together. Equal figures for all pairs mean a switch; a pattern of fast and slow pairs shows the links. Where peer
// access is not possible (no NVLink, PCIe without P2P) the rows with it are missing.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <utility>
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

constexpr const char* kProgram = "peer";
constexpr size_t kLatencyBytes = 16;

// One GPU's end of the copies: it sends from `outgoing` on its own stream.
struct End {
  End(int device_index, size_t words) : device(device_index) {
    CHECK_CUDA(cudaSetDevice(device));
    CHECK_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CHECK_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    outgoing = DeviceBuffer<uint32_t>(words);
    incoming = DeviceBuffer<uint32_t>(words);
    fill_pattern(outgoing.data(), words);
    CHECK_CUDA(cudaDeviceSynchronize());
  }
  End(const End&) = delete;
  End& operator=(const End&) = delete;
  ~End() {
    cudaSetDevice(device);
    cudaEventDestroy(event);
    cudaStreamDestroy(stream);
  }

  int device;
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  DeviceBuffer<uint32_t> outgoing;
  DeviceBuffer<uint32_t> incoming;
};

void enqueue_copy(const End& from, const End& to, size_t bytes) {
  CHECK_CUDA(cudaMemcpyPeerAsync(to.incoming.data(), to.device, from.outgoing.data(), from.device, bytes, from.stream));
}

// Both directions between two events of `a`'s stream.
void enqueue_both(const End& a, const End& b, size_t bytes) {
  CHECK_CUDA(cudaEventRecord(a.event, a.stream));
  CHECK_CUDA(cudaStreamWaitEvent(b.stream, a.event, 0));
  enqueue_copy(a, b, bytes);
  enqueue_copy(b, a, bytes);
  CHECK_CUDA(cudaEventRecord(b.event, b.stream));
  CHECK_CUDA(cudaStreamWaitEvent(a.stream, b.event, 0));
}

void clear_incoming(const End& end, size_t bytes) {
  CHECK_CUDA(cudaSetDevice(end.device));
  CHECK_CUDA(cudaMemset(end.incoming.data(), kNotCopied, bytes));
  CHECK_CUDA(cudaDeviceSynchronize());
}

Verification verify_arrival(const End& to, size_t bytes) {
  CHECK_CUDA(cudaSetDevice(to.device));
  return verify_pattern(to.incoming.data(), bytes / sizeof(uint32_t));
}

// A copy through the host's memory may make the host wait, so nothing may hold its stream.
TimingOptions peer_timing(const Options& options, bool peer_access) {
  TimingOptions timing = timing_options(options);
  timing.max_seconds = options.flag("quick") ? 0.05 : 0.2;  // there are many pairs
  timing.flush_l2 = false;
  timing.block = peer_access;
  return timing;
}

struct Pair {
  const End& from;
  const End& to;
  bool peer_access;
};

void print_peer(const Pair& pair, const char* direction, bool latency, size_t bytes, const Timing& timing,
                const Verification& correct) {
  Record record("peer");
  if (latency) record.add("kernel", "latency");
  record.add("from", pair.from.device).add("to", pair.to.device).add("peer_access", pair.peer_access);
  record.add("direction", direction).add("bytes", bytes);
  add_timing(record, timing);
  record.add("bytes_per_s", static_cast<double>(bytes) / timing.median_s);
  add_verification(record, correct);
  print(record);
}

void measure_latency(const Pair& pair, const TimingOptions& timing) {
  constexpr int kCopies = 100;
  clear_incoming(pair.to, kLatencyBytes);
  CHECK_CUDA(cudaSetDevice(pair.from.device));
  const auto launch = [&] { enqueue_copy(pair.from, pair.to, kLatencyBytes); };
  const Timing time = measure_batch(pair.from.stream, kCopies, launch, timing);
  print_peer(pair, "unidirectional", true, kLatencyBytes, time, verify_arrival(pair.to, kLatencyBytes));
}

void measure_one_direction(const Pair& pair, size_t bytes, const TimingOptions& timing) {
  clear_incoming(pair.to, bytes);
  CHECK_CUDA(cudaSetDevice(pair.from.device));
  const auto launch = [&] { enqueue_copy(pair.from, pair.to, bytes); };
  const Timing time = measure(pair.from.stream, launch, timing);
  print_peer(pair, "unidirectional", false, bytes, time, verify_arrival(pair.to, bytes));
}

void measure_both_directions(const Pair& pair, size_t bytes, const TimingOptions& timing) {
  clear_incoming(pair.from, bytes);
  clear_incoming(pair.to, bytes);
  CHECK_CUDA(cudaSetDevice(pair.from.device));
  const auto launch = [&] { enqueue_both(pair.from, pair.to, bytes); };
  const Timing time = measure(pair.from.stream, launch, timing);
  print_peer(pair, "bidirectional", false, 2 * bytes, time,
             worse_of(verify_arrival(pair.to, bytes), verify_arrival(pair.from, bytes)));
}

void measure_pair(const End& a, const End& b, bool peer_access, size_t bytes, const Options& options) {
  const TimingOptions timing = peer_timing(options, peer_access);
  for (const Pair& pair : {Pair{a, b, peer_access}, Pair{b, a, peer_access}}) {
    measure_one_direction(pair, bytes, timing);
    measure_latency(pair, timing);
  }
  measure_both_directions({a, b, peer_access}, bytes, timing);
}

bool can_access(int from, int to) {
  int possible = 0;
  CHECK_CUDA(cudaDeviceCanAccessPeer(&possible, from, to));
  return possible != 0;
}

// Direct access of both to each other's memory, as long as the object lives.
class PeerAccess {
 public:
  PeerAccess(int a, int b) : a_(a), b_(b) {
    CHECK_CUDA(cudaSetDevice(a));
    CHECK_CUDA(cudaDeviceEnablePeerAccess(b, 0));
    CHECK_CUDA(cudaSetDevice(b));
    CHECK_CUDA(cudaDeviceEnablePeerAccess(a, 0));
  }
  PeerAccess(const PeerAccess&) = delete;
  PeerAccess& operator=(const PeerAccess&) = delete;
  ~PeerAccess() {
    cudaSetDevice(a_);
    cudaDeviceDisablePeerAccess(b_);
    cudaSetDevice(b_);
    cudaDeviceDisablePeerAccess(a_);
  }

 private:
  int a_;
  int b_;
};

int run(const Options& options) {
  const int64_t limit = int64_t{1} << 34;
  size_t bytes = static_cast<size_t>(options.get_bytes("bytes", 64, limit)) / 64 * 64;
  if (options.flag("quick") && !options.given("bytes")) bytes = size_t{32} << 20;
  const int device = select_device(options);
  print(read_environment(device, kProgram));
  int devices = 0;
  CHECK_CUDA(cudaGetDeviceCount(&devices));
  if (devices < 2) std::fprintf(stderr, "peer: one GPU is visible, so there is no pair to measure\n");
  for (int a = 0; a < devices; ++a) {
    for (int b = a + 1; b < devices; ++b) {
      const End first(a, bytes / sizeof(uint32_t));
      const End second(b, bytes / sizeof(uint32_t));
      measure_pair(first, second, false, bytes, options);
      if (!can_access(a, b) || !can_access(b, a)) continue;
      const PeerAccess access(a, b);
      measure_pair(first, second, true, bytes, options);
    }
  }
  return finish(kProgram);
}

}  // namespace

int main(int argc, char** argv) {
  return run(Options(argc, argv,
                     "Times copies between all pairs of visible GPUs, with and without peer access.\n\n"
                     "example: peer --bytes 256M",
                     {{"bytes", "256M", "bytes of a copy in the bandwidth rows (--quick: 32M)"}}));
}
