// The communicators of this process's GPUs. They block, as those of nccl-tests and of training frameworks do (a call on
// a non-blocking one starts a thread, which costs more than a small message takes), so what could wait for ever is
// watched from outside: every wait looks at the communicators' state, and the watchdog at the clock. A failure aborts
// all and ends the program with exit code 1; the other processes then see a lost connection, or their own timeout.
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "nccl_watchdog.hpp"
#include "support/buffer.hpp"
#include "support/check.hpp"

namespace microbench {

// A GPU of this process and its place among all ranks.
struct LocalRank {
  int device = 0;
  int rank = 0;
  ncclComm_t communicator = nullptr;
  cudaStream_t stream = nullptr;
};

class Communicators {
 public:
  // `devices` of this process are ranks first_rank, first_rank + 1, … of `ranks`.
  Communicators(const std::vector<int>& devices, int first_rank, int ranks, ncclUniqueId id, const Watchdog& watchdog);
  Communicators(const Communicators&) = delete;
  Communicators& operator=(const Communicators&) = delete;
  // All work is done by now.
  ~Communicators();

  int size() const { return ranks_; }
  const std::vector<LocalRank>& local() const { return local_; }
  size_t local_index(const LocalRank& rank) const { return static_cast<size_t>(rank.rank - local_.front().rank); }

  // Enqueues one call of each local rank as a group.
  void each(const std::function<ncclResult_t(const LocalRank&)>& call);
  // Until all work on the streams is done. `what` is for the error message.
  void wait(const std::string& what);
  // Over all ranks, of one value per local rank. Every rank gets the sum only after every rank has given its own, so it
  // serves as the barrier too.
  double sum(const std::vector<double>& values) { return reduce(values, ncclSum); }
  double least(double value) { return reduce(std::vector<double>(local_.size(), value), ncclMin); }
  void barrier() { sum(std::vector<double>(local_.size(), 0.0)); }

  // Says why, aborts and exits 1.
  [[noreturn]] void fail(const std::string& what, const std::string& reason);

 private:
  void initialise(ncclUniqueId id);
  double reduce(const std::vector<double>& values, ncclRedOp_t operation);
  void look_for_errors(const std::string& what);
  bool streams_done(const std::string& what);

  int ranks_;
  std::vector<LocalRank> local_;
  std::vector<DeviceBuffer<double>> scalar_;  // one per local rank
};

inline Communicators::Communicators(const std::vector<int>& devices, int first_rank, int ranks, ncclUniqueId id,
                                    const Watchdog& watchdog)
    : ranks_(ranks), local_(devices.size()) {
  watchdog.expect("initialisation");
  for (size_t i = 0; i < devices.size(); ++i) {
    local_[i].device = devices[i];
    local_[i].rank = first_rank + static_cast<int>(i);
    CHECK_CUDA(cudaSetDevice(devices[i]));
    CHECK_CUDA(cudaStreamCreateWithFlags(&local_[i].stream, cudaStreamNonBlocking));
    scalar_.emplace_back(1);
  }
  initialise(id);
}

inline void Communicators::initialise(ncclUniqueId id) {
  CHECK_NCCL(ncclGroupStart());
  for (LocalRank& rank : local_) {
    CHECK_CUDA(cudaSetDevice(rank.device));
    CHECK_NCCL(ncclCommInitRank(&rank.communicator, ranks_, id, rank.rank));
  }
  CHECK_NCCL(ncclGroupEnd());
}

inline Communicators::~Communicators() {
  for (const LocalRank& rank : local_) {
    cudaSetDevice(rank.device);
    ncclCommDestroy(rank.communicator);
    cudaStreamDestroy(rank.stream);
  }
}

inline void Communicators::fail(const std::string& what, const std::string& reason) {
  constexpr unsigned kSecondsToAbort = 20;  // an abort that hangs is itself ended by the alarm
  std::fflush(stdout);
  std::fprintf(stderr, "nccl: %s: %s\n", what.c_str(), reason.c_str());
  alarm(kSecondsToAbort);
  for (const LocalRank& rank : local_) ncclCommAbort(rank.communicator);
  std::_Exit(1);
}

inline void Communicators::look_for_errors(const std::string& what) {
  for (const LocalRank& rank : local_) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(rank.communicator, &state);
    const ncclResult_t result = asked != ncclSuccess ? asked : state;
    if (result != ncclSuccess)
      fail(what, std::string(ncclGetErrorString(result)) + " on rank " + std::to_string(rank.rank) + " (" +
                     ncclGetLastError(rank.communicator) + ")");
  }
}

inline void Communicators::each(const std::function<ncclResult_t(const LocalRank&)>& call) {
  CHECK_NCCL(ncclGroupStart());
  for (const LocalRank& rank : local_) CHECK_NCCL(call(rank));
  CHECK_NCCL(ncclGroupEnd());
}

inline bool Communicators::streams_done(const std::string& what) {
  for (const LocalRank& rank : local_) {
    const cudaError_t state = cudaStreamQuery(rank.stream);
    if (state == cudaErrorNotReady) return false;
    if (state != cudaSuccess) fail(what, cudaGetErrorString(state));
  }
  return true;
}

inline void Communicators::wait(const std::string& what) {
  while (!streams_done(what)) {
    look_for_errors(what);
    std::this_thread::yield();
  }
}

inline double Communicators::reduce(const std::vector<double>& values, ncclRedOp_t operation) {
  for (size_t i = 0; i < local_.size(); ++i)
    CHECK_CUDA(
        cudaMemcpyAsync(scalar_[i].data(), &values[i], sizeof(double), cudaMemcpyHostToDevice, local_[i].stream));
  each([&](const LocalRank& rank) {
    double* const scalar = scalar_[local_index(rank)].data();
    return ncclAllReduce(scalar, scalar, 1, ncclFloat64, operation, rank.communicator, rank.stream);
  });
  wait("barrier");
  double result = 0;
  CHECK_CUDA(cudaMemcpy(&result, scalar_.front().data(), sizeof result, cudaMemcpyDeviceToHost));
  return result;
}

}  // namespace microbench
