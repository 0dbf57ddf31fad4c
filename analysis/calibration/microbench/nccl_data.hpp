// Random data whose reductions are exact, and the count of wrong elements after a collective. What rank r holds at
// index i is a function of (seed, r, i), so every rank can say what it must have received without any communication.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <nccl.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "nccl_table.hpp"
#include "support/check.hpp"

namespace microbench {

enum class Operation { sum, product, minimum, maximum };

// What a device needs to know to compute any element of any rank. The sum of `largest` over the contributing ranks
// stays within the integers that the type represents exactly, so that the order of additions does not matter: where
// there are more ranks than such integers, only each `stride`-th rank contributes to an element.
struct ValueRule {
  Operation operation = Operation::sum;
  std::uint64_t seed = 0;
  int ranks = 1;
  int stride = 1;
  int largest = 1;
};

// `exact`: all integers of that magnitude are values of the type (2^8 for bfloat16, 2^11 for half, 2^24 for float).
inline ValueRule value_rule(Operation operation, std::uint64_t seed, int ranks, int exact) {
  constexpr int kLargest = 100;  // more variety finds no more errors
  ValueRule rule{operation, seed, ranks, 1, kLargest < exact ? kLargest : exact};
  if (operation != Operation::sum) return rule;
  rule.stride = (ranks + exact - 1) / exact;
  const int contributors = (ranks + rule.stride - 1) / rule.stride;
  const int share = exact / contributors;
  if (share < rule.largest) rule.largest = share;
  return rule;
}

// Finalizer of splitmix64 (Steele, Lea, Flood 2014).
__host__ __device__ inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// The element that `rank` holds at `index` before the collective.
__host__ __device__ inline std::int64_t source_value(const ValueRule& rule, int rank, std::size_t index) {
  const std::uint64_t of_index = mix(rule.seed ^ mix(index));
  const std::uint64_t random = mix(of_index + static_cast<std::uint64_t>(rank));
  if (rule.operation == Operation::product) {
    const std::int64_t sign = (random & 1) != 0 ? -1 : 1;
    return rank < 4 ? 2 * sign : sign;  // at most 16, so that products of any number of ranks stay exact
  }
  const bool contributes = (of_index + static_cast<std::uint64_t>(rank)) % static_cast<std::uint64_t>(rule.stride) == 0;
  if (!contributes) return 0;
  return static_cast<std::int64_t>(random % static_cast<std::uint64_t>(2 * rule.largest + 1)) - rule.largest;
}

__host__ __device__ inline std::int64_t combine(Operation operation, std::int64_t a, std::int64_t b) {
  switch (operation) {
    case Operation::product:
      return a * b;
    case Operation::minimum:
      return a < b ? a : b;
    case Operation::maximum:
      return a > b ? a : b;
    case Operation::sum:
      break;
  }
  return a + b;
}

template <class T>
__device__ T from_integer(std::int64_t value) {
  if constexpr (std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16>)
    return T(static_cast<float>(value));
  else
    return static_cast<T>(value);
}

template <class T>
__device__ bool equal(T a, T b) {
  if constexpr (std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16>)
    return static_cast<float>(a) == static_cast<float>(b);
  else
    return a == b;
}

// Unsigned types hold the magnitude, so that nothing ever wraps.
template <class T>
__device__ std::int64_t held_value(const ValueRule& rule, int rank, std::size_t index) {
  const std::int64_t value = source_value(rule, rank, index);
  return std::is_unsigned_v<T> && value < 0 ? -value : value;
}

template <class T>
__device__ std::int64_t reduced_value(const ValueRule& rule, std::size_t index) {
  std::int64_t result = held_value<T>(rule, 0, index);
  for (int rank = 1; rank < rule.ranks; ++rank)
    result = combine(rule.operation, result, held_value<T>(rule, rank, index));
  return result;
}

// What `rank` must hold at `index` of its receive buffer afterwards. `count` as ElementCounts::parameter; root 0.
template <class T>
__device__ std::int64_t expected_value(const ValueRule& rule, Collective collective, int rank, std::size_t count,
                                       std::size_t index) {
  const std::size_t share = static_cast<std::size_t>(rank) * count;
  switch (collective) {
    case Collective::reduce_scatter:
      return reduced_value<T>(rule, share + index);
    case Collective::all_gather:
      return held_value<T>(rule, static_cast<int>(index / count), index % count);
    case Collective::alltoall:
      return held_value<T>(rule, static_cast<int>(index / count), share + index % count);
    case Collective::broadcast:
      return held_value<T>(rule, 0, index);
    case Collective::sendrecv:
      return held_value<T>(rule, (rank + rule.ranks - 1) % rule.ranks, index);
    case Collective::all_reduce:
      break;
  }
  return reduced_value<T>(rule, index);
}

__device__ inline std::size_t first_index() { return blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; }
__device__ inline std::size_t index_step() { return static_cast<std::size_t>(gridDim.x) * blockDim.x; }

template <class T>
__global__ void fill_source(T* data, std::size_t count, ValueRule rule, int rank) {
  for (std::size_t i = first_index(); i < count; i += index_step())
    data[i] = from_integer<T>(held_value<T>(rule, rank, i));
}

template <class T>
__global__ void count_wrong(const T* data, std::size_t received, ValueRule rule, Collective collective, int rank,
                            std::size_t count, unsigned long long* wrong) {
  unsigned long long mine = 0;
  for (std::size_t i = first_index(); i < received; i += index_step())
    if (!equal(data[i], from_integer<T>(expected_value<T>(rule, collective, rank, count, i)))) ++mine;
  if (mine > 0) atomicAdd(wrong, mine);
}

struct NcclType {
  const char* name;  // as nccl-tests names it
  ncclDataType_t type;
  std::size_t bytes;
  int exact;  // see value_rule
};
constexpr NcclType kNcclTypes[] = {{"int8", ncclInt8, 1, 127},         {"uint8", ncclUint8, 1, 127},
                                   {"int32", ncclInt32, 4, 1 << 24},   {"uint32", ncclUint32, 4, 1 << 24},
                                   {"int64", ncclInt64, 8, 1 << 24},   {"uint64", ncclUint64, 8, 1 << 24},
                                   {"half", ncclFloat16, 2, 1 << 11},  {"bfloat16", ncclBfloat16, 2, 1 << 8},
                                   {"float", ncclFloat32, 4, 1 << 24}, {"double", ncclFloat64, 8, 1 << 24}};

inline NcclType find_nccl_type(const std::string& name) {
  for (const NcclType& entry : kNcclTypes)
    if (name == entry.name) return entry;
  throw std::invalid_argument("no data type " + name);
}

// Calls f with a null pointer to the C++ type.
template <class F>
void with_type(ncclDataType_t type, F&& f) {
  switch (type) {
    case ncclInt8:
      return f(static_cast<std::int8_t*>(nullptr));
    case ncclUint8:
      return f(static_cast<std::uint8_t*>(nullptr));
    case ncclInt32:
      return f(static_cast<std::int32_t*>(nullptr));
    case ncclUint32:
      return f(static_cast<std::uint32_t*>(nullptr));
    case ncclInt64:
      return f(static_cast<std::int64_t*>(nullptr));
    case ncclUint64:
      return f(static_cast<std::uint64_t*>(nullptr));
    case ncclFloat16:
      return f(static_cast<__half*>(nullptr));
    case ncclBfloat16:
      return f(static_cast<__nv_bfloat16*>(nullptr));
    case ncclFloat32:
      return f(static_cast<float*>(nullptr));
    case ncclFloat64:
      return f(static_cast<double*>(nullptr));
    default:
      throw std::invalid_argument("a data type that is not measured");
  }
}

constexpr int kDataBlocks = 1024;
constexpr int kDataThreads = 256;

inline void fill(void* data, std::size_t count, const ValueRule& rule, int rank, ncclDataType_t type,
                 cudaStream_t stream) {
  with_type(type, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    fill_source<T><<<kDataBlocks, kDataThreads, 0, stream>>>(static_cast<T*>(data), count, rule, rank);
  });
  CHECK_LAUNCH();
}

struct Received {
  Collective collective;
  ElementCounts counts;
  int rank;
};

// Adds to *wrong, in device memory.
inline void check(const void* data, const Received& received, const ValueRule& rule, ncclDataType_t type,
                  unsigned long long* wrong, cudaStream_t stream) {
  with_type(type, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    count_wrong<T><<<kDataBlocks, kDataThreads, 0, stream>>>(static_cast<const T*>(data), received.counts.receive, rule,
                                                             received.collective, received.rank,
                                                             received.counts.parameter, wrong);
  });
  CHECK_LAUNCH();
}

}  // namespace microbench
