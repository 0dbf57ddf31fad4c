// What a format for timelines takes: processes with tracks, slices with arguments and flows, counters. Integer
// nanoseconds from the start of the step; slices of a track come in order and never overlap.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace trainyard {

struct TraceArgument {
  std::string_view name;  // static text
  std::variant<std::int64_t, double, std::string_view> value;
};

struct TraceTrack {
  int process = 0;  // index, from 0
  int track = 0;    // of the process, from 0
};

struct TraceSlice {
  std::int64_t begin = 0;      // ns
  std::int64_t end = 0;        // ns, not before begin
  std::uint64_t flow_out = 0;  // number of a flow that leaves here, 0 = none
  std::uint64_t flow_in = 0;   // that arrives
};

// What a slice says, wherever it stands.
struct TraceText {
  std::string_view name;
  std::string_view category;
  std::span<const TraceArgument> arguments = {};
};

enum class CounterUnit : std::uint8_t { bytes, gigabytes_per_second, percent };

class TraceSink {
 public:
  TraceSink() = default;
  virtual ~TraceSink() = default;
  TraceSink(const TraceSink&) = delete;
  TraceSink& operator=(const TraceSink&) = delete;

  // Before what they hold; shown in the order of their indices.
  virtual void process(int process, std::string_view name) = 0;
  virtual void track(TraceTrack track, std::string_view name) = 0;
  virtual void counter_track(TraceTrack track, std::string_view name, CounterUnit unit) = 0;

  // Appends a text in the format's own bytes; slice() takes them as often as that is to be said.
  virtual void encode(const TraceText& text, std::string& to) = 0;
  virtual void slice(TraceTrack track, const TraceSlice& slice, std::string_view encoded) = 0;
  virtual void counter(TraceTrack track, std::int64_t at, double value) = 0;
  virtual void finish() = 0;
};

}  // namespace trainyard
