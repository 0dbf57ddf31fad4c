// transpose: a matrix of 4-byte words, from rows to columns, in three ways.
//
//   naive          reads along rows, writes along columns: every warp's writes touch 32 rows
//   shared         a 32 x 32 tile goes through shared memory, so that reads and writes are both along rows; but the
//                  tile's columns lie in one bank of shared memory, and reading one takes 32 turns
//   shared_padded  the same with one unused word per row of the tile: a column lies in 32 banks
//
// How to read it: bytes is the matrix once read and once written. shared_padded should come close to the copy bandwidth
// of the memory program; the other two show what uncoalesced writes and bank conflicts cost.
#include <cuda_runtime.h>

#include <string>
#include <vector>

#include "support/buffer.hpp"
#include "support/device.hpp"
#include "support/output.hpp"
#include "support/pattern.hpp"
#include "support/timing.hpp"
#include "support/verify.hpp"

namespace microbench {
namespace {

constexpr int kTile = 32;
constexpr int kTileRows = 8;  // rows of a tile that a block handles at once: 32 x 8 threads

struct Matrix {
  int64_t rows;
  int64_t columns;
};

__global__ void __launch_bounds__(kTile* kTileRows) naive_kernel(uint32_t* to, const uint32_t* from, Matrix matrix) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kTile + threadIdx.x;
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kTile + threadIdx.y;
#pragma unroll
  for (int i = 0; i < kTile; i += kTileRows) {
    const int64_t row = first_row + i;
    if (row < matrix.rows && column < matrix.columns)
      to[column * matrix.rows + row] = from[row * matrix.columns + column];
  }
}

template <int kPadding>
__global__ void __launch_bounds__(kTile* kTileRows) shared_kernel(uint32_t* to, const uint32_t* from, Matrix matrix) {
  __shared__ uint32_t tile[kTile][kTile + kPadding];
  const int64_t tile_column = static_cast<int64_t>(blockIdx.x) * kTile;
  const int64_t tile_row = static_cast<int64_t>(blockIdx.y) * kTile;
#pragma unroll
  for (int i = 0; i < kTile; i += kTileRows) {
    const int64_t row = tile_row + threadIdx.y + i;
    const int64_t column = tile_column + threadIdx.x;
    if (row < matrix.rows && column < matrix.columns)
      tile[threadIdx.y + i][threadIdx.x] = from[row * matrix.columns + column];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kTile; i += kTileRows) {
    const int64_t row = tile_row + threadIdx.x;
    const int64_t column = tile_column + threadIdx.y + i;
    if (row < matrix.rows && column < matrix.columns)
      to[column * matrix.rows + row] = tile[threadIdx.x][threadIdx.y + i];
  }
}

template <class Word>
__global__ void count_errors_kernel(const Word* transposed, Matrix matrix, unsigned long long* errors) {
  const int64_t count = matrix.rows * matrix.columns;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride) {
    const int64_t column = i / matrix.rows;
    const int64_t row = i % matrix.rows;
    if (transposed[i] != pattern_word(static_cast<uint64_t>(row * matrix.columns + column))) atomicAdd(errors, 1ull);
  }
}

void launch(const std::string& kernel, uint32_t* to, const uint32_t* from, const Matrix& matrix) {
  const dim3 blocks(static_cast<unsigned>((matrix.columns + kTile - 1) / kTile),
                    static_cast<unsigned>((matrix.rows + kTile - 1) / kTile));
  const dim3 threads(kTile, kTileRows);
  if (kernel == "naive") naive_kernel<<<blocks, threads>>>(to, from, matrix);
  if (kernel == "shared") shared_kernel<0><<<blocks, threads>>>(to, from, matrix);
  if (kernel == "shared_padded") shared_kernel<1><<<blocks, threads>>>(to, from, matrix);
  CHECK_LAUNCH();
}

Verification verify(const uint32_t* transposed, const Matrix& matrix) {
  const DeviceBuffer<unsigned long long> errors(1);
  CHECK_CUDA(cudaMemset(errors.data(), 0, errors.bytes()));
  count_errors_kernel<<<4096, 256>>>(transposed, matrix, errors.data());
  CHECK_LAUNCH();
  unsigned long long found = 0;
  CHECK_CUDA(cudaMemcpy(&found, errors.data(), sizeof found, cudaMemcpyDeviceToHost));
  Comparison exact(0);
  exact.add(static_cast<double>(found), 0, 1);
  return exact.result();
}

void run_case(const std::string& kernel, const Matrix& matrix, const Options& options) {
  const auto count = static_cast<size_t>(matrix.rows * matrix.columns);
  const DeviceBuffer<uint32_t> from(count);
  const DeviceBuffer<uint32_t> to(count);
  fill_pattern(from.data(), count);
  poison(to.data(), to.bytes());
  launch(kernel, to.data(), from.data(), matrix);
  const Verification verification = verify(to.data(), matrix);
  const auto run = [&] { launch(kernel, to.data(), from.data(), matrix); };
  const Timing timing = measure(nullptr, run, timing_options(options));
  const size_t bytes = from.bytes() + to.bytes();
  Record record("transpose");
  record.add("kernel", kernel).add("rows", matrix.rows).add("columns", matrix.columns).add("bytes", bytes);
  record.add("bytes_per_s", static_cast<double>(bytes) / timing.median_s);
  add_timing(record, timing);
  add_verification(record, verification);
  print(record);
}

}  // namespace
}  // namespace microbench

int main(int argc, char** argv) {
  using namespace microbench;
  const Options options(
      argc, argv, "microbench transpose: matrix transposition\nexample: transpose --rows 4096",
      {{"rows", "1024,4096,16384", "list of row counts"}, {"columns", "0", "columns; 0: as many as rows"}});
  constexpr int64_t kMost = int64_t{1} << 17;
  std::vector<int64_t> rows = options.get_list("rows", 1, kMost);
  if (options.flag("quick") && !options.given("rows")) rows = {1024, 4096};
  const int64_t columns = options.get_int("columns", 0, kMost);
  print(read_environment(select_device(options), "transpose"));
  for (const int64_t count : rows)
    for (const char* kernel : {"naive", "shared", "shared_padded"})
      run_case(kernel, {count, columns == 0 ? count : columns}, options);
  return finish("transpose");
}
