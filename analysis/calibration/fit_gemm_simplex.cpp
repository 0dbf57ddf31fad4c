#include "analysis/calibration/fit_gemm_simplex.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace trainyard {
namespace {

struct Vertex {
  std::vector<double> at;
  double value = 0;
};
bool better(const Vertex& a, const Vertex& b) { return a.value < b.value; }

class Simplex {
 public:
  Simplex(const std::function<double(const std::vector<double>&)>& function,
          const std::vector<SearchVariable>& variables, int evaluations)
      : function_(function), variables_(variables), left_(evaluations) {}

  // A vertex at `start` and one a step away in every variable.
  void build(const std::vector<double>& start) {
    vertices_ = {evaluated(start)};
    for (std::size_t i = 0; i < variables_.size(); ++i) {
      const SearchVariable& v = variables_[i];
      std::vector<double> at = start;
      at[i] += at[i] + v.step <= v.high ? v.step : -v.step;
      vertices_.push_back(evaluated(std::move(at)));
    }
    std::sort(vertices_.begin(), vertices_.end(), better);
  }
  const Vertex& best() const { return vertices_.front(); }
  bool exhausted() const { return left_ <= 0; }
  // All vertices are as good as each other.
  bool settled() const { return !(vertices_.back().value - best().value > 1e-7 * std::abs(best().value)); }

  // Replaces the worst vertex by a better one on the line through the middle of the others, or shrinks.
  void move() {
    const std::vector<double> middle = middle_of_others();
    const Vertex reflected = beyond(middle, 1.0);
    if (better(reflected, best())) {
      const Vertex expanded = beyond(middle, 2.0);
      return replace_worst(better(expanded, reflected) ? expanded : reflected);
    }
    if (better(reflected, vertices_[vertices_.size() - 2])) return replace_worst(reflected);
    const Vertex contracted = beyond(middle, better(reflected, vertices_.back()) ? 0.5 : -0.5);
    if (better(contracted, vertices_.back())) return replace_worst(contracted);
    shrink();
  }

 private:
  Vertex evaluated(std::vector<double> at) {
    for (std::size_t i = 0; i < at.size(); ++i) at[i] = std::clamp(at[i], variables_[i].low, variables_[i].high);
    --left_;
    const double value = function_(at);
    return {std::move(at), std::isnan(value) ? std::numeric_limits<double>::infinity() : value};
  }
  std::vector<double> middle_of_others() const {
    std::vector<double> middle(variables_.size());
    for (std::size_t v = 0; v + 1 < vertices_.size(); ++v)
      for (std::size_t i = 0; i < middle.size(); ++i) middle[i] += vertices_[v].at[i];
    for (double& x : middle) x /= static_cast<double>(vertices_.size() - 1);
    return middle;
  }
  Vertex beyond(const std::vector<double>& middle, double factor) {
    std::vector<double> at = middle;
    for (std::size_t i = 0; i < at.size(); ++i) at[i] += factor * (middle[i] - vertices_.back().at[i]);
    return evaluated(std::move(at));
  }
  void replace_worst(const Vertex& vertex) {
    vertices_.pop_back();
    vertices_.insert(std::upper_bound(vertices_.begin(), vertices_.end(), vertex, better), vertex);
  }
  void shrink() {
    for (std::size_t v = 1; v < vertices_.size(); ++v) {
      std::vector<double> at = vertices_[v].at;
      for (std::size_t i = 0; i < at.size(); ++i) at[i] = 0.5 * (at[i] + best().at[i]);
      vertices_[v] = evaluated(std::move(at));
    }
    std::sort(vertices_.begin(), vertices_.end(), better);
  }

  const std::function<double(const std::vector<double>&)>& function_;
  const std::vector<SearchVariable>& variables_;
  std::vector<Vertex> vertices_;
  int left_;
};

}  // namespace

std::vector<double> least(const std::function<double(const std::vector<double>&)>& function,
                          const std::vector<SearchVariable>& variables, int evaluations) {
  constexpr double worth_another = 1e-3;  // relative gain of a round
  std::vector<double> at;
  for (const SearchVariable& v : variables) at.push_back(v.start);
  Simplex simplex(function, variables, evaluations);
  double last = std::numeric_limits<double>::infinity();
  while (!simplex.exhausted()) {
    simplex.build(at);
    while (!simplex.exhausted() && !simplex.settled()) simplex.move();
    at = simplex.best().at;
    if (!(simplex.best().value < (1 - worth_another) * last)) break;
    last = simplex.best().value;
  }
  return at;
}

}  // namespace trainyard
