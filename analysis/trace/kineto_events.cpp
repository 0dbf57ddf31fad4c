#include "analysis/trace/kineto_events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "analysis/trace/kineto_arguments.hpp"
#include "analysis/trace/slice_words.hpp"
#include "analysis/trace/trace_counters.hpp"

namespace trainyard {
namespace {

// How far the host runs ahead of its GPU, so that every launch ends before its kernel starts; and how long a launch
// takes where nothing presses. Both only place events that a simulation does not have; ns.
constexpr std::int64_t host_lead = 10'000;
constexpr std::int64_t launch_time = 2'000;
constexpr std::int64_t first_step = 100'000;              // where the first step starts; ns
constexpr std::int64_t closing_step = 1'000;              // length of the annotation that ends the last step; ns
constexpr int process_offset = 10'000;                    // process ids of the ranks' hosts
constexpr int device_sort_index = 5'000'000;              // devices below processes, as Kineto sorts them
constexpr int compute_stream = 7;                         // as PyTorch's first stream of its own
constexpr int communication_stream = 16;                  // and four apart those of process groups
constexpr int launch_callback = 211, copy_callback = 41;  // CUPTI's numbers of the two runtime calls
constexpr std::size_t buffer_bytes = 1U << 16;

int stream_number(Stream stream) {
  return stream == Stream::compute ? compute_stream : communication_stream + 4 * static_cast<int>(stream);
}

// A row of a viewer.
struct Place {
  int process = 0;
  int thread = 0;
};

struct Launch {
  std::int64_t start = 0, end = 0;  // ns from the beginning of the step on the GPU
};

// Launches in the order of their kernels, one after the other, each before its kernel and all inside the step as the
// host sees it, which is `host_lead` ahead.
std::vector<Launch> launches_of(const std::vector<SimulatedKernel>& kernels, std::int64_t step_end) {
  std::vector<Launch> launches(kernels.size());
  std::int64_t free = kernels.empty() ? 0 : kernels.front().start - host_lead;
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    const std::int64_t next = i + 1 < kernels.size() ? kernels[i + 1].start : step_end;
    const std::int64_t time = std::clamp<std::int64_t>(next - kernels[i].start, 1, launch_time);
    launches[i].start = std::max(free, kernels[i].start - host_lead);
    launches[i].end = free = launches[i].start + time;
  }
  std::int64_t limit = step_end - host_lead;
  for (auto launch = launches.rbegin(); launch != launches.rend() && launch->end > limit; ++launch) {
    launch->end = limit;
    launch->start = limit = std::min(launch->start, launch->end - 1);
  }
  return launches;
}

class EventWriter {
 public:
  EventWriter(const KinetoSubject& subject, const TextSink& sink)
      : subject_(subject),
        sink_(sink),
        kind_(subject.step->program.kinds[subject.rank.kind]),
        texts_(subject),
        kernels_(simulated_kernels(*subject.step, subject.rank.list)),
        window_(simulated_window(*subject.step, subject.rank.list)),
        launches_(launches_of(kernels_, window_.end)),
        host_(process_offset + subject.rank.rank.value) {}

  void run(int steps) {
    name_tracks();
    for (int i = 0; i < steps; ++i) {
      shift_ = first_step + i * (window_.end - window_.start);
      annotate_step(i);
      passes();
      for (std::size_t k = 0; k < kernels_.size(); ++k) kernel(k);
      host_work();
      memory();
    }
    shift_ = first_step + steps * (window_.end - window_.start);
    annotate_end(steps);
    flush();
  }

