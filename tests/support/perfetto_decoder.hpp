// Reads back what the Perfetto writer wrote, as a viewer would: interned names resolved, begins matched with ends per track.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace trainyard::testing {

struct DecodedTrack {
  std::string name;
  std::uint64_t process = 0;
};
struct DecodedSlice {
  std::uint64_t track = 0;
  std::string name;
  std::string category;
  std::int64_t begin = 0;
  std::int64_t end = -1;
  std::uint64_t flow_out = 0;
  std::uint64_t flow_in = 0;
  std::map<std::string, std::string> arguments;
};
struct DecodedSample {
  std::uint64_t track = 0;
  std::int64_t at = 0;
  double value = 0;
};
struct DecodedTrace {
  std::map<std::uint64_t, std::string> processes;
  std::map<std::uint64_t, DecodedTrack> tracks;
  std::vector<DecodedSlice> slices;  // in the order they begin in the file
  std::vector<DecodedSample> counters;
  int begins = 0;
  int ends = 0;
  std::string process_of(std::uint64_t track) const { return processes.at(tracks.at(track).process); }
};

// Throws std::runtime_error where a viewer would drop something: an end without a begin, an unknown track or name.
DecodedTrace decode_perfetto(const std::string& bytes);

}  // namespace trainyard::testing
