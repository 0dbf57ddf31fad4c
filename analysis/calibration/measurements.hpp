// What was measured on a machine, as values: the common form of nccl-tests logs, of the microbenchmarks' records and of
// kernel tables, and the input of every fit. Times are medians where the source gives several.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/operators.hpp"
#include "models/profile.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/hardware.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// Of one machine; whatever was not said is empty or 0.
struct MeasuredMachine {
  std::string device;  // "NVIDIA H200", "H100"
  std::string driver;
  std::string cuda;
  std::string cublas;
  std::string nccl;
  std::string date;         // ISO 8601
  double sm_clock_mhz = 0;  // highest
  int multiprocessors = 0;
  Bytes memory{};
  BytesPerSecond peak_bandwidth{};  // memory clock x bus width x 2
  friend bool operator==(const MeasuredMachine&, const MeasuredMachine&) = default;
};

enum class GemmPass { forward, dgrad, wgrad, square };

struct GemmSample {
  Gemm gemm;  // type, accumulate and weight_gradient as run
  GemmPass pass = GemmPass::forward;
  bool block_scaled = false;  // fp8 with a scale per block of elements, not per tensor
  Seconds time{};
  SourceLocation where;
  friend bool operator==(const GemmSample&, const GemmSample&) = default;
};

struct AttentionSample {
  std::string kernel;  // as the source names it: "vllm_flash_attn_fa3", "sdpa_flash", "blockwise"
  Attention attention;
  std::int64_t kv_heads = 0;
  Seconds time{};
  SourceLocation where;
  friend bool operator==(const AttentionSample&, const AttentionSample&) = default;
};

struct CollectiveSample {
  std::string device;  // empty where the source does not say
  std::string nccl;    // version
  CollectiveKind kind = CollectiveKind::all_reduce;
  std::string type;  // "half", "float", "int8" …
  int ranks = 0;
  int nodes = 1;
  Bytes size{};  // NCCL's message size S, as nccl-tests prints it
  bool in_place = false;
  Seconds time{};
  SourceLocation where;
  bool nodes_known = true;  // neither the source nor the user says how many: 1 is assumed
  friend bool operator==(const CollectiveSample&, const CollectiveSample&) = default;
};

// A memory-bound kernel: copy, triad, RMSNorm, transpose, Adam …
struct MemorySample {
  std::string record;  // "memory", "elementwise", "transpose", "optimizer" …
  std::string kernel;
  bool fused = true;
  Bytes bytes{};  // ideal HBM traffic
  Seconds time{};
  SourceLocation where;
  friend bool operator==(const MemorySample&, const MemorySample&) = default;
};

struct LaunchSample {
  std::string kernel;  // "empty", "graph_node", "host_issue" …
  Seconds time{};      // per launch
  SourceLocation where;
  friend bool operator==(const LaunchSample&, const LaunchSample&) = default;
};

struct CopySample {
  std::string direction;  // "host_to_device", "device_to_host", "peer"
  bool pinned = true;
  Bytes bytes{};
  Seconds time{};
  SourceLocation where;
  friend bool operator==(const CopySample&, const CopySample&) = default;
};

struct OverlapSample {
  std::string with;  // "all_reduce", "copy_device", "copy_host"
  Seconds alone{};
  Seconds together{};
  SourceLocation where;
  friend bool operator==(const OverlapSample&, const OverlapSample&) = default;
};

struct Measurements {
  std::vector<MeasuredMachine> machines;  // one per file that says on what it ran
  std::vector<GemmSample> gemms;
  std::vector<AttentionSample> attentions;
  std::vector<CollectiveSample> collectives;
  std::vector<MemorySample> memory;
  std::vector<LaunchSample> launches;
  std::vector<CopySample> copies;
  std::vector<OverlapSample> overlaps;
  std::vector<std::string> notes;  // what was inferred or left out, each with its place
  friend bool operator==(const Measurements&, const Measurements&) = default;
};

}  // namespace trainyard
