// Attention without the matrix of scores in memory: blockwise, with the softmax computed online (Dao et al. 2022;
// Milakov and Gimelshein 2018), on the tensor cores' m16n8k16 instruction, which every device since the A100 has.
//
// A block takes kQueries queries of one head, 16 per warp, and walks over the keys in tiles. Queries, scores and the
// output stay in registers; keys and values pass through two stages of shared memory, the next tile being copied while
// one is multiplied. In shared memory a row's 16-byte pieces are permuted by the row's number, so that neither the
// copies nor the matrix loads conflict in its banks.
//
// Fragments of the instruction, in lane l with g = l / 4 and t = l % 4 (PTX ISA, "Matrix Fragments for mma.m16n8k16"):
//   A  rows g and g + 8, columns 2t, 2t + 1 and those + 8;  B  columns (n) g, rows (k) 2t, 2t + 1 and those + 8;
//   accumulator  rows g and g + 8, columns 2t and 2t + 1.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace microbench {

using bf16 = __nv_bfloat16;

// [batch, heads, length, head_dim] for queries and output, [batch, kv_heads, length, head_dim] for keys and values.
struct AttentionShape {
  int64_t batch = 1;
  int64_t heads = 1;
  int64_t kv_heads = 1;  // divides heads
  int64_t length = 1;
  int64_t head_dim = 64;
  bool causal = false;

  int64_t query_count() const { return batch * heads * length * head_dim; }
  int64_t key_count() const { return batch * kv_heads * length * head_dim; }
};

struct AttentionData {
  const bf16* q = nullptr;
  const bf16* k = nullptr;
  const bf16* v = nullptr;
  bf16* o = nullptr;
};

namespace blockwise {

constexpr int kWarps = 4;
constexpr int kThreads = 32 * kWarps;
constexpr int kQueries = 16 * kWarps;  // of a block
constexpr int kKeys = 64;              // of a tile
constexpr int kPiece = 8;              // elements in 16 bytes, the unit of copies and matrix loads
constexpr int kScoreTiles = kKeys / 8;

// A tile of kKeys (= kQueries) rows in shared memory.
template <int kHeadDim>
struct Tile {
  static constexpr int kPieces = kHeadDim / kPiece;  // of a row
  static constexpr int kCount = kKeys * kHeadDim;
  bf16* data;
  __device__ bf16* at(int row, int piece) const { return data + row * kHeadDim + (piece ^ (row % 8)) * kPiece; }
};

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// 16 bytes from global to shared memory, past the registers; zeros where the source is not to be read.
__device__ inline void copy_async(bf16* to, const bf16* from, bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes)
               : "memory");
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
__device__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Four 8 x 8 matrices: lane l gives the address of row l % 8 of matrix l / 8 and gets elements 2t and 2t + 1 of row g
// of each; transposed: of column g.
__device__ inline void load_matrices(uint32_t (&registers)[4], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ inline void load_matrices_transposed(uint32_t (&registers)[4], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(shared_address(row))
               : "memory");
}

