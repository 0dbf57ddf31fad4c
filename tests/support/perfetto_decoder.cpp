#include "tests/support/perfetto_decoder.hpp"

#include <fmt/format.h>

#include <protozero/pbf_reader.hpp>
#include <stdexcept>

#include "analysis/trace/perfetto_packets.hpp"

namespace trainyard::testing {
namespace {

namespace field = perfetto_field;
using protozero::pbf_reader;

class Decoder {
 public:
  DecodedTrace run(const std::string& bytes) {
    pbf_reader trace(bytes);
    while (trace.next(field::packet)) packet(trace.get_message());
    for (const auto& [track, open] : open_)
      if (!open.empty()) throw std::runtime_error("a slice never ends");
    return std::move(decoded_);
  }

 private:
  using Names = std::map<std::uint64_t, std::string>;

  void packet(pbf_reader reader) {
    std::int64_t at = 0;
    pbf_reader event;
    bool has_event = false;
    while (reader.next()) {
      switch (reader.tag()) {
        case field::timestamp:
          at = static_cast<std::int64_t>(reader.get_uint64());
          break;
        case field::interned_data:
          interned(reader.get_message());
          break;
        case field::track_descriptor:
          descriptor(reader.get_message());
          break;
        case field::track_event:
          event = reader.get_message();
          has_event = true;
          break;
        default:
          reader.skip();
      }
    }
    if (has_event) track_event(event, at);
  }

  void interned(pbf_reader reader) {
    while (reader.next()) {
      Names& names = reader.tag() == field::event_names              ? event_names_
                     : reader.tag() == field::event_categories       ? categories_
                     : reader.tag() == field::debug_annotation_names ? argument_names_
                                                                     : argument_texts_;
      pbf_reader row = reader.get_message();
      std::uint64_t iid = 0;
      std::string text;
      while (row.next()) {
        if (row.tag() == field::iid)
          iid = row.get_uint64();
        else
          text = row.get_string();
      }
      names[iid] = text;
    }
  }

  void descriptor(pbf_reader reader) {
    std::uint64_t uuid = 0;
    DecodedTrack track;
    std::string process;
    while (reader.next()) {
      switch (reader.tag()) {
        case field::uuid:
          uuid = reader.get_uint64();
          break;
        case field::track_name:
          track.name = reader.get_string();
          break;
        case field::parent_uuid:
          track.process = reader.get_uint64();
          break;
        case field::process: {
          pbf_reader p = reader.get_message();
          while (p.next())
            if (p.tag() == field::process_name)
              process = p.get_string();
            else
              p.skip();
          break;
        }
        default:
          reader.skip();
      }
    }
    if (!process.empty())
      decoded_.processes[uuid] = process;
    else
      decoded_.tracks[uuid] = track;
  }

  void argument(pbf_reader reader, DecodedSlice& slice) {
    std::uint64_t name = 0;
    std::string value;
    while (reader.next()) {
      switch (reader.tag()) {
        case field::annotation_name_iid:
          name = reader.get_uint64();
          break;
        case field::int_value:
          value = std::to_string(reader.get_int64());
          break;
        case field::double_value:
          value = fmt::format("{:g}", reader.get_double());
          break;
        case field::string_value_iid:
          value = argument_texts_.at(reader.get_uint64());
          break;
        default:
          reader.skip();
      }
    }
    slice.arguments[argument_names_.at(name)] = value;
  }

  void track_event(pbf_reader reader, std::int64_t at) {
    DecodedSlice slice;
    slice.begin = at;
    double counter_value = 0;
    std::int32_t type = 0;
    while (reader.next()) {
      switch (reader.tag()) {
        case field::type:
          type = reader.get_enum();
          break;
        case field::track_uuid:
          slice.track = reader.get_uint64();
          break;
        case field::name_iid:
          slice.name = event_names_.at(reader.get_uint64());
          break;
        case field::category_iids:
          slice.category = categories_.at(reader.get_uint64());
          break;
        case field::flow_ids:
          slice.flow_out = reader.get_fixed64();
          break;
        case field::terminating_flow_ids:
          slice.flow_in = reader.get_fixed64();
          break;
        case field::debug_annotations:
          argument(reader.get_message(), slice);
          break;
        case field::counter_value:
          counter_value = static_cast<double>(reader.get_int64());
          break;
        case field::double_counter_value:
          counter_value = reader.get_double();
          break;
        default:
          reader.skip();
      }
    }
    if (decoded_.tracks.count(slice.track) == 0) throw std::runtime_error("an event on an undeclared track");
    if (type == static_cast<std::int32_t>(PerfettoEvent::slice_begin))
      begin(slice);
    else if (type == static_cast<std::int32_t>(PerfettoEvent::slice_end))
      end(slice.track, at);
    else
      decoded_.counters.push_back({slice.track, at, counter_value});
  }

  void begin(const DecodedSlice& slice) {
    ++decoded_.begins;
    open_[slice.track].push_back(decoded_.slices.size());
    decoded_.slices.push_back(slice);
  }

  void end(std::uint64_t track, std::int64_t at) {
    ++decoded_.ends;
    if (open_[track].empty()) throw std::runtime_error("an end without a begin");
    decoded_.slices[open_[track].back()].end = at;
    open_[track].pop_back();
  }

  DecodedTrace decoded_;
  Names event_names_, categories_, argument_names_, argument_texts_;
  std::map<std::uint64_t, std::vector<std::size_t>> open_;
};

}  // namespace

DecodedTrace decode_perfetto(const std::string& bytes) { return Decoder().run(bytes); }

}  // namespace trainyard::testing
