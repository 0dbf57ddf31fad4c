#include "models/profile_values.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace trainyard {
namespace {

std::vector<double> ascending(const YamlValue& v) {
  std::vector<double> knots;
  for (const YamlValue& item : v.as_sequence()) {
    knots.push_back(item.as_number(1, 1e9));
    if (knots.size() > 1 && knots.back() <= knots[knots.size() - 2]) item.fail("knots must ascend");
  }
  if (knots.empty()) v.fail(fmt::format("{} needs at least one knot", v.path()));
  return knots;
}
CollectiveRegime collective_regime(const YamlValue& v) {
  const std::vector<YamlValue> items = v.as_sequence();
  if (items.size() != 3) v.fail(fmt::format("{} needs [from bytes, latency, bandwidth]", v.path()));
  CollectiveRegime regime{items[0].as_bytes(), items[1].as_duration(), items[2].as_bandwidth()};
  if (regime.bandwidth.value <= 0) items[2].fail("a bandwidth must be above 0");
  return regime;
}

constexpr double widest_head = 65536;  // columns

std::vector<HeadWidth> head_widths(const YamlValue& v) {
  std::vector<HeadWidth> widths;
  for (const YamlValue& item : v.as_sequence()) {
    const std::vector<YamlValue> pair = item.as_sequence();
    if (pair.size() != 2) item.fail(fmt::format("{} needs [columns, relative efficiency]", item.path()));
    const HeadWidth width{pair[0].as_number(1, widest_head), pair[1].as_number(1e-3, 1e3)};
    if (!widths.empty() && width.columns <= widths.back().columns) pair[0].fail("head widths must ascend");
    widths.push_back(width);
  }
  if (widths.empty()) v.fail(fmt::format("{} needs at least one width", v.path()), "leave it out for the usual rule");
  return widths;
}
AttentionModel attention_kernel(YamlMapping& fields) {
  AttentionModel model;
  model.efficiency = fields.required("efficiency").as_number(1e-3, 2);
  model.key_overhead = fields.required("key_overhead").as_number(0, 1e5);
  model.tail = fields.required("tail").as_number(0, 1e3);
  if (const auto widths = fields.optional("head_widths")) model.head_widths = head_widths(*widths);
  return model;
}

}  // namespace

