#include "analysis/trace/real_work.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trainyard {
namespace {

constexpr int first_collective = compute_categories + 1;

}  // namespace

std::string_view name(WorkCategory category) {
  switch (category) {
    case WorkCategory::gemm:
      return "GEMM";
    case WorkCategory::attention:
      return "attention";
    case WorkCategory::memory_bound:
      return "memory-bound";
    case WorkCategory::optimizer:
      return "optimizer";
    case WorkCategory::other:
      return "other compute";
    case WorkCategory::copy:
      return "copies and sets";
    case WorkCategory::collective:
      return "collective";
  }
  return "?";
}

WorkCode code_of(const GpuWork& work) {
  if (work.category != WorkCategory::collective) return static_cast<WorkCode>(work.category);
  const int kind = work.collective ? static_cast<int>(*work.collective) : collective_kinds;
  const int axis = work.axis ? static_cast<int>(*work.axis) : axes;
  return static_cast<WorkCode>(first_collective + kind * (axes + 1) + axis);
}

GpuWork work_of(WorkCode code) {
  if (code < first_collective) return {static_cast<WorkCategory>(code)};
  GpuWork work{WorkCategory::collective};
  const int kind = (code - first_collective) / (axes + 1), axis = (code - first_collective) % (axes + 1);
  if (kind < collective_kinds) work.collective = static_cast<CollectiveKind>(kind);
  if (axis < axes) work.axis = static_cast<Axis>(axis);
  return work;
}

std::string key_of(const GpuWork& work) {
  std::string key = title_of(work);
  std::transform(key.begin(), key.end(), key.begin(), [](char c) {
    if (c == ' ' || c == '-' || c == '/') return '_';
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return key;
}

std::string title_of(const GpuWork& work) {
  if (work.category != WorkCategory::collective) return std::string(name(work.category));
  const std::string kind = work.collective ? std::string(name(*work.collective)) : "collective";
  return work.axis ? fmt::format("{} {}", name(*work.axis), kind) : kind;
}

}  // namespace trainyard
