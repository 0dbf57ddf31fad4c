// What a rank does in one step: a closed set of works, and the instructions that order them. No seconds here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/operators.hpp"
#include "sim/base/ids.hpp"
#include "sim/plan/comm_groups.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

// In-order queues of a rank. Communication has one stream per axis; pipeline traffic one per direction and role, as
// each is its own pair of peers: `_up` is that of chunks whose forwards flow towards lower stages (V-shaped and
// bidirectional pipelines).
enum class Stream : std::uint8_t {
  compute,
  tp,
  cp,
  ep,
  dp,
  send_forward,
  receive_forward,
  send_backward,
  receive_backward,
  send_forward_up,
  receive_forward_up,
  send_backward_up,
  receive_backward_up,
  to_host,
  from_host,
  host
};
inline constexpr int streams = 16;
std::string_view name(Stream stream);
bool is_pipeline(Stream stream);

enum class Phase : std::uint8_t {
  forward,
  backward,
  weight,
  gradient_sync,
  optimizer,
  parameter_gather,
  host,
  offload
};

// A segment is a short run of steps that is always executed as one (a layer's forward, the head's backward …).
struct Segment {
  std::string label;  // "layer forward"
  LayerSteps steps;
  Phase phase = Phase::forward;
  int host_layers = 0;              // layers whose host issue cost bounds it from below (0 for embedding and head)
  int host_syncs = 0;               // times the host waits for the GPU in it (expert token counts)
  bool recomputes_forward = false;  // the host issues the forward again
  bool layer = false;               // one of the model's layers: not its embedding, head …
};
struct SegmentUse {
  int segment = 0;  // index into StepProgram::segments
  int repeat = 1;
  friend bool operator==(const SegmentUse&, const SegmentUse&) = default;
};

// Compute of a (chunk, micro-batch, pass) or a part of it.
struct Block {
  std::vector<SegmentUse> uses;
  bool contended = false;  // data-parallel communication runs beside all of it
  // Works (collectives) that run beside it for as long as they take: sharded parameters and gradients.
  std::vector<int> beside = {};
  // Not empty: a backward that runs as one with the forward of `uses`; the expert-parallel communication of each
  // hides under the compute of the other.
  std::vector<SegmentUse> partner = {};
  bool only_slowdown = false;  // only what `beside` adds to the time of `uses`, which have run already
  friend bool operator==(const Block&, const Block&) = default;
};
// One operator of a segment (operator granularity), or work outside the layers (optimizer).
struct OperatorWork {
  Operator op;
  Phase phase = Phase::forward;
  int segment = -1;  // the step it stands for: index into segments and its steps; -1 outside the layers
  int step = -1;
  bool contended = false;  // see Block
  friend bool operator==(const OperatorWork&, const OperatorWork&) = default;
};
// Least host time of a segment (operator granularity); segment -1 = the host's work of a whole step.
struct HostIssue {
  int segment = -1;
  friend bool operator==(const HostIssue&, const HostIssue&) = default;
};
struct Collective {
  Axis axis = Axis::tp;
  CollectiveKind kind = CollectiveKind::all_reduce;
  Bytes bytes{};         // NCCL's message size
  double exposed = 1.0;  // see LayerCollective
  int path = 0;          // index into StepProgram::paths
  int parties = 1;       // rank kinds that meet in it; > 1: matched by `rendezvous`
  int rendezvous = -1;
  std::string_view label;  // static text: "gradients"
  double slowdown = 1.0;   // of this software's use of the collective
  int segment = -1;        // operator granularity: the step it stands for
  int step = -1;
  Bytes outside{-1.0};  // see LayerCollective
  CommGroup group = CommGroup::none;
  friend bool operator==(const Collective&, const Collective&) = default;
};
// A copy between a GPU and the memory of its host.
struct HostCopy {
  Bytes bytes{};
  int path = 0;
  std::string_view label;  // static text: "activations"
  friend bool operator==(const HostCopy&, const HostCopy&) = default;
};
// Work of the host itself on this many bytes of its memory (or of its NVMe drives): the offloaded optimizer.
struct HostUpdate {
  Bytes bytes{};
  bool nvme = false;
  friend bool operator==(const HostUpdate&, const HostUpdate&) = default;
};
struct Send {
  Bytes bytes{};  // per rank
  int path = 0;
  int channel = 0;  // the k-th send of a channel meets its k-th receive
  friend bool operator==(const Send&, const Send&) = default;
};
struct Receive {
  Bytes bytes{};
  int path = 0;
  int channel = 0;
  friend bool operator==(const Receive&, const Receive&) = default;
};
using Work = std::variant<Block, OperatorWork, HostIssue, Collective, Send, Receive, HostCopy, HostUpdate>;

enum class MemoryOwner : std::uint8_t { weights, gradients, optimizer_states, activations, temporary, communication };
inline constexpr int memory_owners = 6;
std::string_view name(MemoryOwner owner);

// A change of a rank's memory when an instruction starts or ends.
struct MemoryChange {
  MemoryOwner owner = MemoryOwner::activations;
  Bytes at_start{};
  Bytes at_end{};
  friend bool operator==(const MemoryChange&, const MemoryChange&) = default;
};

struct Instruction {
  std::int32_t work = 0;         // index into StepProgram::works
  std::int32_t memory = -1;      // index into StepProgram::memory_changes, -1 = none
  std::int32_t after_begin = 0;  // into RankKind::after
  std::int32_t after_count = 0;
  std::int32_t micro_batch = -1;  // -1 outside the pipeline
  std::int16_t chunk = 0;
  Stream stream = Stream::compute;
  Phase phase = Phase::forward;
  friend bool operator==(const Instruction&, const Instruction&) = default;
};

}  // namespace trainyard