void read(const YamlValue& v, double& out) { out = v.as_number(0, 1e6); }
void read(const YamlValue& v, int& out) { out = static_cast<int>(v.as_int(1, 100000)); }
void read(const YamlValue& v, bool& out) { out = v.as_bool(); }
void read(const YamlValue& v, Seconds& out) { out = v.as_duration(); }
void read(const YamlValue& v, Bytes& out) { out = v.as_bytes(); }
void read(const YamlValue& v, BytesPerSecond& out) { out = v.as_bandwidth(); }
void read(const YamlValue& v, FlopsPerSecond& out) { out = v.as_throughput(); }
void read(const YamlValue& v, std::array<double, 6>& out) {
  const std::vector<YamlValue> items = v.as_sequence();
  if (items.size() != out.size())
    v.fail(fmt::format("{} needs {} numbers, not {}", v.path(), out.size(), items.size()));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = items[i].as_number(0, 2);
}
void read(const YamlValue& v, AttentionModel& out) {
  if (v.is_map()) {
    YamlMapping fields(v);
    out = attention_kernel(fields);
    fields.finish();
    return;
  }
  const std::vector<YamlValue> items = v.as_sequence();
  if (items.size() != 3) v.fail(fmt::format("{} needs [efficiency, key overhead, tail]", v.path()));
  out = {items[0].as_number(1e-3, 2), items[1].as_number(0, 1e5), items[2].as_number(0, 1e3), {}};
}
void read(const YamlValue& v, std::optional<PrefillAttention>& out) {
  YamlMapping fields(v);
  PrefillAttention prefill;
  prefill.kernel = attention_kernel(fields);
  prefill.cache_efficiency = fields.required("cache_efficiency").as_number(1e-3, 10);
  prefill.cache_token = fields.required("cache_token").as_duration();
  prefill.fixed = fields.required("fixed").as_duration();
  fields.finish();
  out = std::move(prefill);
}
void read(const YamlValue& v, GemmSurface& out) {
  YamlMapping fields(v);
  out.m = ascending(fields.required("m"));
  out.n = ascending(fields.required("n"));
  out.k = ascending(fields.required("k"));
  const YamlValue percent = fields.required("percent");
  out.ratio.clear();
  for (const YamlValue& item : percent.as_sequence()) out.ratio.push_back(item.as_number(1, 10000) / 100.0);
  const std::size_t wanted = out.m.size() * out.n.size() * out.k.size();
  if (out.ratio.size() != wanted)
    percent.fail(fmt::format("{} needs {} numbers, not {}", percent.path(), wanted, out.ratio.size()),
                 "one per knot of m, n and k, k fastest");
  fields.finish();
}
void read(const YamlValue& v, std::vector<CollectiveCurve>& out) {
  out.clear();
  for (const YamlValue& item : v.as_sequence()) {
    YamlMapping fields(item);
    CollectiveCurve curve;
    curve.operation =
        fields.required("operation").as_choice({"all_reduce", "all_gather", "reduce_scatter", "all_to_all"});
    curve.ranks = static_cast<int>(fields.required("ranks").as_int(2, 100000));
    if (const auto nominal = fields.optional("measured_at")) {
      curve.measured_at = nominal->as_bandwidth();
      if (curve.measured_at.value <= 0) nominal->fail("a bandwidth must be above 0");
    }
    const YamlValue regimes = fields.required("regimes");
    for (const YamlValue& regime : regimes.as_sequence()) {
      curve.regimes.push_back(collective_regime(regime));
      if (curve.regimes.size() > 1 && curve.regimes.back().from <= curve.regimes[curve.regimes.size() - 2].from)
        regime.fail("regimes must ascend in size");
    }
    if (curve.regimes.empty()) regimes.fail(fmt::format("{} needs at least one regime", regimes.path()));
    fields.finish();
    for (const CollectiveCurve& other : out)
      if (other.operation == curve.operation && other.ranks == curve.ranks)
        item.fail(fmt::format("a second curve of {} over {} ranks", curve.operation, curve.ranks));
    out.push_back(std::move(curve));
  }
}
void read(const YamlValue& v, AttentionKernel& out) {
  const std::string word = v.as_choice({"materialised", "flash1", "flash2", "flash3"});
  out = word == "materialised" ? AttentionKernel::materialised
        : word == "flash1"     ? AttentionKernel::flash1
        : word == "flash2"     ? AttentionKernel::flash2
                               : AttentionKernel::flash3;
}
void read(const YamlValue& v, TpOverlap& out) {
  const std::string word = v.as_choice({"none", "backward", "userbuffers", "async_tp"});
  out = word == "none"          ? TpOverlap::none
        : word == "backward"    ? TpOverlap::backward
        : word == "userbuffers" ? TpOverlap::userbuffers
                                : TpOverlap::async_tp;
}
void read(const YamlValue& v, P2pMode& out) {
  out = v.as_choice({"blocking", "overlapped"}) == "blocking" ? P2pMode::blocking : P2pMode::overlapped;
}
void read(const YamlValue& v, ExpertDispatcher& out) {
  const std::string word = v.as_choice({"alltoall", "allgather", "deepep"});
  out = word == "alltoall"    ? ExpertDispatcher::all_to_all
        : word == "allgather" ? ExpertDispatcher::all_gather
                              : ExpertDispatcher::deepep;
}
void read(const YamlValue& v, DataType& out) {
  out = v.as_choice({"fp32", "bf16"}) == "fp32" ? DataType::fp32 : DataType::bf16;
}

}  // namespace trainyard
