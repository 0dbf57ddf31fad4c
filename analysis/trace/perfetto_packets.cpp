#include "analysis/trace/perfetto_packets.hpp"

#include <protozero/pbf_writer.hpp>

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

}  // namespace

PerfettoPackets::PerfettoPackets(Sink sink) : sink_(std::move(sink)) { pending_.reserve(piece + piece / 16); }

void PerfettoPackets::process(std::uint64_t uuid, int number, std::string_view name) {
  body_.clear();
  {
    pbf_writer packet_writer(body_);
    pbf_writer track_writer(packet_writer, field::track_descriptor);
    track_writer.add_uint64(field::uuid, uuid);
    track_writer.add_enum(field::child_ordering, order_explicit);
    track_writer.add_int32(field::sibling_order_rank, number);
    pbf_writer process_writer(track_writer, field::process);
    process_writer.add_int32(field::pid, number + 1);  // 0 is the kernel's idle process to Perfetto
    process_writer.add_string(field::process_name, name.data(), name.size());
    process_writer.add_string(field::process_labels, "simulated");
  }
  packet(body_);
}

void PerfettoPackets::track(std::uint64_t uuid, std::uint64_t process, std::string_view name, int order) {
  body_.clear();
  {
    pbf_writer packet_writer(body_);
    pbf_writer track_writer(packet_writer, field::track_descriptor);
    track_writer.add_uint64(field::uuid, uuid);
    track_writer.add_uint64(field::parent_uuid, process);
    track_writer.add_string(field::track_name, name.data(), name.size());
    track_writer.add_int32(field::sibling_order_rank, order);
  }
  packet(body_);
}

void PerfettoPackets::bytes_counter_track(std::uint64_t uuid, std::uint64_t process, std::string_view name, int order) {
  body_.clear();
  {
    pbf_writer packet_writer(body_);
    pbf_writer track_writer(packet_writer, field::track_descriptor);
    track_writer.add_uint64(field::uuid, uuid);
    track_writer.add_uint64(field::parent_uuid, process);
    track_writer.add_string(field::track_name, name.data(), name.size());
    track_writer.add_int32(field::sibling_order_rank, order);
    pbf_writer counter_writer(track_writer, field::counter);
    counter_writer.add_enum(field::unit, unit_size_bytes);
  }
  packet(body_);
}

void PerfettoPackets::slice(std::uint64_t track, const PerfettoSlice& slice,
                            const std::vector<PerfettoArgument>& arguments) {
  event_.clear();
  {
    pbf_writer event(event_);
    event.add_uint64(field::category_iids, interned(categories_, field::event_categories, slice.category));
    for (const PerfettoArgument& argument : arguments) {
      const std::uint64_t argument_name = interned(argument_names_, field::debug_annotation_names, argument.name);
      pbf_writer annotation(event, field::debug_annotations);
      annotation.add_uint64(field::annotation_name_iid, argument_name);
      if (const auto* number = std::get_if<std::int64_t>(&argument.value))
        annotation.add_int64(field::int_value, *number);
      else
        annotation.add_string(field::string_value, std::get<std::string_view>(argument.value).data(),
                              std::get<std::string_view>(argument.value).size());
    }
    event.add_enum(field::type, static_cast<std::int32_t>(PerfettoEvent::slice_begin));
    event.add_uint64(field::name_iid, interned(event_names_, field::event_names, slice.name));
    event.add_uint64(field::track_uuid, track);
    if (slice.flow_out != 0) event.add_fixed64(field::flow_ids, slice.flow_out);
    if (slice.flow_in != 0) event.add_fixed64(field::terminating_flow_ids, slice.flow_in);
  }
  event_packet(slice.begin);
  event_.clear();
  {
    pbf_writer event(event_);
    event.add_enum(field::type, static_cast<std::int32_t>(PerfettoEvent::slice_end));
    event.add_uint64(field::track_uuid, track);
  }
  event_packet(slice.end);
}

void PerfettoPackets::counter(std::uint64_t track, std::int64_t at, std::int64_t value) {
  event_.clear();
  {
    pbf_writer event(event_);
    event.add_enum(field::type, static_cast<std::int32_t>(PerfettoEvent::counter));
    event.add_uint64(field::track_uuid, track);
    event.add_int64(field::counter_value, value);
  }
  event_packet(at);
}

void PerfettoPackets::finish() {
  if (!pending_.empty()) sink_(pending_);
  pending_.clear();
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

void PerfettoPackets::event_packet(std::int64_t at) {
  body_.clear();
  {
    pbf_writer packet_writer(body_);
    packet_writer.add_uint64(field::timestamp, static_cast<std::uint64_t>(at));
    packet_writer.add_uint32(field::sequence_id, only_sequence);
    packet_writer.add_uint32(field::sequence_flags, first_event_ ? (state_cleared | needs_state) : needs_state);
    if (!interned_.empty()) packet_writer.add_message(field::interned_data, interned_);
    packet_writer.add_message(field::track_event, event_);
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
