#include "analysis/trace/perfetto_trace.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <unordered_map>

#include "analysis/trace/slice_words.hpp"
#include "analysis/trace/perfetto_packets.hpp"

namespace trainyard {
namespace {

std::int64_t nanoseconds(Seconds t) { return std::llround(t.value * 1e9); }

// Sends first: where a send and its receive start in the same nanosecond, Perfetto takes the one it reads first as the
// beginning of the flow.
constexpr std::array writing_order = {Stream::send_forward,
                                      Stream::send_backward,
                                      Stream::send_forward_up,
                                      Stream::send_backward_up,
                                      Stream::compute,
                                      Stream::tp,
                                      Stream::cp,
                                      Stream::ep,
                                      Stream::dp,
                                      Stream::to_host,
                                      Stream::from_host,
                                      Stream::receive_forward,
                                      Stream::receive_backward,
                                      Stream::receive_forward_up,
                                      Stream::receive_backward_up,
                                      Stream::host};
static_assert(writing_order.size() == streams);

std::uint64_t process_uuid(std::size_t kind) { return 1000U * (kind + 1U); }
std::uint64_t stream_uuid(std::size_t kind, Stream stream) {
  return process_uuid(kind) + 1U + static_cast<std::uint64_t>(stream);
}
std::uint64_t memory_uuid(std::size_t kind) { return process_uuid(kind) + 500U; }

// The k-th send of a channel and its k-th receive get the same number, never 0.
class FlowNumbers {
 public:
  std::uint64_t next(int channel) { return (static_cast<std::uint64_t>(channel) + 1U) << 32U | ++count_[channel]; }

 private:
  std::unordered_map<int, std::uint64_t> count_;
};

std::string process_name(const Job& job, const SimulatedStep& step, const RankKind& kind) {
  const RankLayout& layout = step.layout;
  std::string text = fmt::format("stage {} · {} GPUs", kind.stage.value, kind.ranks);
  text += fmt::format(" (tp{} cp{} dp{}), rank {} shown", layout.tp, layout.cp, layout.dp, kind.representative.value);
  return fmt::format("{} · {}", text, job.model.name);
}

void write_tracks(PerfettoPackets& packets, const Job& job, const SimulatedStep& step) {
  for (std::size_t k = 0; k < step.program.kinds.size(); ++k) {
    const RankKind& kind = step.program.kinds[k];
    packets.process(process_uuid(k), kind.stage.value, process_name(job, step, kind));
    std::array<bool, streams> used{};
    for (const Instruction& instruction : kind.instructions) used[static_cast<std::size_t>(instruction.stream)] = true;
    for (int s = 0; s < streams; ++s)
      if (used[static_cast<std::size_t>(s)])
        packets.track(stream_uuid(k, static_cast<Stream>(s)), process_uuid(k), name(static_cast<Stream>(s)), s);
    packets.bytes_counter_track(memory_uuid(k), process_uuid(k), "allocated memory", streams);
  }
}

class SliceWriter {
 public:
  SliceWriter(PerfettoPackets& packets, const SimulatedStep& step)
      : packets_(packets), step_(step), with_chunks_(has_chunks(step.program)) {}

  void write(std::size_t kind, Stream stream) {
    const std::vector<Instruction>& instructions = step_.program.kinds[kind].instructions;
    std::int64_t free_from = 0;  // rounding keeps order; this guards against spans that touch within float noise
    for (std::size_t i = 0; i < instructions.size(); ++i) {
      if (instructions[i].stream != stream) continue;
      const Span& span = step_.timeline.spans[list_of_kind(step_.timeline, kind)][i];
      const std::int64_t begin = std::max(nanoseconds(span.start), free_from);
      free_from = std::max(nanoseconds(span.end), begin);
      write_slice(instructions[i], paired_forward(step_.program.kinds[kind], InstructionId(i)),
                  stream_uuid(kind, stream), begin, free_from);
    }
  }

