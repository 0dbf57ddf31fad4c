// What slices say, encoded once for all the ranks that run the same list of the timeline: they differ in their track
// and their arrows alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

class EncodedSlices {
 public:
  // `shown` ranks run each list; of a list that one rank runs, nothing is kept.
  explicit EncodedSlices(const std::vector<int>& shown) : lists_(shown.size()) {
    for (std::size_t list = 0; list < shown.size(); ++list) lists_[list].kept = shown[list] > 1;
  }

  // The slot-th text of a list; `encode(std::string& to)` appends it where it is not known yet. Valid until the next
  // call.
  template <class Encode>
  std::string_view of(std::size_t list, std::size_t slot, Encode&& encode) {
    List& known = lists_[list];
    if (slot < known.texts.size() && known.texts[slot].data != nullptr)
      return {known.texts[slot].data, known.texts[slot].size};
    scratch_.clear();
    encode(scratch_);
    if (known.kept && held_ + scratch_.size() <= most_held) keep(known, slot);
    return scratch_;
  }

 private:
  struct Text {
    const char* data = nullptr;
    std::uint32_t size = 0;
  };
  struct List {
    bool kept = false;
    std::vector<Text> texts;  // [slot]
  };
  static constexpr std::size_t most_held = 64U << 20U;  // bytes; beyond, texts are encoded each time
  static constexpr std::size_t chunk = 1U << 20U;

  void keep(List& list, std::size_t slot) {
    if (slot >= list.texts.size()) list.texts.resize(slot + 1);
    if (scratch_.size() > room_) {
      room_ = scratch_.size() > chunk ? scratch_.size() : chunk;
      free_ = chunks_.emplace_back(std::make_unique<char[]>(room_)).get();
    }
    scratch_.copy(free_, scratch_.size());
    list.texts[slot] = {free_, static_cast<std::uint32_t>(scratch_.size())};
    free_ += scratch_.size();
    room_ -= scratch_.size();
    held_ += scratch_.size();
  }

  std::vector<List> lists_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* free_ = nullptr;
  std::size_t room_ = 0, held_ = 0;
  std::string scratch_;
};

}  // namespace trainyard
