// Perfetto's wire format, as much of it as a simulated step needs: tracks, slices, flows and counters. Field numbers
// are those of trace_packet.proto, track_event.proto, track_descriptor.proto, counter_descriptor.proto,
// interned_data.proto and debug_annotation.proto.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

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
enum Counter : std::uint32_t { unit = 3 };
enum Event : std::uint32_t {
  category_iids = 3,
  debug_annotations = 4,
  type = 9,
  name_iid = 10,
  track_uuid = 11,
  counter_value = 30,
  flow_ids = 47,
  terminating_flow_ids = 48
};
enum Annotation : std::uint32_t { annotation_name_iid = 1, int_value = 4, string_value = 6 };
enum Interned : std::uint32_t { event_categories = 1, event_names = 2, debug_annotation_names = 3 };
enum InternedEntry : std::uint32_t { iid = 1, text = 2 };
}  // namespace perfetto_field

enum class PerfettoEvent : std::int32_t { slice_begin = 1, slice_end = 2, counter = 4 };

struct PerfettoArgument {
  std::string_view name;
  std::variant<std::int64_t, std::string_view> value;
};

struct PerfettoSlice {
  std::int64_t begin = 0;  // ns
  std::int64_t end = 0;    // ns, not before begin
  std::string_view name;
  std::string_view category;
  std::uint64_t flow_out = 0;  // 0 = none
  std::uint64_t flow_in = 0;
};

// Writes packets to `sink` in pieces of about a megabyte; finish() hands over the rest. Names are interned.
class PerfettoPackets {
 public:
  using Sink = std::function<void(std::string_view)>;
  explicit PerfettoPackets(Sink sink);

  void process(std::uint64_t uuid, int number, std::string_view name);
  void track(std::uint64_t uuid, std::uint64_t process, std::string_view name, int order);
  void bytes_counter_track(std::uint64_t uuid, std::uint64_t process, std::string_view name, int order);
  void slice(std::uint64_t track, const PerfettoSlice& slice, const std::vector<PerfettoArgument>& arguments);
  void counter(std::uint64_t track, std::int64_t at, std::int64_t value);
  void finish();

 private:
  using Names = std::unordered_map<std::string, std::uint64_t>;
  std::uint64_t interned(Names& names, std::uint32_t field, std::string_view text);
  void event_packet(std::int64_t at);  // wraps event_ and interned_ into a packet
  void packet(std::string_view body);

  Sink sink_;
  Names event_names_, categories_, argument_names_;
  std::string key_;  // reused buffers: a trace has hundreds of thousands of packets
  std::string interned_;
  std::string event_;
  std::string body_;
  std::string pending_;
  bool first_event_ = true;
};

}  // namespace trainyard
