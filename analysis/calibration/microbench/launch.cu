// launch: what it costs to start work on the device.
//
//   empty                 time on the device from one empty kernel to the next, all enqueued beforehand
//   empty_with_arguments  the same with 1 KiB of arguments
//   event_record          time on the device of an event record between kernels
//   graph_node            time on the device of one node in a chain of empty kernels replayed as a graph
//   host_issue            time the host spends in one kernel launch, while the device keeps up
//   graph_launch          time from one launch of a one-node graph to the next, host and device together
//
// How to read it: a chain of kernels, each shorter than host_issue plus the framework's own time per operator, is bound
// by the host; within a graph it is bound by graph_node. All times are per launch. Nothing is computed here; "verified"
// says that a counter incremented by each node reached the number of nodes.
#include <cuda_runtime.h>

#include <functional>
#include <string>
#include <vector>

#include "support/buffer.hpp"
#include "support/device.hpp"
#include "support/output.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace microbench {
namespace {

constexpr int kLaunches = 200;    // per sample: fits into the stream's queue
constexpr int kGraphNodes = 500;  // enough for the graph's own launch to vanish

struct Arguments {
  char bytes[1024];
};

__global__ void empty_kernel() {}
__global__ void empty_kernel_with_arguments(Arguments) {}
__global__ void counting_kernel(unsigned* counter) { *counter += 1; }

// A chain of kernels captured from a stream, ready to be replayed.
class Graph {
 public:
  Graph(cudaStream_t stream, int nodes, const std::function<void()>& launch) {
    CHECK_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < nodes; ++i) launch();
    CHECK_CUDA(cudaStreamEndCapture(stream, &graph_));
    CHECK_CUDA(cudaGraphInstantiate(&executable_, graph_, 0));
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() {
    cudaGraphExecDestroy(executable_);
    cudaGraphDestroy(graph_);
  }
  void launch(cudaStream_t stream) const { CHECK_CUDA(cudaGraphLaunch(executable_, stream)); }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

class Stream {
 public:
  Stream() { CHECK_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

void report(const std::string& kernel, const Timing& timing, const Verification& verification) {
  Record record("launch");
  record.add("kernel", kernel);
  add_timing(record, timing);
  add_verification(record, verification);
  print(record);
}

// Whether `nodes` counting kernels, started by `run`, all ran.
Verification verify_counted(cudaStream_t stream, int nodes, const std::function<void(unsigned*)>& run) {
  const DeviceBuffer<unsigned> counter(1);
  CHECK_CUDA(cudaMemset(counter.data(), 0, counter.bytes()));
  CHECK_CUDA(cudaDeviceSynchronize());
  run(counter.data());
  CHECK_CUDA(cudaStreamSynchronize(stream));
  unsigned counted = 0;
  CHECK_CUDA(cudaMemcpy(&counted, counter.data(), sizeof counted, cudaMemcpyDeviceToHost));
  Comparison exact(0);
  exact.add(counted, nodes, 1);
  return exact.result();
}

Verification verify_launches(cudaStream_t stream) {
  return verify_counted(stream, kLaunches, [&](unsigned* counter) {
    for (int i = 0; i < kLaunches; ++i) counting_kernel<<<1, 1, 0, stream>>>(counter);
    CHECK_LAUNCH();
  });
}

Verification verify_graph(cudaStream_t stream, int nodes) {
  return verify_counted(stream, nodes, [&](unsigned* counter) {
    const Graph graph(stream, nodes, [&] { counting_kernel<<<1, 1, 0, stream>>>(counter); });
    graph.launch(stream);
    CHECK_CUDA(cudaStreamSynchronize(stream));
  });
}

// Host time per call of `launch`; `wait_inside` counts the wait for the device too.
Timing measure_on_host(cudaStream_t stream, bool wait_inside, const std::function<void()>& launch,
                       const TimingOptions& options) {
  warm_up(stream, launch, options);
  std::vector<double> samples_s;
  const double begin = host_seconds();
  while (static_cast<int>(samples_s.size()) < options.max_samples) {
    const double start = host_seconds();
    for (int i = 0; i < kLaunches; ++i) launch();
    if (wait_inside) CHECK_CUDA(cudaStreamSynchronize(stream));
    samples_s.push_back((host_seconds() - start) / kLaunches);
    CHECK_CUDA(cudaStreamSynchronize(stream));
    if (static_cast<int>(samples_s.size()) < options.min_samples) continue;
    if (host_seconds() - begin > options.max_seconds || summarise(samples_s, options).converged) break;
  }
  return summarise(std::move(samples_s), options);
}

void measure_kernels(cudaStream_t stream, const TimingOptions& options) {
  const Verification verification = verify_launches(stream);
  const auto empty = [&] {
    empty_kernel<<<1, 1, 0, stream>>>();
    CHECK_LAUNCH();
  };
  const auto with_arguments = [&] {
    empty_kernel_with_arguments<<<1, 1, 0, stream>>>(Arguments{});
    CHECK_LAUNCH();
  };
  report("empty", measure_batch(stream, kLaunches, empty, options), verification);
  report("empty_with_arguments", measure_batch(stream, kLaunches, with_arguments, options), verification);
  report("host_issue", measure_on_host(stream, false, empty, options), verification);
}

void measure_events(cudaStream_t stream, const TimingOptions& options) {
  cudaEvent_t event = nullptr;
  CHECK_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  const auto record = [&] { CHECK_CUDA(cudaEventRecord(event, stream)); };
  const Timing timing = measure_batch(stream, kLaunches, record, options);
  Comparison exact(0);
  exact.add(cudaEventQuery(event) == cudaSuccess ? 0 : 1, 0, 1);
  report("event_record", timing, exact.result());
  CHECK_CUDA(cudaEventDestroy(event));
}

void measure_graphs(cudaStream_t stream, const TimingOptions& options) {
  const auto empty = [&] { empty_kernel<<<1, 1, 0, stream>>>(); };
  const Graph chain(stream, kGraphNodes, empty);
  Timing replay = measure(
      stream, [&] { chain.launch(stream); }, options);
  replay.median_s /= kGraphNodes;
  report("graph_node", replay, verify_graph(stream, kGraphNodes));
  const Graph single(stream, 1, empty);
  const Timing launches = measure_on_host(
      stream, true, [&] { single.launch(stream); }, options);
  report("graph_launch", launches, verify_graph(stream, 1));
}

}  // namespace
}  // namespace microbench

int main(int argc, char** argv) {
  using namespace microbench;
  const Options options(argc, argv, "microbench launch: cost of starting work on the device\nexample: launch", {});
  print(read_environment(select_device(options), "launch"));
  const Stream stream;
  TimingOptions timing = timing_options(options);
  timing.flush_l2 = false;
  measure_kernels(stream.get(), timing);
  measure_events(stream.get(), timing);
  measure_graphs(stream.get(), timing);
  return finish("launch");
}
