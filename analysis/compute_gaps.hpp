// What the gaps of a rank's compute stream are spent on: a gap belongs to the transfer it ends on, for as long as that
// transfer ran; what precedes it to what the transfer waited for; the rest of the gap, in which nothing of this rank
// moved, is the bubble.
#pragma once

#include <algorithm>
#include <variant>
#include <vector>

#include "sim/engine/timeline.hpp"
#include "sim/program/step_program.hpp"

namespace trainyard {

class ComputeGaps {
 public:
  static constexpr double time_resolution = 1e-12;  // seconds; below it two times are the same
  static constexpr int bubble = -1;

  // One list of a timeline; keeps references.
  ComputeGaps(const StepProgram& program, const RankKind& kind, const std::vector<Span>& spans)
      : program_(program), kind_(kind), spans_(spans) {}

  // visit(from, to, instruction waited for, or `bubble`) for the parts of the gap before a compute instruction, latest
  // first; parts may be empty.
  template <class Visit>
  void before(int id, Seconds from, Seconds to, Visit&& visit) const {
    const int cause = gate(id, to);
    if (cause < 0 || span(cause).end <= from) {
      visit(from, to, bubble);
      return;
    }
    visit(span(cause).end, to, bubble);
    during(cause, from, span(cause).end, visit);
  }
  // The same of a gap that ends with instruction `id`.
  template <class Visit>
  void during(int id, Seconds from, Seconds to, Visit&& visit) const {
    while (to.value - from.value > time_resolution) {
      const Instruction& i = instruction(id);
      const Seconds begun = waits_inside(i) ? ready(id) : span(id).start;
      const Seconds start = std::max(from, std::min(to, begun));
      visit(start, to, id);
      to = start;
      const int earlier = gate(id, to);
      if (earlier < 0 || span(earlier).end <= from) break;
      visit(span(earlier).end, to, bubble);
      to = span(earlier).end;
      id = earlier;
    }
    if (to > from) visit(from, to, bubble);
  }

 private:
  const Instruction& instruction(int id) const { return kind_.instructions[static_cast<std::size_t>(id)]; }
  const Span& span(int id) const { return spans_[static_cast<std::size_t>(id)]; }

  // When everything that an instruction comes after had ended.
  Seconds ready(int id) const {
    const Instruction& i = instruction(id);
    Seconds latest{};
    for (int a = 0; a < i.after_count; ++a)
      latest = std::max(latest, spans_[kind_.after[static_cast<std::size_t>(i.after_begin + a)].index()].end);
    const int previous = previous_of_stream(id);
    return previous < 0 ? latest : std::max(latest, span(previous).end);
  }
  // A collective among equals, in which a rank that waits for a slower peer sits inside the call.
  bool waits_inside(const Instruction& i) const {
    const auto* c = std::get_if<Collective>(&program_.works[static_cast<std::size_t>(i.work)]);
    return c != nullptr && c->parties == 1 && c->group != CommGroup::none;
  }
  // The dependency that ended last before `limit`, or -1.
  int gate(int id, Seconds limit) const {
    const Instruction& i = instruction(id);
    int best = -1;
    const auto consider = [&](int candidate) {
      if (candidate < 0 || instruction(candidate).stream == Stream::compute) return;
      if (span(candidate).end.value > limit.value + time_resolution) return;
      if (best < 0 || span(candidate).end > span(best).end) best = candidate;
    };
    for (int a = 0; a < i.after_count; ++a) consider(kind_.after[static_cast<std::size_t>(i.after_begin + a)].value);
    if (i.stream != Stream::compute) consider(previous_of_stream(id));
    return best;
  }
  int previous_of_stream(int id) const {
    const Stream stream = instruction(id).stream;
    do --id;
    while (id >= 0 && instruction(id).stream != stream);
    return id;
  }

  const StepProgram& program_;
  const RankKind& kind_;
  const std::vector<Span>& spans_;
};

}  // namespace trainyard
