#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "analysis/validation/residual_patterns.hpp"
#include "analysis/validation/residual_rows.hpp"

namespace trainyard {
namespace {

using Rows = std::vector<ResidualRow>;

// Takes from every row the mean of its group.
void centre_by_group(Rows& rows) {
  std::map<std::string, ResidualIndices> groups;
  for (std::size_t i = 0; i < rows.size(); ++i) groups[rows[i].group].push_back(i);
  for (const auto& [group, members] : groups) {
    const double mean = moments(rows, members).mean;
    for (const std::size_t i : members) rows[i].left -= mean;
  }
}

AxisValue value_of(const Rows& centred, std::size_t axis, const std::string& value, const ResidualIndices& members) {
  AxisValue found;
  found.axis = residual_axes()[axis].name;
  found.value = value;
  found.rows = static_cast<int>(members.size());
  std::set<std::string> groups;
  for (const std::size_t i : members) {
    groups.insert(centred[i].group);
    found.mape += std::abs(centred[i].error) / found.rows;
    found.bias += centred[i].error / found.rows;
  }
  const ResidualMoments m = moments(centred, members);
  found.groups = static_cast<int>(groups.size());
  found.within = std::expm1(m.mean);
  found.surprise = m.surprise();
  return found;
}

}  // namespace

std::vector<AxisValue> values_by_axis(const std::vector<ValidatedRun>& validated) {
  Rows rows = residual_rows(validated);
  centre_by_group(rows);
  std::vector<AxisValue> all;
  for (std::size_t axis = 0; axis < residual_axes().size(); ++axis) {
    std::map<std::string, ResidualIndices> members;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (rows[i].values[axis]) members[*rows[i].values[axis]].push_back(i);
    if (members.size() < 2) continue;
    std::vector<AxisValue> values;
    for (const auto& [value, in_value] : members) values.push_back(value_of(rows, axis, value, in_value));
    std::stable_sort(values.begin(), values.end(),
                     [](const AxisValue& a, const AxisValue& b) { return a.surprise > b.surprise; });
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

}  // namespace trainyard
