#include "analysis/trace/chrome_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "analysis/trace/trace_sink.hpp"
#include "analysis/trace/write_trace.hpp"
#include "sim/base/utf8.hpp"

namespace trainyard {
namespace {

constexpr std::size_t piece = 1U << 20U;

// One event a line. Written by hand: half a million events take a second, through a document they took ten.
class ChromeEvents : public TraceSink {
 public:
  explicit ChromeEvents(const TextSink& sink) : sink_(sink) {
    text_ = "{\"displayTimeUnit\": \"ms\", \"otherData\": {\"source\": \"trainyard, simulated\"}, \"traceEvents\": [\n";
  }

  void process(int process, std::string_view name) override {
    metadata("process_name", process, 0, "name", name);
    metadata("process_labels", process, 0, "labels", "simulated");
    begin("M", process, 0);
    fmt::format_to(out(), R"(,"name":"process_sort_index","args":{{"sort_index":{}}}}})", process);
    end();
  }
  void track(TraceTrack track, std::string_view name) override {
    metadata("thread_name", track.process, track.track, "name", name);
    begin("M", track.process, track.track);
    fmt::format_to(out(), R"(,"name":"thread_sort_index","args":{{"sort_index":{}}}}})", track.track);
    end();
  }
  void counter_track(TraceTrack track, std::string_view name, CounterUnit unit) override {
    counters_[track_key(track)] = {quoted(name), unit == CounterUnit::bytes                  ? "bytes"
                                                 : unit == CounterUnit::gigabytes_per_second ? "GB/s"
                                                                                             : "%"};
  }

  void encode(const TraceText& text, std::string& to) override {
    to += ",\"name\":";
    add_quoted(text.name, to);
    to += ",\"cat\":";
    add_quoted(text.category, to);
    if (!text.arguments.empty()) add_arguments(text.arguments, to);
    to += '}';
  }

  void slice(TraceTrack track, const TraceSlice& slice, std::string_view encoded) override {
    begin("X", track.process, track.track);
    text_ += ",\"ts\":";
    add_time(slice.begin);
    text_ += ",\"dur\":";
    add_duration(slice.begin, slice.end);
    text_ += encoded;
    end();
    if (slice.flow_out != 0) flow("s", track, slice.begin, slice.flow_out);
    if (slice.flow_in != 0) flow("f", track, slice.begin, slice.flow_in);
  }

  void counter(TraceTrack track, std::int64_t at, double value) override {
    const auto& [name, unit] = counters_.at(track_key(track));
    begin("C", track.process, 0);
    text_ += ",\"ts\":";
    add_time(at);
    fmt::format_to(out(), R"(,"name":{},"args":{{"{}":{}}}}})", name, unit, value);
    end();
  }

  void finish() override {
    text_ += "\n]}\n";
    sink_(text_);
    text_.clear();
  }

 private:
  static std::pair<int, int> track_key(TraceTrack track) { return {track.process, track.track}; }
  std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }

  // Viewers take pid 0 for the idle process, and tid 0 or one that is the pid for the main thread: none is used twice.
  static constexpr int tracks_of_process = 100;
  void begin(const char* phase, int process, int thread) {
    if (!first_) text_ += ",\n";
    first_ = false;
    fmt::format_to(out(), R"({{"ph":"{}","pid":{},"tid":{})", phase, process + 1,
                   tracks_of_process * (process + 1) + thread);
  }
  void end() {
    if (text_.size() < piece) return;
    sink_(text_);
    text_.clear();
  }

  void metadata(const char* what, int process, int thread, const char* key, std::string_view value) {
    begin("M", process, thread);
    fmt::format_to(out(), R"(,"name":"{}","args":{{"{}":)", what, key);
    add_quoted(value, text_);
    text_ += "}}";
    end();
  }

  void flow(const char* phase, TraceTrack track, std::int64_t at, std::uint64_t number) {
    begin(phase, track.process, track.track);
    text_ += ",\"ts\":";
    add_time(at);
    // Numbers beyond 2^53 would lose their last digits in a viewer.
    fmt::format_to(out(), R"(,"name":"flow","cat":"flow","id":"0x{:x}"{}}})", number,
                   phase[0] == 'f' ? R"(,"bp":"e")" : "");
    end();
  }

  void add_time(std::int64_t nanoseconds) { fmt::format_to(out(), "{}.{:03}", nanoseconds / 1000, nanoseconds % 1000); }

  // Viewers add durations to begins as binary fractions, where 24880.123 + 22.979 is more than 24903.102; a slice that
  // ends 4e-12 us after its neighbour's begin is nested into it by some, and all that follow are. Such a duration gets
  // the digits with which the sum is the end. Rounded to nanoseconds it stays what it is.
  void add_duration(std::int64_t begin, std::int64_t end) {
    const double from = microseconds(begin), to = microseconds(end);
    if (from + microseconds(end - begin) == to) return add_time(end - begin);
    double duration = to - from;
    while (from + duration > to) duration = std::nextafter(duration, 0.0);
    fmt::format_to(out(), "{}", duration);
  }
  // As a reader takes the text of add_time().
  static double microseconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1000; }

  static void add_arguments(std::span<const TraceArgument> arguments, std::string& to) {
    to += ",\"args\":{";
    for (const TraceArgument& argument : arguments) {
      if (&argument != arguments.data()) to += ',';
      add_quoted(argument.name, to);
      to += ':';
      if (const auto* number = std::get_if<std::int64_t>(&argument.value))
        fmt::format_to(std::back_inserter(to), "{}", *number);
      else if (const auto* real = std::get_if<double>(&argument.value))
        fmt::format_to(std::back_inserter(to), "{}", *real);
      else
        add_quoted(std::get<std::string_view>(argument.value), to);
    }
    to += '}';
  }

  static std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (std::size_t at = 0; at < text.size();) {
      const auto code = static_cast<unsigned char>(text[at]);
      const std::size_t length = utf8_length(text.substr(at));
      if (length == 0)
        out += "\\ufffd";  // the replacement character
      else if (code < 0x20 || code == 0x7f)
        out += fmt::format("\\u{:04x}", code);
      else if (code == '"' || code == '\\')
        out.append(1, '\\').append(1, text[at]);
      else
        out += text.substr(at, length);
      at += std::max<std::size_t>(length, 1);
    }
    return out + "\"";
  }
  static void add_quoted(std::string_view text, std::string& to) { to += quoted(text); }

  const TextSink& sink_;
  std::string text_;
  bool first_ = true;
  std::map<std::pair<int, int>, std::pair<std::string, const char*>> counters_;  // quoted name and unit
};

}  // namespace

void write_chrome_trace(const TextSink& sink, const Job& job, const SimulatedStep& step,
                        const std::vector<ShownRank>& ranks) {
  ChromeEvents events(sink);
  write_trace(events, job, step, ranks);
}

}  // namespace trainyard