 private:
  void write_slice(const Instruction& instruction, const PairedForward* forward, std::uint64_t track,
                   std::int64_t begin, std::int64_t end) {
    std::string text = slice_name(step_.program, instruction, with_chunks_);
    if (forward != nullptr) text = fmt::format("F{} + {}", forward->micro_batch, text);
    PerfettoSlice slice{.begin = begin, .end = end, .name = text, .category = slice_category(instruction)};
    const Work& work = step_.program.works[static_cast<std::size_t>(instruction.work)];
    if (const auto* send = std::get_if<Send>(&work)) slice.flow_out = sent_.next(send->channel);
    if (const auto* receive = std::get_if<Receive>(&work)) slice.flow_in = received_.next(receive->channel);
    const std::vector<SliceArgument> arguments = slice_arguments(step_.program, instruction);
    shown_.clear();
    for (const auto& [argument_name, value] : arguments) {
      if (const auto* number = std::get_if<std::int64_t>(&value))
        shown_.push_back({argument_name, *number});
      else
        shown_.push_back({argument_name, std::string_view(std::get<std::string>(value))});
    }
    packets_.slice(track, slice, shown_);
  }

  PerfettoPackets& packets_;
  const SimulatedStep& step_;
  bool with_chunks_;
  FlowNumbers sent_;
  FlowNumbers received_;
  std::vector<PerfettoArgument> shown_;
};

// Allocated bytes over time: what is resident, plus every change at its instant; changes of one nanosecond count
// together, so that a buffer handed from one instruction to the next makes no spike.
void write_memory(PerfettoPackets& packets, const SimulatedStep& step, std::size_t kind) {
  const RankKind& rank_kind = step.program.kinds[kind];
  std::vector<std::pair<std::int64_t, double>> changes;
  double level = 0;
  for (const Bytes& held : rank_kind.resident) level += held.value;
  for (std::size_t i = 0; i < rank_kind.instructions.size(); ++i) {
    const std::int32_t memory = rank_kind.instructions[i].memory;
    if (memory < 0) continue;
    const Span& span = step.timeline.spans[list_of_kind(step.timeline, kind)][i];
    for (const MemoryChange& change : step.program.memory_changes[static_cast<std::size_t>(memory)]) {
      if (change.at_start != Bytes{}) changes.emplace_back(nanoseconds(span.start), change.at_start.value);
      if (change.at_end != Bytes{}) changes.emplace_back(nanoseconds(span.end), change.at_end.value);
    }
  }
  std::stable_sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (changes.empty() || changes.front().first > 0) packets.counter(memory_uuid(kind), 0, std::llround(level));
  for (std::size_t i = 0; i < changes.size(); ++i) {
    level += changes[i].second;
    const bool last_of_instant = i + 1 == changes.size() || changes[i + 1].first != changes[i].first;
    if (last_of_instant) packets.counter(memory_uuid(kind), changes[i].first, std::llround(level));
  }
}

void write_packets(PerfettoPackets::Sink sink, const Job& job, const SimulatedStep& step) {
  PerfettoPackets packets(std::move(sink));
  write_tracks(packets, job, step);
  SliceWriter slices(packets, step);
  for (const Stream stream : writing_order)
    for (std::size_t kind = 0; kind < step.program.kinds.size(); ++kind) slices.write(kind, stream);
  for (std::size_t kind = 0; kind < step.program.kinds.size(); ++kind) write_memory(packets, step, kind);
  packets.finish();
}

[[noreturn]] void fail(const std::string& path) {
  throw std::runtime_error(fmt::format("cannot write the trace '{}'", path));
}

}  // namespace

void write_perfetto_trace(std::ostream& out, const Job& job, const SimulatedStep& step) {
  write_packets([&out](std::string_view bytes) { out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())); },
                job, step);
}

void write_perfetto_file(const std::string& path, const Job& job, const SimulatedStep& step) {
  std::ofstream file(path, std::ios::binary);
  if (!file) fail(path);
  write_perfetto_trace(file, job, step);
  file.close();
  if (!file) fail(path);
}

void write_perfetto_gzip_file(const std::string& path, const Job& job, const SimulatedStep& step) {
  // The fastest level: packets repeat so much that the others gain little.
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "wb1"),
                                                        [](gzFile f) { return f == nullptr ? Z_OK : gzclose(f); });
  if (file == nullptr) fail(path);
  bool written = true;
  write_packets(
      [&](std::string_view bytes) {
        written = written && gzwrite(file.get(), bytes.data(), static_cast<unsigned>(bytes.size())) ==
                                 static_cast<int>(bytes.size());
      },
      job, step);
  if (!written || gzflush(file.get(), Z_FINISH) != Z_OK) fail(path);
}

}  // namespace trainyard
