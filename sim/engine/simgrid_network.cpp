// SharedNetwork on SimGrid 3.32: one Comm per flow, whose route is the list of links of its class. Everything runs in
// maestro: a kernel timer for the client's own dates, completion callbacks for the flows. This is the only file that
// knows SimGrid, some of whose headers here are its kernel's. It is built as a module, because SimGrid's libraries take
// tens of milliseconds to load.
//
// What SimGrid does otherwise, and what is done about it:
//   shares are weighted by 1 / latency of the route      every route advertises 1 / weight; the latency charged is 0
//   a rate set on a host-to-host Comm is ignored         a fat-pipe link of that bandwidth in the route
//   a TCP window bounds a flow                           network/TCP-gamma
//   a flow also loads its way back                       network/crosstraffic
//   NaN, zero and negative numbers are accepted          checked before it sees them
//   one engine per process                               checked; an engine is replaced when its network is gone
//   another thread's run() loses completions             checked
//   Ctrl-C becomes its own, which says nothing           the handler from before is put back
//   the clock is never set back, so that rounding        every run starts at a whole second between 2^20 and 2^21,
//   would depend on what ran before                      where the clock's grid is 2^-32 s throughout
#include <signal.h>
#include <xbt/log.h>
#include <simgrid/kernel/Timer.hpp>
#include <simgrid/kernel/resource/NetworkModelIntf.hpp>
#include <simgrid/kernel/routing/NetPoint.hpp>
#include <simgrid/kernel/routing/NetZoneImpl.hpp>
#include <simgrid/s4u.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "sim/engine/shared_network.hpp"
#include "sim/engine/simgrid_module.hpp"

namespace trainyard {
namespace {

namespace s4u = simgrid::s4u;
using simgrid::kernel::resource::StandardLinkImpl;
using simgrid::kernel::timer::Timer;

// A zone in which the next route is what the network says it is.
class BundleZone : public simgrid::kernel::routing::NetZoneImpl {
 public:
  explicit BundleZone(const std::string& name) : NetZoneImpl(name) {}
  const std::vector<StandardLinkImpl*>* route = nullptr;
  double advertised_latency = 1.0;

  void get_local_route(const simgrid::kernel::routing::NetPoint*, const simgrid::kernel::routing::NetPoint*,
                       simgrid::kernel::routing::Route* into, double* latency) override {
    into->link_list_.insert(into->link_list_.end(), route->begin(), route->end());
    if (latency != nullptr) *latency += advertised_latency;
  }
  void get_graph(const s_xbt_graph_t*, std::map<std::string, xbt_node_t, std::less<>>*,
                 std::map<std::string, xbt_edge_t, std::less<>>*) override {}
};

class SimGridNetwork;
SimGridNetwork* alive = nullptr;  // SimGrid's engine is one per process

class SimGridNetwork final : public SharedNetwork {
 public:
  SimGridNetwork(std::span<const double> capacities, std::span<const FlowClass> classes) {
    if (alive != nullptr) throw NetworkError("another SimGrid network is in use; there is one per process");
    alive = this;
    make_engine();
    make_zone(capacities, classes);
  }
  ~SimGridNetwork() override {
    completed_.clear();
    alive = nullptr;
  }
  SimGridNetwork(const SimGridNetwork&) = delete;
  SimGridNetwork& operator=(const SimGridNetwork&) = delete;

  void start(int flow_class, double bytes, int id) override {
    if (!std::isfinite(bytes) || bytes <= 0)
      throw std::invalid_argument("a flow moves a positive, finite number of bytes");
    const Route& route = routes_.at(static_cast<std::size_t>(flow_class));
    zone_->route = &route.links;
    zone_->advertised_latency = route.latency;
    const s4u::CommPtr comm = s4u::Comm::sendto_init();
    comm->set_payload_size(scaled(bytes));
    running_.emplace(comm.get(), Running{comm, id});
    comm->set_source(hosts_.first);
    comm->set_destination(hosts_.second);  // starts it, and asks for the route
  }

  void run(NetworkClient& client) override {
    if (owner_ != std::this_thread::get_id())
      throw NetworkError("a SimGrid network runs on the thread that made it, and on no other");
    client_ = &client;
    begin_ = std::ceil(std::max(first_second, s4u::Engine::get_clock()));
    if (begin_ >= last_second) throw NetworkError("SimGrid has simulated for twelve days; a new process is needed");
    now_ = 0;
    wake(0);
    engine_->run();
    client_ = nullptr;
    if (!running_.empty())
      throw NetworkError("SimGrid ended with " + std::to_string(running_.size()) + " flows unfinished");
  }

 private:
  struct Route {
    std::vector<StandardLinkImpl*> links;
    double latency = 1.0;
  };
  struct Running {
    s4u::CommPtr comm;
    int id = 0;
  };

  // Without any latency SimGrid forgets the weight.
  static constexpr double weighing_latency = 1e-9;  // seconds

  static constexpr double first_second = 1 << 20, last_second = 2 * first_second;