// accumulator (16 x 8) += a (16 x 16) b (16 x 8)
__device__ inline void multiply(float (&accumulator)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(accumulator[0]), "+f"(accumulator[1]), "+f"(accumulator[2]), "+f"(accumulator[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline uint32_t packed(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

// A row's values lie in the four lanes of one g.
__device__ inline float row_maximum(float value) {
  value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, 1));
  return fmaxf(value, __shfl_xor_sync(0xffffffffu, value, 2));
}
__device__ inline float row_sum(float value) {
  value += __shfl_xor_sync(0xffffffffu, value, 1);
  return value + __shfl_xor_sync(0xffffffffu, value, 2);
}

// Starts copying rows first … first + kKeys - 1 of a [length, kHeadDim] matrix; rows past its end become zeros.
template <int kHeadDim>
__device__ void load_tile(const Tile<kHeadDim>& tile, const bf16* matrix, int64_t first, int64_t length) {
  constexpr int kPieces = Tile<kHeadDim>::kPieces;
#pragma unroll
  for (int i = 0; i < kKeys * kPieces / kThreads; ++i) {
    const int index = i * kThreads + static_cast<int>(threadIdx.x);
    const int row = index / kPieces;
    const int piece = index % kPieces;
    const bool valid = first + row < length;
    const bf16* source = matrix + (valid ? first + row : 0) * kHeadDim + piece * kPiece;
    copy_async(tile.at(row, piece), source, valid);
  }
}

// What one warp keeps of its 16 queries; index 0 of pairs is row g, index 1 row g + 8.
template <int kHeadDim>
struct WarpState {
  uint32_t q[kHeadDim / 16][4];
  float output[kHeadDim / 8][4] = {};
  float maximum[2] = {-INFINITY, -INFINITY};
  float sum[2] = {};  // this lane's part

  __device__ void load_queries(const Tile<kHeadDim>& tile) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int row = static_cast<int>(threadIdx.x) / 32 * 16 + lane % 16;
#pragma unroll
    for (int i = 0; i < kHeadDim / 16; ++i) load_matrices(q[i], tile.at(row, 2 * i + lane / 16));
  }

  // scores = Q K^T. The keys' rows are the columns of B: they are loaded as they lie, two column tiles at a time.
  __device__ void multiply_keys(float (&scores)[kScoreTiles][4], const Tile<kHeadDim>& keys) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int row = lane / 16 * 8 + lane % 8;
    const int piece = lane / 8 % 2;
#pragma unroll
    for (int i = 0; i < kHeadDim / 16; ++i) {
#pragma unroll
      for (int j = 0; j < kScoreTiles; j += 2) {
        uint32_t b[4];
        load_matrices(b, keys.at(8 * j + row, 2 * i + piece));
        multiply(scores[j], q[i], b[0], b[1]);
        multiply(scores[j + 1], q[i], b[2], b[3]);
      }
    }
  }

  // Replaces the scores by exp2(scale (score - maximum)) and rescales what has been summed under an older maximum.
  __device__ void exponentiate(float (&scores)[kScoreTiles][4], float scale) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float largest = maximum[half];
#pragma unroll
      for (int j = 0; j < kScoreTiles; ++j)
        largest = fmaxf(largest, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
      largest = row_maximum(largest);
      const float correction = exp2f(scale * (maximum[half] - largest));
      maximum[half] = largest;
      sum[half] *= correction;
#pragma unroll
      for (int j = 0; j < kScoreTiles; ++j) {
#pragma unroll
        for (int c = 2 * half; c < 2 * half + 2; ++c) {
          scores[j][c] = exp2f(scale * (scores[j][c] - largest));
          sum[half] += scores[j][c];
        }
      }
#pragma unroll
      for (int j = 0; j < kHeadDim / 8; ++j) {
        output[j][2 * half] *= correction;
        output[j][2 * half + 1] *= correction;
      }
    }
  }

  // output += P V. Two accumulator tiles of scores are one A fragment; the values' rows are the rows of B.
  __device__ void multiply_values(const float (&scores)[kScoreTiles][4], const Tile<kHeadDim>& values) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < kScoreTiles; i += 2) {
      const uint32_t a[4] = {packed(scores[i][0], scores[i][1]), packed(scores[i][2], scores[i][3]),
                             packed(scores[i + 1][0], scores[i + 1][1]), packed(scores[i + 1][2], scores[i + 1][3])};
#pragma unroll
      for (int j = 0; j < kHeadDim / 8; j += 2) {
        uint32_t b[4];
        load_matrices_transposed(b, values.at(8 * i + lane % 16, j + lane / 16));
        multiply(output[j], a, b[0], b[1]);
        multiply(output[j + 1], a, b[2], b[3]);
      }
    }
  }

  __device__ void store(bf16* matrix, int64_t first_row, int64_t length) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t row = first_row + static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4 + 8 * half;
      const float factor = 1.0f / row_sum(sum[half]);
      if (row >= length) continue;
