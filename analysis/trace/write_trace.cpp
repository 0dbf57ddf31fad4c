#include "analysis/trace/write_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "analysis/trace/encoded_slices.hpp"
#include "analysis/trace/model_layers.hpp"
#include "analysis/trace/slice_words.hpp"
#include "analysis/trace/step_graph.hpp"
#include "analysis/trace/trace_counters.hpp"
#include "analysis/trace/trace_flows.hpp"
#include "models/collective_cost.hpp"

namespace trainyard {
namespace {

constexpr int critical_process = 0;

// Sends first: where a send and its receive start in the same nanosecond, viewers take the one they read first as the
// beginning of the arrow.
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

class TraceWriter {
 public:
  TraceWriter(TraceSink& sink, const Job& job, const SimulatedStep& step, const std::vector<ShownRank>& ranks)
      : sink_(sink),
        job_(job),
        step_(step),
        ranks_(ranks),
        graph_(step),
        flows_(job, step, ranks),
        path_(graph_.critical_path()),
        with_chunks_(has_chunks(step.program)),
        encoded_(shown_per_list(step, ranks)) {
    for (const Work& work : step.program.works) prepare_arguments(work);
    for (const std::vector<Span>& spans : step.timeline.spans) critical_.emplace_back(spans.size(), false);
    for (const InstructionAt at : path_)
      critical_[static_cast<std::size_t>(at.list)][static_cast<std::size_t>(at.instruction)] = true;
    for (std::size_t k = 0; k < step.program.kinds.size(); ++k) {
      const RankKind& kind = step.program.kinds[k];
      layers_.push_back(model_layers(step, k));
      auto& by_stream = of_stream_.emplace_back();
      for (std::size_t i = 0; i < kind.instructions.size(); ++i)
        by_stream[static_cast<std::size_t>(kind.instructions[i].stream)].push_back(static_cast<std::uint32_t>(i));
    }
  }

  void write() {
    declare_critical_path();
    for (std::size_t r = 0; r < ranks_.size(); ++r) declare(r);
    write_critical_path();
    for (const Stream stream : writing_order)
      for (std::size_t r = 0; r < ranks_.size(); ++r) write_stream(r, stream);
    for (std::size_t r = 0; r < ranks_.size(); ++r) write_counters(r);
    sink_.finish();
  }

 private:
  static std::vector<int> shown_per_list(const SimulatedStep& step, const std::vector<ShownRank>& ranks) {
    std::vector<int> shown(step.timeline.spans.size());
    for (const ShownRank& rank : ranks) ++shown[rank.list];
    return shown;
  }
  static int process_of(std::size_t shown) { return static_cast<int>(shown) + 1; }
  static TraceTrack track_of(std::size_t shown, Stream stream) { return {process_of(shown), static_cast<int>(stream)}; }

  const RankKind& kind(std::size_t shown) const { return step_.program.kinds[ranks_[shown].kind]; }
  const std::vector<Span>& spans(std::size_t shown) const { return step_.timeline.spans[ranks_[shown].list]; }

  // What slices of a work say of it whatever the micro-batch.
  void prepare_arguments(const Work& work) {
    const std::size_t w = arguments_.size();
    std::vector<TraceArgument>& arguments = arguments_.emplace_back();
    const auto add_text = [&](std::string_view argument, std::string text) {
      arguments.push_back({argument, std::string_view(texts_.emplace_back(std::move(text)))});
    };
    Instruction any;
    any.work = static_cast<std::int32_t>(w);
    for (auto& [argument, value] : slice_arguments(step_.program, any)) {
      if (const auto* number = std::get_if<std::int64_t>(&value))
        arguments.push_back({argument, *number});
      else
        add_text(argument, std::move(std::get<std::string>(value)));
    }
    if (const auto* c = std::get_if<Collective>(&work)) {
      const CollectiveCost cost =
          collective_cost(c->kind, c->bytes, step_.program.paths[static_cast<std::size_t>(c->path)],
                          job_.profile.device, job_.profile.network, c->outside);
      if (c->group != CommGroup::none) add_text("group", std::string(name(c->group)));
      add_text("algorithm", std::string(cost.algorithm));
      if (!cost.protocol.empty()) add_text("protocol", std::string(cost.protocol));
    }
    if (!std::holds_alternative<Block>(work) || w >= step_.prices.works.size()) return;
    const WorkPrice& price = step_.prices.works[w];
    const auto add_time = [&](std::string_view argument, Seconds time) {
      if (time.value > 0) arguments.push_back({argument, time.value * 1e6});
    };
    add_time("compute us", price.compute);
    add_time("exposed tp us", price.tp.exposed);
    add_time("exposed cp us", price.cp.exposed);
    add_time("exposed ep us", price.ep.exposed);
    add_time("host us", price.host);
  }

