#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>
#include <catch2/catch.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "analysis/trace/exporters.hpp"
#include "tests/support/hand_built_step.hpp"
#include "tests/support/perfetto_decoder.hpp"

namespace trainyard {
namespace {

using testing::DecodedSlice;
using testing::DecodedTrace;

std::string trace_of(const SimulatedStep& step) {
  std::string out;
  write_perfetto_trace([&](std::string_view bytes) { out += bytes; }, testing::hand_built_job(), step,
                       shown_ranks("stages", step, "test"));
  return out;
}

void write_file(const std::string& path, const SimulatedStep& step) {
  export_trace(*exporter_for(path), path, testing::hand_built_job(), step, shown_ranks("stages", step, "test"));
}

DecodedTrace decoded(const SimulatedStep& step) { return testing::decode_perfetto(trace_of(step)); }

const DecodedSlice& slice_named(const DecodedTrace& trace, const std::string& name, const std::string& process_part) {
  for (const DecodedSlice& slice : trace.slices)
    if (slice.name == name && trace.process_of(slice.track).find(process_part) != std::string::npos) return slice;
  throw std::runtime_error("no slice " + name);
}

TEST_CASE("every instruction becomes one slice, begun and ended") {
  const SimulatedStep step = testing::connected_step();
  const DecodedTrace trace = decoded(step);
  std::size_t instructions = 0;
  for (const DecodedSlice& slice : trace.slices)
    if (slice.category != "idle" && trace.process_of(slice.track) != "critical path") ++instructions;
  CHECK(instructions == 18);  // 9 per stage
  CHECK(trace.begins == static_cast<int>(trace.slices.size()));
  CHECK(trace.ends == trace.begins);
}

TEST_CASE("a stage is a process and a used stream is a track") {
  const DecodedTrace trace = decoded(testing::connected_step());
  REQUIRE(trace.processes.size() == 3);
  CHECK(trace.processes.at(1000) == "critical path");
  CHECK(trace.processes.at(2000).find("stage 0") == 0);
  CHECK(trace.processes.at(3000).find("stage 1") == 0);
  std::map<std::string, int> tracks;
  for (const auto& [uuid, track] : trace.tracks) ++tracks[track.name];
  for (auto track = tracks.begin(); track != tracks.end();)
    track = track->first.starts_with("memory") || track->first.starts_with("SM ") ? tracks.erase(track) : ++track;
  CHECK(tracks == std::map<std::string, int>{{"compute", 2},
                                             {"dp", 2},
                                             {"pp send forward", 1},
                                             {"pp receive forward", 1},
                                             {"pp send backward", 1},
                                             {"pp receive backward", 1},
                                             {"NET transfers outside blocks", 2},
                                             {"critical path", 1}});
}

TEST_CASE("a slice carries its name, category, integer nanoseconds and arguments") {
  const DecodedTrace trace = decoded(testing::connected_step());
  const DecodedSlice& forward = slice_named(trace, "F1", "stage 0");
  CHECK(forward.category == "forward");
  CHECK(forward.begin == 1'000'000);
  CHECK(forward.end == 2'000'000);
  CHECK(forward.arguments.at("micro batch") == "1");
  CHECK(forward.arguments.at("segments") == "16 x layer forward");
  const DecodedSlice& send = slice_named(trace, "send B0", "stage 1");
  CHECK(send.arguments.at("bytes") == "8388608");
  CHECK(send.arguments.at("slowest link") == "NET");
  const DecodedSlice& reduce = slice_named(trace, "all-reduce gradients", "stage 1");
  CHECK(reduce.arguments.at("group size") == "8");  // 4 on NVLink x 2 nodes
}

TEST_CASE("the k-th send of a channel flows into its k-th receive") {
  const DecodedTrace trace = decoded(testing::connected_step());
  std::map<std::uint64_t, std::string> from;
  std::map<std::uint64_t, std::string> to;
  for (const DecodedSlice& slice : trace.slices) {
    if (slice.flow_out != 0) CHECK(from.emplace(slice.flow_out, slice.name).second);
    if (slice.flow_in != 0) CHECK(to.emplace(slice.flow_in, slice.name).second);
  }
  REQUIRE(from.size() == 4);
  REQUIRE(to.size() == 4);
  for (const auto& [flow, name] : from) CHECK(to.at(flow) == "receive" + name.substr(4));
}

TEST_CASE("a flow's send precedes its receive in the file, because both start together") {
  const DecodedTrace trace = decoded(testing::connected_step());
  std::map<std::uint64_t, std::size_t> sent_at;
  for (std::size_t i = 0; i < trace.slices.size(); ++i) {
    if (trace.slices[i].flow_out != 0) sent_at[trace.slices[i].flow_out] = i;
    if (trace.slices[i].flow_in != 0) CHECK(sent_at.count(trace.slices[i].flow_in) == 1);
  }
}

TEST_CASE("slices of a track are serial even where rounding would make them overlap") {
  SimulatedStep step = testing::connected_step();
  // The second starts 0.3 ns before the first ends, as sums of doubles do; both round apart.
  step.timeline.spans[0][0].end = Seconds(1.0000006e-3);
  step.timeline.spans[0][2].start = Seconds(1.0000003e-3);
  std::map<std::uint64_t, std::int64_t> free_from;
  for (const DecodedSlice& slice : decoded(step).slices) {
    CHECK(slice.begin >= free_from[slice.track]);
    CHECK(slice.end >= slice.begin);
    free_from[slice.track] = slice.end;
  }
}

TEST_CASE("the memory counter starts at what is resident, peaks and returns") {
  const DecodedTrace trace = decoded(testing::connected_step());
  std::vector<std::pair<std::int64_t, std::int64_t>> samples;  // ns, GiB
  for (const auto& sample : trace.counters)
    if (trace.tracks.at(sample.track).name == "memory" && trace.process_of(sample.track).find("stage 0") == 0)
      samples.emplace_back(sample.at, static_cast<std::int64_t>(sample.value) >> 30U);
  // Stage 0 holds 2 GiB; each forward keeps 1 GiB from its start, each backward frees it at its end.
  CHECK(samples ==
        std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 3}, {1'000'000, 4}, {7'500'000, 3}, {9'000'000, 2}});
}

