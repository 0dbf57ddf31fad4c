// Indices as distinct types, so that a rank is never used where a device is meant. All count from 0.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace trainyard {

template <class Tag>
struct Id {
  std::int32_t value = 0;

  constexpr Id() = default;
  constexpr explicit Id(std::int32_t v) : value(v) {}
  constexpr explicit Id(std::size_t v) : value(static_cast<std::int32_t>(v)) {}
  constexpr std::size_t index() const { return static_cast<std::size_t>(value); }
  friend constexpr auto operator<=>(Id, Id) = default;
};

using RankId = Id<struct RankTag>;      // global rank of the job
using DeviceId = Id<struct DeviceTag>;  // GPU of the cluster
using NodeId = Id<struct NodeTag>;      // server (compute tray) of the cluster
using StageId = Id<struct StageTag>;    // pipeline rank, 0 … pp-1
using ChunkId = Id<struct ChunkTag>;    // virtual pipeline chunk of a stage, 0 … vpp-1
using MicroBatchId = Id<struct MicroBatchTag>;
using InstructionId = Id<struct InstructionTag>;  // position in its rank kind's list

}  // namespace trainyard

template <class Tag>
struct std::hash<trainyard::Id<Tag>> {
  std::size_t operator()(trainyard::Id<Tag> id) const noexcept { return std::hash<std::int32_t>{}(id.value); }
};
