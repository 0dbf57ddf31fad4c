// Perfetto's wire format, as much of it as a simulated step needs: tracks, slices, flows and counters. Field numbers
// are those of trace_packet.proto, track_event.proto, track_descriptor.proto, counter_descriptor.proto,
// interned_data.proto and debug_annotation.proto.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "analysis/trace/trace_sink.hpp"

namespace trainyard {

namespace perfetto_field {
enum Trace : std::uint32_t { packet = 1 };
enum Packet : std::uint32_t {
  timestamp = 8,
  sequence_id = 10,
  track_event = 11,
  interned_data = 12,
  sequence_flags = 13,
  track_descriptor = 60
};
enum Track : std::uint32_t {
  uuid = 1,
  track_name = 2,
  process = 3,
  parent_uuid = 5,
  counter = 8,
  child_ordering = 11,
  sibling_order_rank = 12
};
enum Process : std::uint32_t { pid = 1, process_name = 6, process_labels = 8 };
enum Counter : std::uint32_t { unit = 3, unit_name = 6 };
enum Event : std::uint32_t {
  category_iids = 3,
  debug_annotations = 4,
  type = 9,
  name_iid = 10,
  track_uuid = 11,
  counter_value = 30,
  double_counter_value = 44,
  flow_ids = 47,
  terminating_flow_ids = 48
};
enum Annotation : std::uint32_t { annotation_name_iid = 1, int_value = 4, double_value = 5, string_value_iid = 17 };
enum Interned : std::uint32_t {
  event_categories = 1,
  event_names = 2,
  debug_annotation_names = 3,
  debug_annotation_string_values = 29
};
enum InternedEntry : std::uint32_t { iid = 1, text = 2 };
}  // namespace perfetto_field

enum class PerfettoEvent : std::int32_t { slice_begin = 1, slice_end = 2, counter = 4 };

// Writes packets to `sink` in pieces of about a megabyte; finish() hands over the rest. Names are interned. Process p
// has the uuid 1000 (p + 1), its track t the uuid behind that by t + 1, and the pid p + 1.
class PerfettoPackets : public TraceSink {
 public:
  using Sink = std::function<void(std::string_view)>;
  explicit PerfettoPackets(Sink sink);

  void process(int process, std::string_view name) override;
  void track(TraceTrack track, std::string_view name) override;
  void counter_track(TraceTrack track, std::string_view name, CounterUnit unit) override;
  void encode(const TraceText& text, std::string& to) override;
  void slice(TraceTrack track, const TraceSlice& slice, std::string_view encoded) override;
  void counter(TraceTrack track, std::int64_t at, double value) override;
  void finish() override;

 private:
  using Names = std::unordered_map<std::string, std::uint64_t>;
  std::uint64_t interned_name(std::string_view text);
  std::uint64_t interned(Names& names, std::uint32_t field, std::string_view text);
  void event_packet(std::int64_t at, std::string_view event);  // with what has been interned since the last
  std::string_view slice_end(TraceTrack track);
  void packet(std::string_view body);

  Sink sink_;
  Names event_names_, categories_, argument_names_, argument_texts_;
  std::unordered_map<const char*, std::uint64_t> argument_addresses_;
  std::string key_;  // reused buffers: a trace has hundreds of thousands of packets
  std::string interned_;
  std::string event_;
  std::string body_;
  std::string pending_;
  bool first_event_ = true;
  std::uint64_t end_track_ = 0;  // uuid of the track …
  std::string end_;              // … whose slices' end this is
};

}  // namespace trainyard