 private:
  // Times are of the step; `arguments` without braces.
  void complete(std::string_view category, std::string_view title, Place place, std::int64_t start, std::int64_t end,
                std::string_view arguments) {
    event(R"({{"ph": "X", "cat": "{}", "name": "{}", "pid": {}, "tid": {}, "ts": )", category, title, place.process,
          place.thread);
    fmt::format_to(std::back_inserter(text_), R"({}, "dur": {}, "args": {{{}}}}})", at(start),
                   microseconds(end - start), arguments);
  }
  void metadata(std::string_view what, Place place, std::string_view argument) {
    event(R"({{"ph": "M", "name": "{}", "pid": {}, "tid": {}, "ts": 0.000, "args": {{{}}}}})", what, place.process,
          place.thread, argument);
  }
  void arrow(char phase, Place place, std::int64_t time, std::string_view binding) {
    event(R"({{"ph": "{}", "cat": "ac2g", "name": "ac2g", "id": {}, "pid": {}, "tid": {}, "ts": {}{}}})", phase,
          correlation_, place.process, place.thread, at(time), binding);
  }
  template <class... Values>
  void event(fmt::format_string<Values...> format, Values&&... values) {
    if (text_.size() >= buffer_bytes) flush();
    if (!first_) text_ += ",\n";
    first_ = false;
    fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
  }
  void flush() {
    sink_(text_);
    text_.clear();
  }

  // A time of the step in microseconds as Kineto writes them.
  std::string at(std::int64_t nanoseconds) const { return microseconds(nanoseconds + shift_); }
  static std::string microseconds(std::int64_t nanoseconds) {
    return fmt::format("{}.{:03d}", nanoseconds / 1000, nanoseconds % 1000);
  }

  Place host() const { return {host_, host_}; }
  Place gpu(Stream stream) const { return {subject_.device, stream_number(stream)}; }

  void name_process(int process, std::string_view labels, int sort_index) {
    const Place place{process, 0};
    metadata("process_name", place, "\"name\": \"trainyard (simulated)\"");
    metadata("process_labels", place, fmt::format(R"("labels": "{}")", labels));
    metadata("process_sort_index", place, fmt::format(R"("sort_index": {})", sort_index));
  }
  void name_thread(Place place, const std::string& title) {
    metadata("thread_name", place, fmt::format(R"("name": "{}")", title));
    metadata("thread_sort_index", place, fmt::format(R"("sort_index": {})", place.thread));
  }
  void name_tracks() {
    name_process(host_, "CPU (simulated)", host_);
    name_thread(host(), fmt::format("thread {} (launches)", host_));
    name_thread({host_, host_ + 1}, fmt::format("thread {} (work of the host)", host_ + 1));
    name_process(subject_.device, fmt::format("GPU {} (simulated)", subject_.device),
                 device_sort_index + subject_.device);
    name_thread({subject_.device, annotation_thread}, "annotations");
    std::array<bool, streams> used{};
    for (const SimulatedKernel& k : kernels_) used[static_cast<std::size_t>(instruction(k).stream)] = true;
    for (std::size_t s = 0; s < used.size(); ++s)
      if (const auto stream = static_cast<Stream>(s); used[s])
        name_thread(gpu(stream), fmt::format("stream {} {}", stream_number(stream), name(stream)));
  }

  const Instruction& instruction(const SimulatedKernel& kernel) const {
    return kind_.instructions[static_cast<std::size_t>(kernel.instruction)];
  }

  void annotate_step(int number) {
    const std::string title = fmt::format("ProfilerStep#{}", number), id = external_id(++external_);
    complete("user_annotation", title, host(), window_.start - host_lead, window_.end - host_lead, id);
    if (kernels_.empty()) return;
    complete("gpu_user_annotation", title, {subject_.device, annotation_thread}, window_.start, window_.end, id);
  }
  // HTA leaves the last step out.
  void annotate_end(int number) {
    const std::int64_t start = window_.start - host_lead;
    complete("user_annotation", fmt::format("ProfilerStep#{}", number), host(), start, start + closing_step,
             external_id(++external_));
  }
  static std::string external_id(std::int64_t id) { return fmt::format(R"("External id": {})", id); }

  // One cpu_op over the launches of each pass: "F3 chunk 1".
  void passes() {
    const bool chunks = has_chunks(subject_.step->program);
    pass_of_.assign(kernels_.size(), 0);
    for (std::size_t from = 0; from < kernels_.size();) {
      std::size_t to = from + 1;
      while (to < kernels_.size() && same_pass(instruction(kernels_[from]), instruction(kernels_[to]))) ++to;
      ++external_;
      std::fill(pass_of_.begin() + static_cast<std::ptrdiff_t>(from),
                pass_of_.begin() + static_cast<std::ptrdiff_t>(to), external_);
      complete("cpu_op", pass_title(instruction(kernels_[from]), chunks), host(), launches_[from].start,
               launches_[to - 1].end, external_id(external_));
      from = to;
    }
  }
  static bool same_pass(const Instruction& a, const Instruction& b) {
    return a.phase == b.phase && a.micro_batch == b.micro_batch && a.chunk == b.chunk;
  }
  static std::string pass_title(const Instruction& i, bool chunks) {
    std::string title(slice_category(i));
    if (i.micro_batch >= 0) title += fmt::format(" of micro batch {}", i.micro_batch);
    if (i.micro_batch >= 0 && chunks) title += fmt::format(", chunk {}", i.chunk);
    return title;
  }