TEST_CASE("slices and idle ones cover the compute track of every rank from 0 to the end of the step") {
  const SimulatedStep step = testing::connected_step();
  const DecodedTrace trace = decoded(step);
  std::map<std::uint64_t, std::int64_t> covered;
  for (const DecodedSlice& slice : trace.slices) {
    if (trace.tracks.at(slice.track).name != "compute") continue;
    CHECK(slice.begin == covered[slice.track]);
    covered[slice.track] = slice.end;
  }
  REQUIRE(covered.size() == 2);
  for (const auto& [track, end] : covered) CHECK(end == 10'000'000);  // the makespan, 10 ms
}

TEST_CASE("an idle slice says what is waited for") {
  const DecodedTrace trace = decoded(testing::connected_step());
  // Stage 1 starts with F0 at 1.5 ms, when it has received it from stage 0's F0.
  const DecodedSlice& idle = slice_named(trace, "waits for receive F0", "stage 1");
  CHECK(idle.category == "idle");
  CHECK(idle.begin == 0);
  CHECK(idle.end == 1'500'000);
  CHECK(idle.arguments.at("which waited for") == "F0 of stage 0");
}

TEST_CASE("equal steps give equal bytes") {
  CHECK(trace_of(testing::connected_step()) == trace_of(testing::connected_step()));
}

TEST_CASE("the exporter is picked by suffix") {
  CHECK(exporter_for("a.pftrace")->suffix == ".pftrace");
  CHECK(exporter_for("x/a.pftrace.gz")->suffix == ".pftrace.gz");
  CHECK(exporter_for("a.json")->suffix == ".json");
  CHECK(exporter_for("a.b.json.gz")->suffix == ".json.gz");
  CHECK(exporter_for("a.txt") == nullptr);
  CHECK(exporter_for(".pftrace") == nullptr);
}

TEST_CASE("the compressed file holds the same trace") {
  const SimulatedStep step = testing::connected_step();
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("trainyard_trace_test_{}.pftrace.gz", getpid())).string();
  write_file(path, step);
  const gzFile file = gzopen(path.c_str(), "rb");
  REQUIRE(file != nullptr);
  std::string bytes(1U << 20U, '\0');
  const int count = gzread(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  std::filesystem::remove(path);
  bytes.resize(static_cast<std::size_t>(std::max(count, 0)));
  CHECK(bytes == trace_of(step));
}

TEST_CASE("a file that cannot be written is an error with its name") {
  CHECK_THROWS_WITH(write_file("/nonexistent/a.pftrace", testing::connected_step()),
                    Catch::Contains("/nonexistent/a.pftrace"));
}

TEST_CASE("hundreds of thousands of slices are written within seconds") {
  SimulatedStep step = testing::connected_step();
  constexpr int copies = 300'000;
  for (int i = 0; i < copies; ++i) {
    step.program.kinds[0].instructions.push_back(step.program.kinds[0].instructions[7]);
    step.timeline.spans[0].push_back({Seconds(0.01 + 1e-6 * i), Seconds(0.01 + 1e-6 * (i + 1))});
  }
  const auto start = std::chrono::steady_clock::now();
  const std::string out = trace_of(step);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  CHECK(took.count() < 20.0);  // 0.3 s on an idle core; the bound only catches quadratic behaviour
}

}  // namespace
}  // namespace trainyard
