// What a GPU can be busy with, in the words in which a measured and a simulated timeline are compared.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/operators.hpp"
#include "sim/plan/plan.hpp"

namespace trainyard {

// `copy`: cudaMemcpy and cudaMemset. `other`: compute that belongs to no family known here.
enum class WorkCategory : std::uint8_t { gemm, attention, memory_bound, optimizer, other, copy, collective };
inline constexpr int compute_categories = 5;  // those before `copy`
std::string_view name(WorkCategory category);

// Of a collective a trace may not tell which one it is, or among whom.
struct GpuWork {
  WorkCategory category = WorkCategory::other;
  std::optional<CollectiveKind> collective = std::nullopt;
  std::optional<Axis> axis = std::nullopt;
  friend bool operator==(const GpuWork&, const GpuWork&) = default;
};

// A dense number of every such work, below 64 so that a set of them is a word.
using WorkCode = std::uint8_t;
inline constexpr int collective_kinds = 6;  // and `unknown`
inline constexpr int axes = 5;              // and `unknown`
inline constexpr int work_codes = 6 + (collective_kinds + 1) * (axes + 1);
static_assert(work_codes <= 64);
WorkCode code_of(const GpuWork& work);
GpuWork work_of(WorkCode code);
constexpr bool is_compute(WorkCode code) { return code < compute_categories; }
constexpr bool is_copy(WorkCode code) { return code == compute_categories; }
constexpr bool is_collective(WorkCode code) { return code > compute_categories; }

std::string key_of(const GpuWork& work);    // "gemm", "tp_all_gather", "unknown_axis_all_reduce"
std::string title_of(const GpuWork& work);  // "GEMM", "tp all-gather", "all-reduce"

}  // namespace trainyard
