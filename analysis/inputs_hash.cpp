#include "analysis/inputs_hash.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "models/model_config.hpp"

namespace trainyard {
namespace {

// FNV-1a, 64 bit.
class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
    add_byte(0xff);  // no text contains it: "ab","c" differs from "a","bc"
  }
  void add(double number) { add(fmt::format("{}", number)); }
  std::string text() const { return fmt::format("{:016x}", state_); }

 private:
  void add_byte(unsigned char byte) {
    state_ ^= byte;
    state_ *= 0x100000001b3ULL;
  }
  std::uint64_t state_ = 0xcbf29ce484222325ULL;
};

void add_cluster(Hash& h, const Cluster& c) {
  h.add(c.gpu);
  for (const auto& row : c.node.relations)
    for (const Relation& r : row) h.add(static_cast<double>(r.nvlinks * 16 + static_cast<int>(r.link)));
  for (double v :
       {static_cast<double>(c.nodes), static_cast<double>(c.gpus_per_node()), c.gpu_memory.value,
        c.nvlink_bandwidth.value, c.pcie_bandwidth.value, c.socket_bandwidth.value, c.nic_bandwidth.value,
        static_cast<double>(c.nodes_per_nvlink_domain), c.nvlink_switch ? 1.0 : 0.0, c.nvlink_multicast ? 1.0 : 0.0,
        static_cast<double>(c.fabric.kind), static_cast<double>(c.fabric.nodes_per_leaf), c.fabric.oversubscription})
    h.add(v);
  h.add(c.fabric.network);
}

// Adds nothing to the hash of a healthy cluster.
void add_stragglers(Hash& h, const Stragglers& s) {
  if (s == Stragglers{}) return;
  for (const SlowGpu& slow : s.gpus) {
    h.add(static_cast<double>(slow.gpu));
    h.add(slow.speed);
  }
  h.add("links");
  for (const DegradedLink& link : s.links)
    for (double v : {static_cast<double>(link.part), static_cast<double>(link.node), static_cast<double>(link.index),
                     link.bandwidth})
      h.add(v);
  h.add(s.jitter);
  h.add(fmt::format("{}", s.seed));
}

}  // namespace

std::string inputs_hash(const Job& job) {
  Hash h;
  h.add(to_yaml(job.model));
  add_cluster(h, job.cluster);
  add_stragglers(h, job.cluster.stragglers);
  h.add(static_cast<double>(job.workload.sequence_length));
  h.add(name(job.workload.precision));
  h.add(name(job.workload.fp8_recipe));
  h.add(job.workload.fp8_attention ? 1.0 : 0.0);
  h.add(static_cast<double>(job.workload.document_length));
  h.add(canonical_key(job.plan));
  for (const auto* part :
       {&job.profile.device.provenance, &job.profile.network.provenance, &job.profile.stack.provenance})
    for (const Provenance& p : *part) {
      h.add(p.constant);
      h.add(p.value);
    }
  return h.text();
}

}  // namespace trainyard
