#include "analysis/trace/perfetto_packets.hpp"

#include <protozero/pbf_writer.hpp>

#include <cmath>
#include <utility>

namespace trainyard {
namespace {

namespace field = perfetto_field;
using protozero::pbf_writer;

constexpr std::size_t piece = 1U << 20U;
constexpr std::uint32_t only_sequence = 1;                   // one writer, one packet sequence
constexpr std::uint32_t state_cleared = 1, needs_state = 2;  // SequenceFlags of the interning state
constexpr std::int32_t order_explicit = 3;                   // ChildTracksOrdering::EXPLICIT
constexpr std::int32_t unit_size_bytes = 3;                  // CounterDescriptor::UNIT_SIZE_BYTES

std::uint64_t uuid_of(int process) { return 1000U * (static_cast<std::uint64_t>(process) + 1U); }
std::uint64_t uuid_of(TraceTrack track) {
  return uuid_of(track.process) + 1U + static_cast<std::uint64_t>(track.track);
}

void describe(pbf_writer& writer, TraceTrack track, std::string_view name) {
  writer.add_uint64(field::uuid, uuid_of(track));
  writer.add_uint64(field::parent_uuid, uuid_of(track.process));
  writer.add_string(field::track_name, name.data(), name.size());
  writer.add_int32(field::sibling_order_rank, track.track);
}

}  // namespace

PerfettoPackets::PerfettoPackets(Sink sink) : sink_(std::move(sink)) { pending_.reserve(piece + piece / 16); }

void PerfettoPackets::process(int process, std::string_view name) {
  body_.clear();
  {
    pbf_writer packet_writer(body_);
    pbf_writer track_writer(packet_writer, field::track_descriptor);
    track_writer.add_uint64(field::uuid, uuid_of(process));
    track_writer.add_enum(field::child_ordering, order_explicit);
    track_writer.add_int32(field::sibling_order_rank, process);
    pbf_writer process_writer(track_writer, field::process);
    process_writer.add_int32(field::pid, process + 1);  // 0 is the kernel's idle process to Perfetto
    process_writer.add_string(field::process_name, name.data(), name.size());
    process_writer.add_string(field::process_labels, "simulated");
  }
  packet(body_);
}

void PerfettoPackets::track(TraceTrack track, std::string_view name) {
  body_.clear();
  {
    pbf_writer packet_writer(body_);
    pbf_writer track_writer(packet_writer, field::track_descriptor);
    describe(track_writer, track, name);
  }
  packet(body_);
}

void PerfettoPackets::counter_track(TraceTrack track, std::string_view name, CounterUnit unit) {
  body_.clear();
  {
    pbf_writer packet_writer(body_);
    pbf_writer track_writer(packet_writer, field::track_descriptor);
    describe(track_writer, track, name);
    pbf_writer counter_writer(track_writer, field::counter);
    if (unit == CounterUnit::bytes) counter_writer.add_enum(field::unit, unit_size_bytes);
    if (unit == CounterUnit::gigabytes_per_second) counter_writer.add_string(field::unit_name, "GB/s");
    if (unit == CounterUnit::percent) counter_writer.add_string(field::unit_name, "%");
  }
  packet(body_);
}

void PerfettoPackets::encode(const TraceText& text, std::string& to) {
  pbf_writer event(to);
  event.add_uint64(field::category_iids, interned(categories_, field::event_categories, text.category));
  for (const TraceArgument& argument : text.arguments) {
    const std::uint64_t argument_name = interned_name(argument.name);
    std::uint64_t value = 0;
    if (const auto* words = std::get_if<std::string_view>(&argument.value))
      value = interned(argument_texts_, field::debug_annotation_string_values, *words);
    pbf_writer annotation(event, field::debug_annotations);
    annotation.add_uint64(field::annotation_name_iid, argument_name);
    if (const auto* number = std::get_if<std::int64_t>(&argument.value))
      annotation.add_int64(field::int_value, *number);
    else if (const auto* real = std::get_if<double>(&argument.value))
      annotation.add_double(field::double_value, *real);
    else
      annotation.add_uint64(field::string_value_iid, value);
  }
  event.add_enum(field::type, static_cast<std::int32_t>(PerfettoEvent::slice_begin));
  event.add_uint64(field::name_iid, interned(event_names_, field::event_names, text.name));
}

void PerfettoPackets::slice(TraceTrack track, const TraceSlice& slice, std::string_view encoded) {
  event_.assign(encoded);
  {
    pbf_writer event(event_);
    event.add_uint64(field::track_uuid, uuid_of(track));
    if (slice.flow_out != 0) event.add_fixed64(field::flow_ids, slice.flow_out);
    if (slice.flow_in != 0) event.add_fixed64(field::terminating_flow_ids, slice.flow_in);
  }
  event_packet(slice.begin, event_);
  event_packet(slice.end, slice_end(track));
}

// Slices come track by track.
std::string_view PerfettoPackets::slice_end(TraceTrack track) {
  const std::uint64_t uuid = uuid_of(track);
  if (end_track_ == uuid) return end_;
  end_track_ = uuid;
  end_.clear();
  pbf_writer event(end_);
  event.add_enum(field::type, static_cast<std::int32_t>(PerfettoEvent::slice_end));
  event.add_uint64(field::track_uuid, uuid);
  return end_;
}

// Whole numbers (bytes) as such.
void PerfettoPackets::counter(TraceTrack track, std::int64_t at, double value) {
  constexpr double exact = 9007199254740992.0;  // 2^53: a double's whole numbers
  event_.clear();
  {
    pbf_writer event(event_);
    event.add_enum(field::type, static_cast<std::int32_t>(PerfettoEvent::counter));
    event.add_uint64(field::track_uuid, uuid_of(track));
    if (std::abs(value) < exact && value == std::floor(value))
      event.add_int64(field::counter_value, static_cast<std::int64_t>(value));
    else
      event.add_double(field::double_counter_value, value);
  }
  event_packet(at, event_);
}

void PerfettoPackets::finish() {
  if (!pending_.empty()) sink_(pending_);
  pending_.clear();
}

// Names are static text: their addresses will do.
std::uint64_t PerfettoPackets::interned_name(std::string_view text) {
  const auto [known, added] = argument_addresses_.try_emplace(text.data(), 0);
  if (added) known->second = interned(argument_names_, field::debug_annotation_names, text);
  return known->second;
}

std::uint64_t PerfettoPackets::interned(Names& names, std::uint32_t interned_field, std::string_view text) {
  key_.assign(text);
  const auto [entry, is_new] = names.try_emplace(key_, names.size() + 1);
  if (is_new) {
    pbf_writer table(interned_);
    pbf_writer row(table, interned_field);
    row.add_uint64(field::iid, entry->second);
    row.add_string(field::text, text.data(), text.size());
  }
  return entry->second;
}

void PerfettoPackets::event_packet(std::int64_t at, std::string_view event) {
  body_.clear();
  {
    pbf_writer packet_writer(body_);
    packet_writer.add_uint64(field::timestamp, static_cast<std::uint64_t>(at));
    packet_writer.add_uint32(field::sequence_id, only_sequence);
    packet_writer.add_uint32(field::sequence_flags, first_event_ ? (state_cleared | needs_state) : needs_state);
    if (!interned_.empty()) packet_writer.add_message(field::interned_data, interned_);
    packet_writer.add_message(field::track_event, event.data(), event.size());
  }
  interned_.clear();
  first_event_ = false;
  packet(body_);
}

void PerfettoPackets::packet(std::string_view body) {
  {
    pbf_writer trace(pending_);
    trace.add_message(field::packet, body.data(), body.size());
  }
  if (pending_.size() < piece) return;
  sink_(pending_);
  pending_.clear();
}

}  // namespace trainyard