  std::string process_name(const ShownRank& shown) const {
    const RankCoordinates at = step_.layout.coordinates(shown.rank);
    const RankKind& kind = step_.program.kinds[shown.kind];
    if (shown.stands_for > 1)
      return fmt::format("stage {} · rank {} shown of {} · {}", kind.stage.value, shown.rank.value, shown.stands_for,
                         job_.model.name);
    return fmt::format("rank {} · stage {} (tp {} cp {} dp {}) · {}", shown.rank.value, kind.stage.value, at.tp, at.cp,
                       at.dp, job_.model.name);
  }

  void declare(std::size_t shown) {
    sink_.process(process_of(shown), process_name(ranks_[shown]));
    std::array<bool, streams> used{};
    for (const Instruction& i : kind(shown).instructions) used[static_cast<std::size_t>(i.stream)] = true;
    for (int s = 0; s < streams; ++s)
      if (used[static_cast<std::size_t>(s)]) sink_.track({process_of(shown), s}, name(static_cast<Stream>(s)));
  }

  void declare_critical_path() {
    sink_.process(critical_process, "critical path");
    sink_.track({critical_process, 0}, "critical path");
  }

  std::string slice_text(std::size_t list, std::size_t id) const {
    const RankKind& kind = step_.program.kinds[kind_of_list(step_.timeline, list)];
    std::string text = slice_name(step_.program, kind.instructions[id], with_chunks_);
    if (const PairedForward* forward = paired_forward(kind, InstructionId(id)))
      text = fmt::format("F{} + {}", forward->micro_batch, text);
    return text;
  }
  // "F3 of stage 1"
  std::string text_of(InstructionAt at) const {
    const auto list = static_cast<std::size_t>(at.list);
    const int stage = step_.program.kinds[kind_of_list(step_.timeline, list)].stage.value;
    const std::string text = slice_text(list, static_cast<std::size_t>(at.instruction));
    if (step_.timeline.lists.empty()) return fmt::format("{} of stage {}", text, stage);
    return fmt::format("{} of rank {}", text, step_.timeline.lists[list].representative.value);
  }

  void write_critical_path() {
    std::int64_t free_from = 0;
    for (const InstructionAt at : path_) {
      const auto list = static_cast<std::size_t>(at.list);
      const Span& span = step_.timeline.spans[list][static_cast<std::size_t>(at.instruction)];
      const Instruction& i = step_.program.kinds[kind_of_list(step_.timeline, list)]
                                 .instructions[static_cast<std::size_t>(at.instruction)];
      const std::string text = text_of(at);
      const std::int64_t begin = std::max(trace_nanoseconds(span.start), free_from);
      free_from = std::max(trace_nanoseconds(span.end), begin);
      slice({critical_process, 0}, {.begin = begin, .end = free_from}, {.name = text, .category = slice_category(i)});
    }
  }

  void write_stream(std::size_t shown, Stream stream) {
    std::int64_t free_from = 0;  // rounding keeps order; this guards against spans that touch within float noise
    for (const std::uint32_t i : of_stream_[ranks_[shown].kind][static_cast<std::size_t>(stream)]) {
      const std::int64_t begin = std::max(trace_nanoseconds(spans(shown)[i].start), free_from);
      if (stream == Stream::compute && begin > free_from) write_idle(shown, i, free_from, begin);
      free_from = std::max(trace_nanoseconds(spans(shown)[i].end), begin);
      write_slice(shown, i, begin, free_from);
    }
    const std::int64_t end = trace_nanoseconds(step_.timeline.makespan);
    if (stream == Stream::compute && end > free_from)
      slice(track_of(shown, stream), {.begin = free_from, .end = end},
            {.name = "waits for the end of the step", .category = "idle"});
  }
  void slice(TraceTrack track, const TraceSlice& slice, const TraceText& text) {
    text_.clear();
    sink_.encode(text, text_);
    sink_.slice(track, slice, text_);
  }

