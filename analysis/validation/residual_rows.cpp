#include "analysis/validation/residual_rows.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/validation/residual_patterns.hpp"

namespace trainyard {
namespace {

constexpr int full_weight = 10;       // rows of a group; a smaller one says less than the others
constexpr double noise_floor = 0.02;  // median difference of configurations measured twice
constexpr double largest = 0.7;       // of |ln(predicted / measured)|: a factor of 2 says no more than a factor of 10

}  // namespace

std::vector<ResidualRow> residual_rows(const std::vector<ValidatedRun>& rows) {
  std::vector<ResidualRow> all;
  std::map<std::string, int> of_group;
  for (const ValidatedRun& row : rows) {
    const std::optional<double> error = step_time_error(row);
    if (!error) continue;
    ResidualRow& one = all.emplace_back();
    one.id = row.run.id;
    one.group = row.run.split_group;
    one.error = *error;
    one.left = std::clamp(std::log1p(*error), -largest, largest);
    for (const ResidualAxis& axis : residual_axes()) one.values.push_back(axis.value(row));
    ++of_group[one.group];
  }
  for (ResidualRow& row : all) row.weight = 1.0 / std::max(full_weight, of_group[row.group]);
  return all;
}

ResidualMoments moments(const std::vector<ResidualRow>& rows, const ResidualIndices& of) {
  ResidualMoments m;
  double weight = 0, sum = 0, squares = 0;
  for (const std::size_t i : of) {
    weight += rows[i].weight;
    sum += rows[i].weight * rows[i].left;
    squares += rows[i].weight * rows[i].left * rows[i].left;
  }
  if (of.empty()) return m;
  m.rows = static_cast<int>(of.size());
  m.mean = sum / weight;
  m.deviation = std::max(noise_floor, std::sqrt(std::max(0.0, squares / weight - m.mean * m.mean)));
  m.gain = sum * m.mean;
  return m;
}

double ResidualMoments::surprise() const { return rows == 0 ? 0 : std::abs(mean) * std::sqrt(rows) / deviation; }

}  // namespace trainyard
