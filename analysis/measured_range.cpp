#include "analysis/measured_range.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "models/operators.hpp"

namespace trainyard {
namespace {

const GemmSurface& surface_of(DataType type, const DeviceProfile& device) {
  if (type == DataType::fp8 && device.peak_fp8.value > 0) return device.fp8.surface;
  if (type == DataType::nvfp4 && device.peak_fp4.value > 0) return device.fp4.surface;
  return device.gemm.surface;
}

// How far a dimension lies outside of its knots, as a factor; 1 = inside.
double excess(std::int64_t size, const std::vector<double>& knots) {
  const double value = static_cast<double>(size);
  if (value > knots.back()) return value / knots.back();
  return value < knots.front() ? knots.front() / value : 1.0;
}

// Beyond the last knots a GEMM runs at full rate or is all launch, as there: only what lies further out than this
// factor is worth a warning.
constexpr double tolerated = 8.0;

struct Outsider {
  double factor = tolerated;
  Gemm gemm;
  std::string_view name;
};

void compare(const Operator& op, const Gemm& gemm, const GemmSurface& surface, Outsider& worst) {
  const std::array<std::pair<std::int64_t, const std::vector<double>*>, 3> sides = {
      {{gemm.m, &surface.m}, {gemm.n, &surface.n}, {gemm.k, &surface.k}}};
  for (const auto& [size, knots] : sides) {
    const double factor = excess(size, *knots);
    if (factor > worst.factor) worst = {factor, gemm, op.name};
  }
}

std::string warning(const Outsider& worst, DataType type, const GemmSurface& surface) {
  return fmt::format(
      "{} GEMM {} (m {}, n {}, k {}) lies outside of the shapes that the device profile was measured on (m {:.0f} to "
      "{:.0f}, n {:.0f} to {:.0f}, k {:.0f} to {:.0f}): extrapolated",
      name(type), worst.name, worst.gemm.m, worst.gemm.n, worst.gemm.k, surface.m.front(), surface.m.back(),
      surface.n.front(), surface.n.back(), surface.k.front(), surface.k.back());
}

}  // namespace

std::vector<std::string> measured_range_warnings(const StepProgram& program, const DeviceProfile& device) {
  constexpr std::array types = {DataType::bf16, DataType::fp8, DataType::nvfp4};  // bf16 stands for all of 16 bit
  std::array<Outsider, types.size()> worst{};
  for (const Segment& segment : program.segments)
    for (const LayerStep& step : segment.steps) {
      const auto* op = std::get_if<Operator>(&step.work);
      const auto* gemm = op != nullptr ? std::get_if<Gemm>(&op->work) : nullptr;
      if (gemm == nullptr || gemm->batch > 1) continue;
      const std::size_t type = gemm->type == DataType::fp8 ? 1 : gemm->type == DataType::nvfp4 ? 2 : 0;
      const GemmSurface& surface = surface_of(gemm->type, device);
      if (!surface.ratio.empty()) compare(*op, *gemm, surface, worst[type]);
    }
  std::vector<std::string> warnings;
  for (std::size_t t = 0; t < types.size(); ++t)
    if (worst[t].factor > tolerated) warnings.push_back(warning(worst[t], types[t], surface_of(types[t], device)));
  return warnings;
}

}  // namespace trainyard
