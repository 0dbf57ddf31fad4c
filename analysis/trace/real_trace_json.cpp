#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "analysis/trace/real_bytes.hpp"
#include "analysis/trace/real_events.hpp"
#include "analysis/trace/real_trace.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

using Json = nlohmann::json;

// Values longer than this are cut: names of kernels run to a few thousand characters.
constexpr std::size_t longest_text = 16'384;

// Listens to the parser: keeps one event at a time.
class TraceListener final : public nlohmann::json_sax<Json> {
 public:
  TraceListener(RealTrace& trace, RealEvents& events) : trace_(trace), events_(events) {}

  bool has_events() const { return has_events_; }
  std::size_t error_at() const { return error_at_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t value) override { return integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) return number(static_cast<double>(value));
    return integer(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t&) override { return number(value); }
  bool string(string_t& value) override {
    text(value);
    return true;
  }
  bool binary(binary_t&) override { return true; }
  bool key(string_t& value) override {
    key_ = value.size() < longest_text ? value : string_t{};
    return true;
  }
  bool start_object(std::size_t) override {
    const Where to = inner(true);
    if (to == Where::event) event_.clear();
    path_.push_back(to);
    return true;
  }
  bool start_array(std::size_t) override {
    const Where to = inner(false);
    has_events_ = has_events_ || to == Where::events;
    path_.push_back(to);
    return true;
  }
  bool end_object() override {
    if (here() == Where::event) events_.add(event_);
    path_.pop_back();
    return true;
  }
  bool end_array() override {
    path_.pop_back();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    error_at_ = position;
    return false;
  }

 private:
  enum class Where : std::uint8_t { outside, root, events, event, arguments, distributed, devices, device, elsewhere };

  Where here() const { return path_.empty() ? Where::outside : path_.back(); }
  Where inner(bool object) const {
    switch (here()) {
      case Where::outside:
        return object ? Where::root : Where::events;  // the bare list of events is a trace, too
      case Where::root:
        if (key_ == "traceEvents" && !object) return Where::events;
        if (key_ == "distributedInfo" && object) return Where::distributed;
        if (key_ == "deviceProperties" && !object) return Where::devices;
        return Where::elsewhere;
      case Where::events:
        return object ? Where::event : Where::elsewhere;
      case Where::event:
        return object && key_ == "args" ? Where::arguments : Where::elsewhere;
      case Where::devices:
        return object ? Where::device : Where::elsewhere;
      case Where::arguments:
      case Where::distributed:
      case Where::device:
      case Where::elsewhere:
        break;
    }
    return Where::elsewhere;
  }

  bool integer(std::int64_t value) {
    if (here() == Where::event && key_ == "pid") event_.process = value;
    if (here() == Where::arguments && key_ == "device") event_.device = value;
    const bool sensible = value >= 0 && value <= INT32_MAX;
    if (here() == Where::distributed && key_ == "rank" && sensible) trace_.rank = static_cast<int>(value);
    if (here() == Where::distributed && key_ == "world_size" && sensible) trace_.world_size = static_cast<int>(value);
    return number(static_cast<double>(value));
  }
  bool number(double value) {
    if (here() != Where::event) return true;
    if (key_ == "ts") event_.start = value;
    if (key_ == "dur") event_.duration = value;
    event_.has_start = event_.has_start || key_ == "ts";
    event_.has_duration = event_.has_duration || key_ == "dur";
    return true;
  }
  void text(string_t& value) {
    if (value.size() > longest_text) value.resize(longest_text);
    if (here() == Where::event) {
      if (key_ == "ph") event_.phase = value;
      if (key_ == "cat") event_.category = value;
      if (key_ == "name") event_.name = value;
    } else if (here() == Where::arguments) {
      if (key_ == "Collective name") event_.collective = value;
      if (key_ == "Process Group Description") event_.description = value;
    } else if (here() == Where::device && key_ == "name" && trace_.device_name.empty()) {
      trace_.device_name = value;
    } else if (here() == Where::root && key_ == "simulated_by") {
      trace_.simulated = true;
    }
  }

  RealTrace& trace_;
  RealEvents& events_;
  std::vector<Where> path_;
  string_t key_;
  RealEvent event_;
  bool has_events_ = false;
  std::size_t error_at_ = 0;
};

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// "rank-3.json.gz", "worker_rank3.1234.pt.trace.json"
std::optional<int> rank_of_name(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  std::size_t at = name.find("rank");
  if (at == std::string::npos) return std::nullopt;
  at += 4;
  if (at < name.size() && (name[at] == '-' || name[at] == '_')) ++at;
  constexpr std::size_t most_digits = 7;
  std::size_t end = at;
  while (end < name.size() && end - at < most_digits && is_digit(name[end])) ++end;
  if (end == at) return std::nullopt;
  return std::stoi(name.substr(at, end - at));
}

void parse(const std::string& path, TraceListener& listener) {
  RealBytes bytes(path);
  const bool parsed = Json::sax_parse(RealByteIterator(bytes), RealByteIterator(), &listener);
  bytes.require_whole();
  const SourceLocation where{path, 0, 0};
  if (!parsed && bytes.at_end() && listener.error_at() >= static_cast<std::size_t>(bytes.offset()))
    throw InputError(where, fmt::format("the JSON is cut off, after {} bytes", bytes.offset()),
                     bytes.offset() == 0 ? "the file is empty" : "a profiler that was killed leaves such files");
  if (!parsed) throw InputError(where, fmt::format("is not JSON at byte {}", listener.error_at()));
  if (!listener.has_events())
    throw InputError(where, "is no trace: it has no traceEvents", "torch.profiler's export_chrome_trace writes them");
}

}  // namespace

RealTrace read_real_trace(const std::string& path) {
  RealTrace trace;
  trace.file = path;
  RealEvents events;
  TraceListener listener(trace, events);
  parse(path, listener);
  if (!trace.rank) trace.rank = rank_of_name(path);
  if (!events.finish(trace))
    throw InputError({path, 0, 0}, "holds no GPU kernel",
                     "profile with ProfilerActivity.CUDA; a trace of the host alone says nothing of kernels");
  return trace;
}

bool looks_like_trace(const std::string& path) {
  if (path.ends_with(".json.gz")) return true;
  if (!path.ends_with(".json")) return false;
  std::error_code none;
  if (std::filesystem::is_fifo(path, none)) return true;  // can be read but once
  constexpr std::size_t looked_at = 16U << 20;  // lists of process groups may stand in front of the events
  RealBytes bytes(path);
  std::string text;
  for (; text.size() < looked_at && !bytes.at_end(); bytes.next()) text += bytes.get();
  return text.find("\"traceEvents\"") != std::string::npos || text.find("\"ph\"") != std::string::npos;
}

}  // namespace trainyard
