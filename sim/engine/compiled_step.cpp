#include "sim/engine/compiled_step.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

#include "sim/engine/steady_state.hpp"

namespace trainyard {
namespace {

using Index = std::int32_t;

// Two times of a step closer than this are the same: rounding of sums of doubles, far below any duration.
constexpr double relative_rounding = 1e-12;

constexpr Index unresolved = -1;

}  // namespace

// Reads the stages in turn, each as far as it gets. The two sides of a transfer and the members of a meeting are one
// node, which is written when the last of them comes.
class CompiledStep::Builder {
 public:
  Builder(const StepProgram& program, CompiledStep& step) : program_(program), step_(step) {
    cursors_.resize(program.kinds.size());
    for (std::size_t k = 0; k < cursors_.size(); ++k) {
      cursors_[k].last.fill(0);
      cursors_[k].nodes.assign(program.kinds[k].instructions.size(), unresolved);
    }
    step_.nodes_.reserve(program.instruction_count());
  }

  bool run() {
    bool moved = true, finished = false;
    while (moved && !finished) {
      moved = false;
      finished = true;
      for (std::size_t k = 0; k < cursors_.size(); ++k) {
        moved = advance(k) || moved;
        finished = finished && cursors_[k].next == program_.kinds[k].instructions.size();
      }
    }
    return finished && open_ == 0;
  }

  Index node_of(std::size_t kind, std::size_t instruction) const { return cursors_[kind].nodes[instruction]; }

 private:
  struct Cursor {
    std::size_t next = 0;
    std::array<Index, streams> last{};  // node of the latest instruction of each stream
    std::vector<Index> nodes;           // [instruction]
  };
  // A side of a transfer or a member of a meeting that waits for the others.
  struct Posted {
    std::size_t kind = 0, instruction = 0;
    std::vector<Index> after;
  };
  struct Channel {
    std::vector<Posted> waiting;
    std::size_t first = 0;
    bool sends = false;
  };

  bool advance(std::size_t k) {
    Cursor& cursor = cursors_[k];
    const RankKind& kind = program_.kinds[k];
    const std::size_t begin = cursor.next;
    for (; cursor.next < kind.instructions.size(); ++cursor.next) {
      const Instruction& i = kind.instructions[cursor.next];
      if (!gather_predecessors(kind, cursor, i)) break;
      const Work& work = program_.works[static_cast<std::size_t>(i.work)];
      if (const auto* s = std::get_if<Send>(&work))
        meet(k, i, s->channel, true);
      else if (const auto* r = std::get_if<Receive>(&work))
        meet(k, i, r->channel, false);
      else if (const auto* c = std::get_if<Collective>(&work); c != nullptr && c->parties > 1)
        join(k, i, *c);
      else
        settle(k, cursor.next, push(i.work));
    }
    return cursor.next > begin;
  }

  // Fills after_; false if a transfer among them has not met.
  bool gather_predecessors(const RankKind& kind, const Cursor& cursor, const Instruction& i) {
    after_.clear();
    const Index previous = cursor.last[static_cast<std::size_t>(i.stream)];
    if (previous < 0) return false;
    if (previous > 0) after_.push_back(previous);
    for (Index a = 0; a < i.after_count; ++a) {
      const Index node = cursor.nodes[kind.after[static_cast<std::size_t>(i.after_begin + a)].index()];
      if (node < 0) return false;
      after_.push_back(node);
    }
    return true;
  }

  void settle(std::size_t kind, std::size_t instruction, Index node) {
    Cursor& cursor = cursors_[kind];
    cursor.nodes[instruction] = node;
    const auto stream = static_cast<std::size_t>(program_.kinds[kind].instructions[instruction].stream);
    if (cursor.last[stream] < 0 || instruction == cursor.next) cursor.last[stream] = node;
  }
  void post(std::vector<Posted>& waiting, std::size_t kind, const Instruction& i) {
    waiting.push_back({kind, cursors_[kind].next, after_});
    cursors_[kind].last[static_cast<std::size_t>(i.stream)] = unresolved;
    ++open_;
  }

  void meet(std::size_t kind, const Instruction& i, int key, bool sends) {
    if (channels_.size() <= static_cast<std::size_t>(key)) channels_.resize(static_cast<std::size_t>(key) + 1);
    Channel& channel = channels_[static_cast<std::size_t>(key)];
    if (channel.first == channel.waiting.size() || channel.sends == sends) {
      channel.sends = sends;
      post(channel.waiting, kind, i);
      return;
    }
    const Posted& partner = channel.waiting[channel.first++];
    after_.insert(after_.end(), partner.after.begin(), partner.after.end());
    const Index node = push(i.work);
    settle(kind, cursors_[kind].next, node);
    settle(partner.kind, partner.instruction, node);
    --open_;
  }

