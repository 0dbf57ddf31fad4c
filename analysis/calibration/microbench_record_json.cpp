#include "analysis/calibration/microbench_record_json.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

namespace trainyard {
namespace {

constexpr double largest_extent = 2'000'000;
constexpr double shortest_time = 1e-9, longest_time = 1e5;  // s
constexpr double largest_bytes = 1e18;

DataType type_of(const MicrobenchRecord& r) {
  const std::string word = r.text("dtype");
  if (word.starts_with("fp8")) return DataType::fp8;
  const std::optional<DataType> type = data_type_from(word);
  if (!type) r.fail(fmt::format("\"dtype\" '{}' is not known", word));
  return *type;
}

GemmPass pass_of(const MicrobenchRecord& r) {
  const std::string word = r.text_or("pass", "forward");
  if (word == "forward") return GemmPass::forward;
  if (word == "dgrad") return GemmPass::dgrad;
  if (word == "wgrad") return GemmPass::wgrad;
  if (word == "square") return GemmPass::square;
  r.fail(fmt::format("\"pass\" '{}' is not known", word));
}

void add_gemm(const MicrobenchRecord& r, Measurements& all) {
  GemmSample s;
  s.gemm.m = r.extent("m");
  s.gemm.n = r.extent("n");
  s.gemm.k = r.extent("k");
  s.gemm.type = type_of(r);
  s.gemm.accumulate = r.flag("accumulate", false);
  s.pass = pass_of(r);
  s.gemm.weight_gradient = s.pass == GemmPass::wgrad;
  s.block_scaled = r.flag("block_scaled", false);
  s.time = r.time("time_s");
  s.where = r.where();
  all.gemms.push_back(std::move(s));
}

void add_attention(const MicrobenchRecord& r, Measurements& all) {
  AttentionSample s;
  s.kernel = r.text("kernel");
  s.attention.sequences = r.extent("batch");
  s.attention.length = r.extent("length");
  s.attention.heads = r.extent("heads");
  s.attention.d_qk = r.extent("head_dim");
  s.attention.d_v = s.attention.d_qk;
  s.attention.causal = r.flag("causal", true);
  s.attention.type = type_of(r);
  const std::string pass = r.text_or("pass", "forward");
  if (pass != "forward" && pass != "backward") r.fail(fmt::format("\"pass\" '{}' is not known", pass));
  s.attention.backward = pass == "backward";
  s.kv_heads = r.extent("kv_heads");
  s.time = r.time("time_s");
  s.where = r.where();
  all.attentions.push_back(std::move(s));
}

void add_memory(const MicrobenchRecord& r, Measurements& all) {
  MemorySample s{r.kind(), r.text("kernel"), true, r.bytes("bytes"), r.time("time_s"), r.where()};
  s.fused = r.flag("fused", s.kernel.find("unfused") == std::string::npos);
  all.memory.push_back(std::move(s));
}

void add_launch(const MicrobenchRecord& r, Measurements& all) {
  all.launches.push_back({r.text("kernel"), r.time("time_s"), r.where()});
}

void add_copy(const MicrobenchRecord& r, Measurements& all) {
  all.copies.push_back({r.text("direction"), r.flag("pinned", true), r.bytes("bytes"), r.time("time_s"), r.where()});
}

void add_peer(const MicrobenchRecord& r, Measurements& all) {
  const bool both = r.text_or("direction", "unidirectional") == "bidirectional";
  all.copies.push_back({both ? "peer_bidirectional" : "peer", true, r.bytes("bytes"), r.time("time_s"), r.where()});
}

void add_overlap(const MicrobenchRecord& r, Measurements& all) {
  const std::string with = r.text("with");
  if (with == "none") return;  // the same GEMM twice alone: what the method itself adds
  all.overlaps.push_back({with, r.time("alone_s"), r.time("time_s"), r.where()});
}

struct Kind {
  std::string_view name;
  void (*add)(const MicrobenchRecord&, Measurements&);
};
constexpr std::array kinds = {
    Kind{"gemm", add_gemm},          Kind{"memory", add_memory},       Kind{"launch", add_launch},
    Kind{"elementwise", add_memory}, Kind{"reduction", add_memory},    Kind{"transpose", add_memory},
    Kind{"access", add_memory},      Kind{"attention", add_attention}, Kind{"optimizer", add_memory},
    Kind{"copy", add_copy},          Kind{"peer", add_peer},           Kind{"overlap", add_overlap}};

}  // namespace

MicrobenchRecord::MicrobenchRecord(std::string_view line, SourceLocation where) : where_(std::move(where)) {
  json_ = nlohmann::json::parse(line, nullptr, false);
  if (json_.is_discarded() || !json_.is_object()) fail("is not a JSON object");
  kind_ = text("record");
}

void MicrobenchRecord::fail(const std::string& what) const {
  throw InputError(where_, kind_.empty() ? what : fmt::format("record '{}': {}", kind_, what),
                   "the line is cut or edited, or of another version");
}

const nlohmann::json* MicrobenchRecord::find(const char* key) const {
  const auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

std::string MicrobenchRecord::text(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr || !value->is_string() || value->get<std::string>().empty())
    fail(fmt::format("\"{}\" must be a text", key));
  return value->get<std::string>();
}

std::string MicrobenchRecord::text_or(const char* key, std::string missing) const {
  return find(key) == nullptr ? std::move(missing) : text(key);
}

bool MicrobenchRecord::flag(const char* key, bool missing) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return missing;
  if (!value->is_boolean()) fail(fmt::format("\"{}\" must be true or false", key));
  return value->get<bool>();
}

double MicrobenchRecord::number(const char* key, double low, double high) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr || !value->is_number()) fail(fmt::format("\"{}\" must be a number", key));
  const auto number = value->get<double>();
  if (!(number >= low && number <= high)) fail(fmt::format("\"{}\" must be from {:g} to {:g}", key, low, high));
  return number;
}

double MicrobenchRecord::number_or(const char* key, double missing) const {
  constexpr double largest = 1e30;
  return find(key) == nullptr ? missing : number(key, 0, largest);
}

std::int64_t MicrobenchRecord::extent(const char* key) const {
  const double value = number(key, 1, largest_extent);
  if (value != std::floor(value)) fail(fmt::format("\"{}\" must be whole", key));
  return static_cast<std::int64_t>(value);
}

Seconds MicrobenchRecord::time(const char* key) const { return Seconds(number(key, shortest_time, longest_time)); }
Bytes MicrobenchRecord::bytes(const char* key) const { return Bytes(number(key, 1, largest_bytes)); }

bool add_measurement(const MicrobenchRecord& record, Measurements& all) {
  for (const Kind& kind : kinds)
    if (kind.name == record.kind()) {
      kind.add(record, all);
      return true;
    }
  return false;
}

}  // namespace trainyard