  // Payloads are whole numbers: links and bytes are counted in 1/1024 byte so that nothing is rounded visibly.
  static constexpr double units_per_byte = 1024.0;
  static std::uint64_t scaled(double bytes) {
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::llround(bytes * units_per_byte)));
  }

  void make_engine() {
    static bool configured = false;
    static std::unique_ptr<s4u::Engine> current;
    current.reset();
    static std::string name = "trainyard";
    int argc = 1;
    char* arguments[] = {name.data(), nullptr};
    struct sigaction on_interrupt {};
    sigaction(SIGINT, nullptr, &on_interrupt);
    current = std::make_unique<s4u::Engine>(&argc, arguments);
    sigaction(SIGINT, &on_interrupt, nullptr);
    engine_ = current.get();
    if (std::exchange(configured, true)) return;
    xbt_log_control_set("root.thres:critical");
    s4u::Engine::set_config("network/model:CM02");
    s4u::Engine::set_config("network/crosstraffic:0");
    s4u::Engine::set_config("network/TCP-gamma:1e300");
    s4u::Activity::on_completion_cb([](const s4u::Activity& activity) {
      if (alive != nullptr) alive->complete(activity);
    });
  }

  void make_zone(std::span<const double> capacities, std::span<const FlowClass> classes) {
    static int generation = 0;
    const std::string prefix = "n" + std::to_string(generation++);
    zone_ = new BundleZone(prefix);  // owned by the engine
    s4u::NetZone* zone = zone_->get_iface();
    hosts_ = {zone->create_host(prefix + "a", 1.0), zone->create_host(prefix + "b", 1.0)};
    std::vector<StandardLinkImpl*> links;
    for (std::size_t l = 0; l < capacities.size(); ++l)
      links.push_back(make_link(zone, prefix + "l" + std::to_string(l), capacities[l]));
    std::map<double, StandardLinkImpl*> caps;
    for (const FlowClass& flow : classes) {
      Route& route = routes_.emplace_back();
      route.latency = 1.0 / flow.weight;
      for (const int l : flow.links) route.links.push_back(links[static_cast<std::size_t>(l)]);
      if (flow.cap <= 0) continue;
      StandardLinkImpl*& cap = caps[flow.cap];
      if (cap == nullptr)
        cap = make_link(zone, prefix + "c" + std::to_string(caps.size()), flow.cap, s4u::Link::SharingPolicy::FATPIPE);
      route.links.push_back(cap);
    }
    zone->get_network_model()->set_lat_factor_cb([](double, const s4u::Host*, const s4u::Host*,
                                                    const std::vector<s4u::Link*>&,
                                                    const std::unordered_set<s4u::NetZone*>&) {
      const double advertised = alive->zone_->advertised_latency;
      return advertised == 1.0 ? 0.0 : weighing_latency / advertised;
    });
    zone->seal();
  }
  static StandardLinkImpl* make_link(s4u::NetZone* zone, const std::string& name, double bandwidth,
                                     s4u::Link::SharingPolicy policy = s4u::Link::SharingPolicy::SHARED) {
    s4u::Link* link = zone->create_link(name, units_per_byte * bandwidth);
    link->set_latency(0.0);
    link->set_sharing_policy(policy);
    link->seal();
    return link->get_impl();
  }

  void complete(const s4u::Activity& activity) {
    const auto found = running_.find(&activity);
    if (found == running_.end()) return;
    completed_.push_back(std::move(found->second.comm));  // may not be released inside its own callback
    done_.push_back(found->second.id);
    running_.erase(found);
    wake(s4u::Engine::get_clock() - begin_);
  }

  // Has the client called `time` after the start, unless it will be called no later anyway.
  void wake(double time) {
    if (timer_ != nullptr && timer_time_ <= time) return;
    if (timer_ != nullptr) timer_->remove();
    timer_time_ = time;
    timer_ = Timer::set(std::max(begin_ + time, s4u::Engine::get_clock()), [this] {
      timer_ = nullptr;
      call();
    });
  }
  void call() {
    completed_.clear();
    std::swap(done_, reported_);
    now_ = std::max(now_, timer_time_);  // what was asked for, not its rounded distance from the clock's start
    const double next = client_->advance(now_, reported_);
    reported_.clear();
    if (std::isfinite(next)) wake(std::max(now_, next));
  }

  const std::thread::id owner_ = std::this_thread::get_id();
  s4u::Engine* engine_ = nullptr;
  BundleZone* zone_ = nullptr;
  std::pair<s4u::Host*, s4u::Host*> hosts_{};
  std::vector<Route> routes_;  // [flow class]
  std::map<const s4u::Activity*, Running> running_;
  std::vector<s4u::CommPtr> completed_;
  std::vector<int> done_, reported_;
  NetworkClient* client_ = nullptr;
  Timer* timer_ = nullptr;
  double timer_time_ = 0;
  double begin_ = 0;  // of the run, by SimGrid's clock
  double now_ = 0;
};

}  // namespace
}  // namespace trainyard

extern "C" trainyard::SharedNetwork* trainyard_simgrid_network(std::span<const double> capacities,
                                                               std::span<const trainyard::FlowClass> classes) {
  return new trainyard::SimGridNetwork(capacities, classes);
}