  void join(std::size_t kind, const Instruction& i, const Collective& c) {
    std::vector<Posted>& members = meetings_[c.rendezvous];
    post(members, kind, i);
    if (members.size() < static_cast<std::size_t>(c.parties)) return;
    after_.clear();
    for (const Posted& p : members) after_.insert(after_.end(), p.after.begin(), p.after.end());
    const Index node = push(i.work);
    for (const Posted& p : members) settle(p.kind, p.instruction, node);
    open_ -= members.size();
    members.clear();
  }

  // More than three predecessors are joined by nodes that take no time.
  Index push(Index work) {
    while (after_.size() > 3) {
      const Index joined = push_node(-1, after_.end() - 3);
      after_.resize(after_.size() - 3);
      after_.push_back(joined);
    }
    return push_node(work, after_.begin());
  }
  Index push_node(Index work, std::vector<Index>::const_iterator first) {
    Node node{work, {0, 0, 0}};
    std::copy(first, after_.cend(), node.after);
    step_.nodes_.push_back(node);
    return static_cast<Index>(step_.nodes_.size());
  }

  const StepProgram& program_;
  CompiledStep& step_;
  std::vector<Cursor> cursors_;
  std::vector<Channel> channels_;
  std::map<int, std::vector<Posted>> meetings_;  // by rendezvous
  std::vector<Index> after_;                     // of the instruction at hand
  std::size_t open_ = 0;                         // posted and not met
};

std::optional<CompiledStep> CompiledStep::compile(const StepProgram& program, int group) {
  CompiledStep step;
  step.steps_overlap_ = program.steps_overlap;
  Builder builder(program, step);
  if (!builder.run()) return std::nullopt;
  for (const SteadyPair& pair : steady_pairs(program, group))
    step.steady_.push_back({builder.node_of(pair.kind, pair.earlier), builder.node_of(pair.kind, pair.later)});
  for (std::size_t k = 0; step.steps_overlap_ && k < program.kinds.size(); ++k) {
    Window window;
    std::array<Index, streams> last;
    last.fill(0);
    for (std::size_t i = 0; i < program.kinds[k].instructions.size(); ++i) {
      const Stream stream = program.kinds[k].instructions[i].stream;
      last[static_cast<std::size_t>(stream)] = builder.node_of(k, i);
      if (window.first == 0 && stream == Stream::compute) window.first = builder.node_of(k, i);
    }
    std::copy_if(last.begin(), last.end(), std::back_inserter(window.last), [](Index n) { return n > 0; });
    step.windows_.push_back(std::move(window));
  }
  return step;
}

CompiledStep::Times CompiledStep::run(const std::vector<WorkPrice>& works, std::vector<double>& ends) const {
  ends.resize(nodes_.size() + 1);
  double* end = ends.data();
  const auto ready = [end](const Node& node) {
    return std::max(std::max(end[node.after[0]], end[node.after[1]]), end[node.after[2]]);
  };
  end[0] = 0;
  double makespan = 0;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    const Node& node = nodes_[n];
    const double duration = node.work < 0 ? 0.0 : works[static_cast<std::size_t>(node.work)].duration.value;
    end[n + 1] = ready(node) + duration;
    makespan = std::max(makespan, end[n + 1]);
  }
  Times times{Seconds(makespan), std::nullopt};
  if (steps_overlap_) {
    double longest = 0;
    for (const Window& w : windows_) {
      double last = 0;
      for (const Index n : w.last) last = std::max(last, end[n]);
      const double first = w.first == 0 ? 0.0 : ready(nodes_[static_cast<std::size_t>(w.first) - 1]);
      longest = std::max(longest, last - first);
    }
    times.step = Seconds(longest);
  }
  if (steady_.empty()) return times;
  const double shift = end[steady_.front().later] - end[steady_.front().earlier];
  const double tolerance = relative_rounding * makespan;
  for (const CyclePair& pair : steady_)
    if (std::abs(end[pair.later] - end[pair.earlier] - shift) > tolerance) return times;
  times.per_group = Seconds(shift);
  return times;
}

}  // namespace trainyard
