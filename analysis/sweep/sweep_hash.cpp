#include "analysis/sweep/sweep_hash.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "analysis/inputs_hash.hpp"

namespace trainyard {
namespace {

// FNV-1a, 64 bit.
class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
    add_byte(0xff);  // no text contains it: "ab","c" differs from "a","bc"
  }
  void add(std::int64_t number) {
    for (int byte = 0; byte < 8; ++byte) add_byte(static_cast<unsigned char>(number >> (8 * byte)));
  }
  std::string text() const { return fmt::format("{:016x}", state_); }

 private:
  void add_byte(unsigned char byte) {
    state_ ^= byte;
    state_ *= 0x100000001b3ULL;
  }
  std::uint64_t state_ = 0xcbf29ce484222325ULL;
};

void add_grids(Hash& hash, const std::vector<ParallelGrid>& grids) {
  hash.add(std::ssize(grids));
  for (const ParallelGrid& g : grids) {
    for (const int size : {g.tp, g.pp, g.vpp, g.cp, g.ep, g.etp, g.dp, g.micro_batch_size})
      hash.add(std::int64_t{size});
    hash.add(g.schedule);
  }
}

void add_axis(Hash& hash, const SweepAxis& axis, const Plan& base) {
  hash.add(axis.key);
  hash.add(std::ssize(axis.values));
  for (const AxisChoice& choice : axis.values) {
    hash.add(choice.text);
    Plan plan = base;
    choice.apply(plan);
    hash.add(canonical_key(plan));
  }
}

}  // namespace

std::string sweep_hash(const Job& job, const SpaceAxes& axes, const std::vector<std::string>& where, int top) {
  Hash hash;
  hash.add(inputs_hash(job));
  add_grids(hash, axes.grids);
  hash.add(std::ssize(axes.inner));
  for (const SweepAxis& axis : axes.inner) add_axis(hash, axis, job.plan);
  hash.add(std::ssize(axes.variants));
  for (const PlacementVariant& variant : axes.variants) {
    hash.add(variant.rank_order);
    hash.add(canonical_key(variant.placement));
  }
  hash.add(std::ssize(where));
  for (const std::string& condition : where) hash.add(condition);
  hash.add(std::int64_t{top});
  return hash.text();
}

}  // namespace trainyard
