// Runs, times and checks one collective after the other on the communicators of this process.
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "nccl_communicator.hpp"
#include "nccl_data.hpp"
#include "nccl_table.hpp"
#include "nccl_watchdog.hpp"
#include "support/buffer.hpp"
#include "support/check.hpp"

namespace microbench {

struct Settings {
  std::vector<Collective> collectives;
  TableSettings table;
  NcclType type{};
  std::string operation;
  unsigned timeout_s = 60;
};

struct NamedOperation {
  const char* name;
  Operation operation;
  ncclRedOp_t nccl;
};
constexpr NamedOperation kOperations[] = {{"sum", Operation::sum, ncclSum},
                                          {"prod", Operation::product, ncclProd},
                                          {"min", Operation::minimum, ncclMin},
                                          {"max", Operation::maximum, ncclMax}};

inline NamedOperation find_operation(const std::string& name) {
  for (const NamedOperation& entry : kOperations)
    if (name == entry.name) return entry;
  return kOperations[0];
}

// Send and receive buffer of one local rank, each of the largest message.
struct Buffers {
  explicit Buffers(size_t bytes) : send(bytes), receive(bytes), wrong(1) {}
  DeviceBuffer<char> send;
  DeviceBuffer<char> receive;
  DeviceBuffer<unsigned long long> wrong;
};

// One collective of one size, in place or not.
struct Call {
  Collective collective = Collective::all_reduce;
  ElementCounts counts;
  NcclType type;
  NamedOperation operation;
  bool in_place = false;
};

struct Addresses {
  char* send;
  char* receive;
};

// In place, a rank's send buffer is its own part of the receive buffer, or the other way round where it receives less.
inline Addresses addresses(const Call& call, const Buffers& buffers, int rank) {
  if (!call.in_place) return {buffers.send.data(), buffers.receive.data()};
  char* const whole = buffers.receive.data();
  char* const own = whole + static_cast<size_t>(rank) * call.counts.parameter * call.type.bytes;
  if (call.collective == Collective::all_gather) return {own, whole};
  if (call.collective == Collective::reduce_scatter) return {whole, own};
  return {whole, whole};
}

inline ncclResult_t send_and_receive(const void* send, int to, void* receive, int from, size_t count,
                                     ncclDataType_t type, const LocalRank& rank) {
  const ncclResult_t sent = ncclSend(send, count, type, to, rank.communicator, rank.stream);
  return sent != ncclSuccess ? sent : ncclRecv(receive, count, type, from, rank.communicator, rank.stream);
}

// Within a group (Communicators::each): a share for and from every rank.
inline ncclResult_t enqueue_alltoall(const Addresses& at, const Call& call, const LocalRank& rank, int ranks) {
  const size_t share = call.counts.parameter * call.type.bytes;
  for (int peer = 0; peer < ranks; ++peer) {
    const size_t offset = static_cast<size_t>(peer) * share;
    const ncclResult_t result = send_and_receive(at.send + offset, peer, at.receive + offset, peer,
                                                 call.counts.parameter, call.type.type, rank);
    if (result != ncclSuccess) return result;
  }
  return ncclSuccess;
}

inline ncclResult_t enqueue(const Addresses& at, const Call& call, const LocalRank& rank, int ranks) {
  const size_t count = call.counts.parameter;
  const ncclDataType_t type = call.type.type;
  const ncclRedOp_t operation = call.operation.nccl;
  const ncclComm_t comm = rank.communicator;
  switch (call.collective) {
    case Collective::all_gather:
      return ncclAllGather(at.send, at.receive, count, type, comm, rank.stream);
    case Collective::reduce_scatter:
      return ncclReduceScatter(at.send, at.receive, count, type, operation, comm, rank.stream);
    case Collective::broadcast:
      return ncclBroadcast(at.send, at.receive, count, type, 0, comm, rank.stream);
    case Collective::alltoall:
      return enqueue_alltoall(at, call, rank, ranks);
    case Collective::sendrecv:
      return send_and_receive(at.send, (rank.rank + 1) % ranks, at.receive, (rank.rank + ranks - 1) % ranks, count,
                              type, rank);
    case Collective::all_reduce:
      break;
  }
  return ncclAllReduce(at.send, at.receive, count, type, operation, comm, rank.stream);
}

class Bench {
 public:
  Bench(Communicators& communicators, const Settings& settings, const Watchdog& watchdog)
      : communicators_(communicators), settings_(settings), watchdog_(watchdog) {
    for (const LocalRank& rank : communicators.local()) {
      CHECK_CUDA(cudaSetDevice(rank.device));
      buffers_.emplace_back(settings.table.largest);
    }
  }

  // Rows and footer of one collective; the number of wrong elements.
  int64_t table(Collective collective, bool print);

 private:
  CollectiveTime measure(const Call& call);
  double seconds_per_call(const Call& call);
  int64_t count_wrong(const Call& call);
  void prepare(const Call& call, const ValueRule& rule);
  void run(const Call& call);