  void write_slice(std::size_t shown, std::size_t id, std::int64_t begin, std::int64_t end) {
    const std::size_t list = ranks_[shown].list;
    const FlowEnds flow = flows_.of(shown, id);
    sink_.slice(track_of(shown, kind(shown).instructions[id].stream),
                {.begin = begin, .end = end, .flow_out = flow.out, .flow_in = flow.in},
                encoded_.of(list, 2 * id, [&](std::string& to) { encode_slice(list, id, to); }));
  }
  void encode_slice(std::size_t list, std::size_t id, std::string& to) {
    const Instruction& i = step_.program.kinds[kind_of_list(step_.timeline, list)].instructions[id];
    shown_.clear();
    if (i.micro_batch >= 0) {
      shown_.push_back({"micro batch", std::int64_t{i.micro_batch}});
      shown_.push_back({"chunk", std::int64_t{i.chunk}});
    }
    const std::vector<TraceArgument>& of_work = arguments_[static_cast<std::size_t>(i.work)];
    shown_.insert(shown_.end(), of_work.begin(), of_work.end());
    const LayerRange layers = layers_[kind_of_list(step_.timeline, list)][id];
    std::string several;
    if (layers.count == 1) shown_.push_back({"layer", std::int64_t{layers.first}});
    if (layers.count > 1)
      shown_.push_back({"layers", std::string_view(several = fmt::format("{}-{}", layers.first, layers.last()))});
    if (critical_[list][id]) shown_.push_back({"critical path", std::int64_t{1}});
    sink_.encode({slice_text(list, id), slice_category(i), shown_}, to);
  }

  // Before a compute instruction.
  void write_idle(std::size_t shown, std::size_t next, std::int64_t begin, std::int64_t end) {
    const std::size_t list = ranks_[shown].list;
    sink_.slice(track_of(shown, Stream::compute), {.begin = begin, .end = end},
                encoded_.of(list, 2 * next + 1, [&](std::string& to) { encode_idle(list, next, to); }));
  }
  // For what, and for what that had waited in turn.
  void encode_idle(std::size_t list, std::size_t next, std::string& to) {
    std::string text = "waits", before;
    shown_.clear();
    if (const std::optional<InstructionAt> cause =
            graph_.waited_for({static_cast<std::int32_t>(list), static_cast<std::int32_t>(next)})) {
      const bool own = static_cast<std::size_t>(cause->list) == list;
      text = fmt::format("waits for {}",
                         own ? slice_text(list, static_cast<std::size_t>(cause->instruction)) : text_of(*cause));
      if (const std::optional<InstructionAt> earlier = graph_.waited_for(*cause))
        shown_.push_back({"which waited for", std::string_view(before = text_of(*earlier))});
    }
    sink_.encode({text, "idle", shown_}, to);
  }

  void write_counters(std::size_t shown) {
    int track = streams;
    const auto [known, added] = counters_.try_emplace(ranks_[shown].list);
    if (added) known->second = trace_counters(job_, step_, ranks_[shown].list);
    for (const CounterTrack& counter : known->second) {
      const TraceTrack to{process_of(shown), track++};
      sink_.counter_track(to, counter.name, counter.unit);
      for (const CounterPoint& point : counter.points) sink_.counter(to, point.at, point.value);
    }
  }

  TraceSink& sink_;
  const Job& job_;
  const SimulatedStep& step_;
  const std::vector<ShownRank>& ranks_;
  StepGraph graph_;
  TraceFlows flows_;
  std::vector<InstructionAt> path_;
  std::vector<std::vector<bool>> critical_;                                 // [list][instruction]
  std::vector<std::array<std::vector<std::uint32_t>, streams>> of_stream_;  // [kind][stream] instructions
  std::vector<std::vector<LayerRange>> layers_;                             // [kind][instruction]
  bool with_chunks_;
  std::vector<std::vector<TraceArgument>> arguments_;          // [work]
  std::deque<std::string> texts_;                              // of the arguments
  std::map<std::size_t, std::vector<CounterTrack>> counters_;  // by list
  EncodedSlices encoded_;                                      // of an instruction, and of the wait before it
  std::vector<TraceArgument> shown_;                           // of the slice at hand …
  std::string text_;                                           // … and its encoding
};

}  // namespace

void write_trace(TraceSink& sink, const Job& job, const SimulatedStep& step, const std::vector<ShownRank>& ranks) {
  TraceWriter(sink, job, step, ranks).write();
}

}  // namespace trainyard
