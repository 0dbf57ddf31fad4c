#include "tests/support/max_min_network.hpp"

#include <algorithm>
#include <limits>

namespace trainyard::testing {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

class MaxMinNetwork final : public SharedNetwork {
 public:
  MaxMinNetwork(std::span<const double> capacities, std::span<const FlowClass> classes)
      : capacities_(capacities.begin(), capacities.end()), classes_(classes.begin(), classes.end()) {}

  void start(int flow_class, double bytes, int id) override { flows_.push_back({flow_class, bytes, id, 0}); }

  void run(NetworkClient& client) override {
    double now = 0, wake = client.advance(0, {});
    while (!flows_.empty() || wake < never) {
      share();
      double next = wake;
      for (const Flow& f : flows_) next = std::min(next, now + f.left / f.rate);
      std::vector<int> done;
      for (Flow& f : flows_) {
        // A flow that would end within rounding of this moment ends now.
        const bool ends = now + f.left / f.rate <= next * (1 + 1e-15);
        f.left -= f.rate * (next - now);
        if (ends) done.push_back(f.id), f.id = -1;
      }
      std::erase_if(flows_, [](const Flow& f) { return f.id < 0; });
      now = next;
      wake = client.advance(now, done);
    }
  }

 private:
  struct Flow {
    int flow_class;
    double left;
    int id;
    double rate;
  };

  // Raises all rates in proportion to their weights; a flow stops at its cap or when a link of it is full.
  void share() {
    std::vector<bool> fixed(flows_.size(), false);
    std::vector<double> left = capacities_;
    for (Flow& f : flows_) f.rate = 0;
    for (std::size_t remaining = flows_.size(); remaining > 0;) {
      std::vector<double> weight(left.size(), 0.0);
      for (std::size_t i = 0; i < flows_.size(); ++i)
        if (!fixed[i])
          for (const int l : of(i).links) weight[static_cast<std::size_t>(l)] += of(i).weight;
      double level = never;
      for (std::size_t l = 0; l < left.size(); ++l)
        if (weight[l] > 0) level = std::min(level, left[l] / weight[l]);
      for (std::size_t i = 0; i < flows_.size(); ++i)
        if (!fixed[i] && of(i).cap > 0) level = std::min(level, of(i).cap / of(i).weight);
      for (std::size_t i = 0; i < flows_.size(); ++i) {
        if (fixed[i] || !stops_at(i, level, left, weight)) continue;
        fixed[i] = true;
        --remaining;
        flows_[i].rate = level * of(i).weight;
      }
      // Links give what the flows fixed at this level take.
      left = capacities_;
      for (std::size_t i = 0; i < flows_.size(); ++i)
        if (fixed[i])
          for (const int l : of(i).links) left[static_cast<std::size_t>(l)] -= flows_[i].rate;
    }
  }
  bool stops_at(std::size_t i, double level, const std::vector<double>& left, const std::vector<double>& weight) const {
    const double edge = level * (1 + 1e-12);
    if (of(i).cap > 0 && of(i).cap / of(i).weight <= edge) return true;
    return std::any_of(of(i).links.begin(), of(i).links.end(), [&](int l) {
      return left[static_cast<std::size_t>(l)] / weight[static_cast<std::size_t>(l)] <= edge;
    });
  }
  const FlowClass& of(std::size_t flow) const { return classes_[static_cast<std::size_t>(flows_[flow].flow_class)]; }

  std::vector<double> capacities_;
  std::vector<FlowClass> classes_;
  std::vector<Flow> flows_;
};

}  // namespace

std::unique_ptr<SharedNetwork> max_min_network(std::span<const double> capacities, std::span<const FlowClass> classes) {
  return std::make_unique<MaxMinNetwork>(capacities, classes);
}

}  // namespace trainyard::testing
