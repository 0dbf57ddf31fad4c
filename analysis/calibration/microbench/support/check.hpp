// Every call of CUDA, cuBLASLt and NCCL is checked: a failure prints "file:line: call: reason" on stderr and ends the
// program with exit code 1. A number measured after an unnoticed error would look like a very fast machine.
//
// CHECK_CUBLAS needs <cublasLt.h>, CHECK_NCCL <nccl.h>; both are macros, so that a program without them links neither.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>

namespace microbench {

[[noreturn]] inline void fail(const char* file, int line, const char* call, const char* reason) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s:%d: %s: %s\n", file, line, call, reason);
  std::exit(1);
}

}  // namespace microbench

#define CHECK_CUDA(call)                                                                                              \
  do {                                                                                                                \
    const cudaError_t check_status = (call);                                                                          \
    if (check_status != cudaSuccess) ::microbench::fail(__FILE__, __LINE__, #call, cudaGetErrorString(check_status)); \
  } while (false)

// After every kernel launch: reports a launch that was refused (too many threads, too much shared memory, no code for
// this device). Errors inside the kernel appear at the next checked call that waits for it.
#define CHECK_LAUNCH()                                                                           \
  do {                                                                                           \
    const cudaError_t check_status = cudaGetLastError();                                         \
    if (check_status != cudaSuccess)                                                             \
      ::microbench::fail(__FILE__, __LINE__, "kernel launch", cudaGetErrorString(check_status)); \
  } while (false)

#define CHECK_CUBLAS(call)                                                                  \
  do {                                                                                      \
    const cublasStatus_t check_status = (call);                                             \
    if (check_status != CUBLAS_STATUS_SUCCESS)                                              \
      ::microbench::fail(__FILE__, __LINE__, #call, cublasLtGetStatusString(check_status)); \
  } while (false)

#define CHECK_NCCL(call)                                                                                              \
  do {                                                                                                                \
    const ncclResult_t check_status = (call);                                                                         \
    if (check_status != ncclSuccess) ::microbench::fail(__FILE__, __LINE__, #call, ncclGetErrorString(check_status)); \
  } while (false)
