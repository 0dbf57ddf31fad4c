#include "sim/program/pipeline_links.hpp"

namespace trainyard {
namespace {

constexpr double message_bytes = 2.0;  // 16-bit activations and their gradients

Phase phase_of_message(bool forward) { return forward ? Phase::forward : Phase::backward; }

bool is_forward(SlotKind kind) { return kind == SlotKind::forward; }
bool carries_gradients(SlotKind kind) { return kind == SlotKind::backward || kind == SlotKind::backward_input; }

Stream stream_of(bool sends, bool forward, bool up) {
  if (up) {
    if (forward) return sends ? Stream::send_forward_up : Stream::receive_forward_up;
    return sends ? Stream::send_backward_up : Stream::receive_backward_up;
  }
  if (forward) return sends ? Stream::send_forward : Stream::receive_forward;
  return sends ? Stream::send_backward : Stream::receive_backward;
}

}  // namespace

PipelineLinks::PipelineLinks(const StageContext& context) : context_(context) {
  const PipelineShape& shape = context.shape;
  bytes_ = message_bytes * static_cast<double>(context.slice.tokens() * context.in.model->hidden);
  if (context.slice.sequence_parallel || gathers_pipeline_input(context.in)) bytes_ /= context.slice.tp;
  holders_.resize(static_cast<std::size_t>(shape.stages * shape.chunks));
  for (int stage = 0; stage < shape.stages; ++stage)
    for (int c = 0; c < shape.chunks; ++c) {
      const ChunkPlace& place = context.model.chunk(stage, c).place;
      holders_[static_cast<std::size_t>(place.copy * context.model_stages() + place.model_stage)] = {stage, c};
    }
}

const PipelineLinks::Holder& PipelineLinks::holder(const ChunkPlace& place) const {
  return holders_[static_cast<std::size_t>(place.copy * context_.model_stages() + place.model_stage)];
}

int PipelineLinks::path_between(int a, int b) const {
  const int stages = context_.shape.stages;
  const int before = (a + 1) % stages == b ? a : b;
  return context_.writer.path({PathKind::next_stage, before, false});
}

// Forwards usually flow to the next stage around the ring, and gradients back.
PipelineLinks::Link PipelineLinks::link(int from, int to, int channel, bool sends, bool forward) const {
  if (from == to) return {};
  const int stages = context_.shape.stages;
  const bool usual = forward ? (from + 1) % stages == to : (to + 1) % stages == from;
  const Bytes bytes(bytes_);
  const int path = path_between(from, to);
  const int work =
      sends ? context_.writer.work(Send{bytes, path, channel}) : context_.writer.work(Receive{bytes, path, channel});
  return {work, stream_of(sends, forward, !usual)};
}

PipelineLinks::ChunkLinks PipelineLinks::links_of(const ModelChunk& chunk) const {
  ChunkLinks links;
  const int here = context_.stage, last = context_.model_stages();
  const auto channel = [&](int boundary, bool forward) {
    return (2 * chunk.place.copy + (forward ? 0 : 1)) * last + boundary;
  };
  const int at = chunk.place.model_stage;
  if (!chunk.first) {
    const int previous = holder({at - 1, chunk.place.copy}).stage;
    links.receive_forward = link(previous, here, channel(at - 1, true), false, true);
    links.send_backward = link(here, previous, channel(at - 1, false), true, false);
  }
  if (!chunk.last) {
    const int next = holder({at + 1, chunk.place.copy}).stage;
    links.send_forward = link(here, next, channel(at, true), true, true);
    links.receive_backward = link(next, here, channel(at, false), false, false);
  }
  return links;
}

void PipelineLinks::begin_stage(const std::vector<Slot>& slots) {
  chunks_.clear();
  for (int c = 0; c < context_.shape.chunks; ++c) chunks_.push_back(links_of(context_.chunk(c)));
  slots_ = &slots;
  received_.assign(slots.size(), -1);
  forward_end_ = backward_end_ = 0;
  posted_ahead_ = {};
}

bool PipelineLinks::receives(SlotKind kind, int chunk) const {
  const ChunkLinks& links = chunks_[static_cast<std::size_t>(chunk)];
  return (is_forward(kind) ? links.receive_forward : links.receive_backward).work >= 0;
}

void PipelineLinks::post_until(std::size_t now, bool forward, std::size_t& end) {
  const std::vector<Slot>& slots = *slots_;
  const std::size_t count = slots.size();
  bool& ahead = posted_ahead_[forward ? 0 : 1];
  ahead = false;
  for (; end < count && !ahead; ++end) {
    const Slot& slot = slots[end];
    if (forward ? !is_forward(slot.kind) : !carries_gradients(slot.kind)) continue;
    const ChunkLinks& links = chunks_[static_cast<std::size_t>(slot.chunk)];
    const Link& link = forward ? links.receive_forward : links.receive_backward;
    if (link.work >= 0)
      received_[end] =
          context_.writer.emit(link.work, link.stream, phase_of_message(forward), {slot.micro_batch, slot.chunk});
    ahead = end > now;
  }
}

int PipelineLinks::send(const Slot& slot) {
  const bool forward = is_forward(slot.kind);
  if (!forward && !carries_gradients(slot.kind)) return -1;
  const ChunkLinks& links = chunks_[static_cast<std::size_t>(slot.chunk)];
  const Link& link = forward ? links.send_forward : links.send_backward;
  if (link.work < 0) return -1;
  context_.writer.wait_for_compute();
  return context_.writer.emit(link.work, link.stream, phase_of_message(forward), {slot.micro_batch, slot.chunk});
}

}  // namespace trainyard
