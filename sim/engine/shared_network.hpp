// Flows that share links by weighted max-min fairness, and a clock. The scheduler that starts them is the client.
#pragma once

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace trainyard {

struct FlowClass {
  std::vector<int> links;  // each once, indices into the network's capacities; not empty
  double weight = 1.0;     // share of a link relative to other flows on it, > 0
  double cap = 0;          // bytes per second that it never exceeds; 0 = none
};

class NetworkClient {
 public:
  virtual ~NetworkClient() = default;
  // It is `now` seconds after the start of the run, and the flows `done` (as the client numbered them) have ended.
  // Returns the next time at which the client wants to be called even if no flow ends; infinity = never.
  virtual double advance(double now, std::span<const int> done) = 0;
};

// A network that a run failed in must not be used again.
class NetworkError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class SharedNetwork {
 public:
  virtual ~SharedNetwork() = default;
  // A flow of this class moves bytes > 0 from now on. Only from inside NetworkClient::advance. `id` >= 0 comes back in
  // `done`. Throws std::invalid_argument for bytes that are not positive and finite; the network is then of no more
  // use.
  virtual void start(int flow_class, double bytes, int id) = 0;
  // Calls client.advance(0, {}) first, and returns when no flow runs and the client wants no call.
  virtual void run(NetworkClient& client) = 0;
};

// capacities: bytes per second of every link, > 0 and finite; flow classes as they will be started. Throws
// std::invalid_argument for numbers that are not (NaN, zero, negative, infinite, an index out of range).
// SimGrid has one engine per process and belongs to the thread that made it: NetworkError where that is broken or
// SimGrid is not there.
std::unique_ptr<SharedNetwork> simgrid_network(std::span<const double> capacities, std::span<const FlowClass> classes);

}  // namespace trainyard
