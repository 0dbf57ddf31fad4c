// What the groups of a layout cross, by pipeline stage. Where a stage's groups differ, the slowest one: the others
// wait for it.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/base/hardware.hpp"
#include "sim/plan/rank_layout.hpp"
#include "topology/routes.hpp"

namespace trainyard {

using TierPath = std::vector<Tier>;

struct StagePaths {
  TierPath tp;
  TierPath cp;        // the ring of hierarchical context parallelism, else the whole group
  TierPath cp_inner;  // its all-to-all
  TierPath ep;
  TierPath etp;
  TierPath gradients;         // data x context parallel
  TierPath expert_gradients;  // replicas of an expert shard
  TierPath shard;             // ranks that share one copy of the states (FSDP, HSDP, ZeRO-3)
  TierPath replicas;          // of such a copy
  TierPath secondary;         // the smaller group that backward gathers stay in (ZeRO++ hpZ, FSDP2's number)
  TierPath next_stage;        // to the same rank of the following stage (of the last: to the first)
  TierPath mirror;            // to the stage that holds the other copy of a bidirectional pipeline's chunks
  friend bool operator==(const StagePaths&, const StagePaths&) = default;
};

struct CommunicationPaths {
  std::vector<StagePaths> stages;
  TierPath embedding;  // first and last stage, for tied embeddings
  TierPath world;
  TierPath host;        // one GPU and the memory of its host
  int cp_inner = 1;     // members of the all-to-all of hierarchical context parallelism
  int ep_nodes = 1;     // NVLink islands that one expert-parallel group sits on
  int shard_group = 1;  // members of `shard`
  friend bool operator==(const CommunicationPaths&, const CommunicationPaths&) = default;
};

// One of the paths by name. Layouts of one plan that differ in where ranks sit differ in what their paths cross, not in
// which of them a step asks for.
enum class PathKind : std::uint8_t {
  tp,
  cp,
  cp_inner,
  ep,
  etp,
  gradients,
  expert_gradients,
  shard,
  replicas,
  secondary,
  next_stage,
  mirror,
  embedding,  // this and the following are the same on every stage
  world,
  host
};
inline constexpr int path_kinds = 15;
struct PathKey {
  PathKind kind = PathKind::tp;
  int stage = 0;
  // One ring through one NIC after the other, as of software that does not spread a collective over a node's rails.
  bool single_rail = false;
  friend bool operator==(const PathKey&, const PathKey&) = default;
};
TierPath path_at(const CommunicationPaths& paths, const PathKey& key);

// `plan` is resolved and is the one that was laid out; `moe`: the model has expert groups.
CommunicationPaths communication_paths(const Plan& plan, const RankLayout& layout, const Routes& routes, bool moe);

}  // namespace trainyard
