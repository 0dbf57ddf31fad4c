// Pipeline messages of a stage: who holds the neighbouring model stages, and the sends and receives that lead there.
#pragma once

#include <array>
#include <vector>

#include "sim/program/stage_context.hpp"

namespace trainyard {

class PipelineLinks {
 public:
  explicit PipelineLinks(const StageContext& context);

  void begin_stage(const std::vector<Slot>& slots);
  // Receives of the next forward and of the next backward are posted ahead of slot `now`'s compute, so that no peer's
  // send waits behind it.
  void post_receives(std::size_t now) {
    if (context_.shape.stages == 1) return;
    if (now + 1 >= forward_end_ || !posted_ahead_[0]) post_until(now, true, forward_end_);
    if (now + 1 >= backward_end_ || !posted_ahead_[1]) post_until(now, false, backward_end_);
  }
  int received(std::size_t slot) const { return received_[slot]; }  // the receive of a slot, -1 = none
  bool receives(SlotKind kind, int chunk) const;
  // Sends what a slot has computed, after all compute written so far; -1 = it stays here.
  int send(const Slot& slot);

 private:
  struct Link {
    int work = -1;  // -1 = none
    Stream stream = Stream::compute;
  };
  struct ChunkLinks {
    Link receive_forward, send_forward, receive_backward, send_backward;
  };
  struct Holder {
    int stage = 0;
    int chunk = 0;
  };
  int path_between(int a, int b) const;
  const Holder& holder(const ChunkPlace& place) const;
  ChunkLinks links_of(const ModelChunk& chunk) const;
  Link link(int from, int to, int channel, bool sends, bool forward) const;
  void post_until(std::size_t now, bool forward, std::size_t& end);

  const StageContext& context_;
  double bytes_ = 0;
  std::vector<Holder> holders_;  // [copy * model stages + model stage]
  std::vector<ChunkLinks> chunks_;
  const std::vector<Slot>* slots_ = nullptr;
  std::vector<int> received_;
  std::size_t forward_end_ = 0, backward_end_ = 0;  // slots below have their receive of that kind
  std::array<bool, 2> posted_ahead_{};  // [forward, backward]: the last of them is ahead of the current slot
};

}  // namespace trainyard