  void kernel(std::size_t k) {
    const SimulatedKernel& kernel = kernels_[k];
    const Instruction& i = instruction(kernel);
    const Launch& launch = launches_[k];
    const KernelText& text = texts_.of(kernel, i);
    const bool copy = kernel.work.category == WorkCategory::copy;
    ++correlation_;
    const std::string id = fmt::format(R"("External id": {}, "correlation": {})", pass_of_[k], correlation_);
    complete("cuda_runtime", copy ? "cudaMemcpyAsync" : "cudaLaunchKernel", host(), launch.start, launch.end,
             fmt::format(R"({}, "cbid": {})", id, copy ? copy_callback : launch_callback));
    arrow('s', host(), launch.start, "");
    complete(
        copy ? "gpu_memcpy" : "kernel", text.name, gpu(i.stream), kernel.start, kernel.end,
        fmt::format(R"({}, "queued": 0, "device": {}, "context": 1, "stream": {}{}{}{})", id, subject_.device,
                    stream_number(i.stream), pass_arguments(i), text.arguments.empty() ? "" : ", ", text.arguments));
    arrow('f', gpu(i.stream), kernel.start, R"(, "bp": "e")");
  }
  static std::string pass_arguments(const Instruction& i) {
    if (i.micro_batch < 0) return {};
    return fmt::format(R"(, "Micro batch": {}, "Chunk": {})", i.micro_batch, i.chunk);
  }

  void host_work() {
    const std::vector<Span>& spans = subject_.step->timeline.spans[subject_.rank.list];
    for (std::size_t i = 0; i < kind_.instructions.size(); ++i) {
      if (kind_.instructions[i].stream != Stream::host) continue;
      const std::int64_t start = trace_nanoseconds(spans[i].start), end = trace_nanoseconds(spans[i].end);
      if (end <= start) continue;
      complete("cpu_op", escaped(slice_name(subject_.step->program, kind_.instructions[i], false)), {host_, host_ + 1},
               start, end, external_id(++external_));
    }
  }

  // As the profiler's profile_memory records the caching allocator.
  void memory() {
    if (subject_.memory == nullptr) return;
    std::int64_t held = 0;
    for (const MemoryPoint& point : subject_.memory->points) {
      const auto total = static_cast<std::int64_t>(point.total().value);
      if (total == held) continue;
      event(R"({{"ph": "i", "s": "t", "cat": "cpu_instant_event", "name": "[memory]", "pid": {}, "tid": {}, "ts": )",
            host_, host_);
      fmt::format_to(std::back_inserter(text_),
                     R"({}, "args": {{"Total Allocated": {}, "Bytes": {}, "Device Id": {}, "Device Type": 1}}}})",
                     at(trace_nanoseconds(point.time)), total, total - held, subject_.device);
      held = total;
    }
  }

  // A thread of its own: annotations of the GPU reach around the kernels of every stream.
  static constexpr int annotation_thread = 0;

  const KinetoSubject& subject_;
  const TextSink& sink_;
  const RankKind& kind_;
  KernelTexts texts_;
  std::vector<SimulatedKernel> kernels_;
  StepWindow window_;
  std::vector<Launch> launches_;
  std::vector<std::int64_t> pass_of_;  // [kernel] external id of its cpu_op
  int host_;
  std::int64_t shift_ = 0;  // of the present repetition; ns
  std::int64_t correlation_ = 0, external_ = 0;
  bool first_ = true;
  std::string text_;
};

}  // namespace

void write_kineto_events(const KinetoSubject& subject, int steps, const TextSink& sink) {
  EventWriter(subject, sink).run(steps);
}

}  // namespace trainyard