#pragma unroll
      for (int j = 0; j < kHeadDim / 8; ++j) {
        const uint32_t pair = packed(output[j][2 * half] * factor, output[j][2 * half + 1] * factor);
        *reinterpret_cast<uint32_t*>(matrix + row * kHeadDim + 8 * j + lane % 4 * 2) = pair;
      }
    }
  }
};

// Scores of keys past the end, and of keys after the query where attention is causal, do not count. All numbers are
// relative to the tile's first key.
template <bool kCausal>
__device__ void mask_scores(float (&scores)[kScoreTiles][4], int first_query, int end) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int query = first_query + static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;
#pragma unroll
  for (int j = 0; j < kScoreTiles; ++j) {
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      const int key = 8 * j + lane % 4 * 2 + c % 2;
      const bool after = kCausal && key > query + c / 2 * 8;
      if (key >= end || after) scores[j][c] = -INFINITY;
    }
  }
}

// Queries in shared memory first use the second stage's key tile, which is free until the second tile of keys.
template <int kHeadDim, bool kCausal>
__global__ void __launch_bounds__(kThreads) attention_kernel(AttentionData data, AttentionShape shape, float scale) {
  extern __shared__ __align__(128) unsigned char memory[];
  bf16* const shared = reinterpret_cast<bf16*>(memory);
  constexpr int kCount = Tile<kHeadDim>::kCount;
  // Stage 0: keys, values; stage 1: keys, values.
  const auto keys = [&](int stage) { return Tile<kHeadDim>{shared + 2 * stage * kCount}; };
  const auto values = [&](int stage) { return Tile<kHeadDim>{shared + (2 * stage + 1) * kCount}; };
  // The last queries of a causal sequence see the most keys; they start first.
  const int64_t query_tile = kCausal ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
  const int64_t first_query = query_tile * kQueries;
  const int64_t head = blockIdx.y;  // over the batch
  const int64_t kv_head = head / (shape.heads / shape.kv_heads);
  const int64_t matrix_size = shape.length * kHeadDim;
  const bf16* k = data.k + kv_head * matrix_size;
  const bf16* v = data.v + kv_head * matrix_size;
  const int64_t seen = kCausal && first_query + kQueries < shape.length ? first_query + kQueries : shape.length;
  const int64_t tiles = (seen + kKeys - 1) / kKeys;

  WarpState<kHeadDim> state;
  load_tile(keys(1), data.q + head * matrix_size, first_query, shape.length);
  commit_copies();
  load_tile(keys(0), k, 0, shape.length);
  load_tile(values(0), v, 0, shape.length);
  commit_copies();
  wait_for_copies<1>();
  __syncthreads();
  state.load_queries(keys(1));
  __syncthreads();
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int stage = static_cast<int>(tile % 2);
    if (tile + 1 < tiles) {
      load_tile(keys(1 - stage), k, (tile + 1) * kKeys, shape.length);
      load_tile(values(1 - stage), v, (tile + 1) * kKeys, shape.length);
    }
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    float scores[kScoreTiles][4] = {};
    state.multiply_keys(scores, keys(stage));
    const bool diagonal = kCausal && (tile + 1) * kKeys > first_query + 1;
    if (diagonal || (tile + 1) * kKeys > shape.length)
      mask_scores<kCausal>(scores, static_cast<int>(first_query - tile * kKeys),
                           static_cast<int>(shape.length - tile * kKeys));
    state.exponentiate(scores, scale);
    state.multiply_values(scores, values(stage));
    __syncthreads();
  }
  state.store(data.o + head * matrix_size, first_query, shape.length);
}

}  // namespace blockwise
}  // namespace microbench