  Communicators& communicators_;
  const Settings& settings_;
  const Watchdog& watchdog_;
  std::vector<Buffers> buffers_;
};

inline void Bench::run(const Call& call) {
  communicators_.each([&](const LocalRank& rank) {
    const Buffers& buffers = buffers_[communicators_.local_index(rank)];
    return enqueue(addresses(call, buffers, rank.rank), call, rank, communicators_.size());
  });
}

// Random data where the call sends from, and bytes that no result has where it only receives.
inline void Bench::prepare(const Call& call, const ValueRule& rule) {
  constexpr int kPoison = 0xA5;
  for (const LocalRank& rank : communicators_.local()) {
    const Buffers& buffers = buffers_[communicators_.local_index(rank)];
    CHECK_CUDA(cudaSetDevice(rank.device));
    CHECK_CUDA(
        cudaMemsetAsync(buffers.receive.data(), kPoison, message_bytes(call.counts, call.type.bytes), rank.stream));
    CHECK_CUDA(cudaMemsetAsync(buffers.wrong.data(), 0, buffers.wrong.bytes(), rank.stream));
    fill(addresses(call, buffers, rank.rank).send, call.counts.send, rule, rank.rank, call.type.type, rank.stream);
  }
  communicators_.wait("filling the buffers");
}

inline double Bench::seconds_per_call(const Call& call) {
  for (int i = 0; i < settings_.table.warm_up; ++i) run(call);
  communicators_.wait("warm-up");
  communicators_.barrier();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < settings_.table.iterations; ++i) run(call);
  communicators_.wait("timed calls");
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const double mine = elapsed.count() / settings_.table.iterations;
  return communicators_.sum(std::vector<double>(buffers_.size(), mine)) / communicators_.size();
}

inline int64_t Bench::count_wrong(const Call& call) {
  const uint64_t seed = message_bytes(call.counts, call.type.bytes) + (call.in_place ? 1 : 0);
  const ValueRule rule = value_rule(call.operation.operation, seed, communicators_.size(), call.type.exact);
  prepare(call, rule);
  run(call);
  std::vector<double> wrong;
  for (const LocalRank& rank : communicators_.local()) {
    const Buffers& buffers = buffers_[communicators_.local_index(rank)];
    CHECK_CUDA(cudaSetDevice(rank.device));
    check(addresses(call, buffers, rank.rank).receive, {call.collective, call.counts, rank.rank}, rule, call.type.type,
          buffers.wrong.data(), rank.stream);
  }
  communicators_.wait("checked call");
  for (const Buffers& buffers : buffers_) {
    unsigned long long count = 0;
    CHECK_CUDA(cudaMemcpy(&count, buffers.wrong.data(), sizeof count, cudaMemcpyDeviceToHost));
    wrong.push_back(static_cast<double>(count));
  }
  return static_cast<int64_t>(communicators_.sum(wrong));
}

inline CollectiveTime Bench::measure(const Call& call) {
  watchdog_.expect(collective_name(call.collective) + " of " +
                   std::to_string(message_bytes(call.counts, call.type.bytes)) + " bytes");
  prepare(call, value_rule(call.operation.operation, 0, communicators_.size(), call.type.exact));
  CollectiveTime time;
  time.seconds = seconds_per_call(call);
  if (settings_.table.check && (!call.in_place || has_in_place_result(call.collective))) time.wrong = count_wrong(call);
  return time;
}

// Sizes that round to the same counts are measured once, those that round to nothing not at all.
inline int64_t Bench::table(Collective collective, bool print) {
  const int ranks = communicators_.size();
  const double factor = bus_bandwidth_factor(collective, ranks);
  int64_t wrong = 0;
  int sides = 0;
  double bandwidths = 0;
  ElementCounts last;
  for (size_t bytes = settings_.table.smallest; bytes <= settings_.table.largest;
       bytes *= static_cast<size_t>(settings_.table.factor)) {
    const ElementCounts counts = element_counts(collective, bytes, settings_.type.bytes, ranks);
    if (counts.parameter == 0 || counts == last) continue;
    last = counts;
    Call call{collective, counts, settings_.type, find_operation(settings_.operation), false};
    const CollectiveTime out_of_place = measure(call);
    call.in_place = true;
    const CollectiveTime in_place = measure(call);
    for (const CollectiveTime& time : {out_of_place, in_place}) {
      wrong += time.wrong.value_or(0);
      bandwidths += factor * algorithm_bandwidth(message_bytes(counts, settings_.type.bytes), time.seconds) / 1e9;
      ++sides;
    }
    const RowKey key{collective, counts, settings_.type.bytes, settings_.type.name, settings_.operation, ranks};
    if (print) std::printf("%s\n", table_row(key, out_of_place, in_place).c_str());
    std::fflush(stdout);
  }
  if (print) std::printf("%s", table_footer(wrong, sides > 0 ? bandwidths / sides : 0).c_str());
  return wrong;
}

}  // namespace microbench
