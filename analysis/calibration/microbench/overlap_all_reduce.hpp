// A sum of 32-bit floats over all GPUs of this process, out of place, as the work beside a matrix product.
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "nccl_communicator.hpp"
#include "nccl_watchdog.hpp"
#include "overlap_sides.hpp"
#include "support/buffer.hpp"
#include "support/check.hpp"
#include "support/random.hpp"
#include "support/verify.hpp"

namespace microbench {

inline ncclUniqueId new_nccl_id() {
  ncclUniqueId id{};
  CHECK_NCCL(ncclGetUniqueId(&id));
  return id;
}

class AllReduceWork {
 public:
  AllReduceWork(const std::vector<int>& devices, size_t bytes, const Watchdog& watchdog)
      : count_(bytes / sizeof(float)),
        communicators_(devices, 0, static_cast<int>(devices.size()), new_nccl_id(), watchdog) {
    for (const LocalRank& rank : communicators_.local()) {
      lanes_.push_back(std::make_unique<Lane>(rank.device));
      send_.emplace_back(count_);
      receive_.emplace_back(count_);
      fill_random(send_.back().data(), count_, seed(rank.rank));
      poison(receive_.back().data(), receive_.back().bytes());
      CHECK_CUDA(cudaDeviceSynchronize());
    }
  }
  Side side() {
    Side side;
    for (const auto& lane : lanes_) side.lanes.push_back(lane.get());
    side.enqueue = [this] {
      communicators_.each([this](const LocalRank& rank) {
        const size_t i = communicators_.local_index(rank);
        return ncclAllReduce(send_[i].data(), receive_[i].data(), count_, ncclFloat32, ncclSum, rank.communicator,
                             lanes_[i]->stream());
      });
    };
    return side;
  }
  Verification verify() const;

 private:
  static uint64_t seed(int rank) { return 31 + static_cast<uint64_t>(rank); }

  size_t count_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<DeviceBuffer<float>> send_;
  std::vector<DeviceBuffer<float>> receive_;
  Communicators communicators_;  // last: destroyed before what it works on
};

inline Verification AllReduceWork::verify() const {
  constexpr int64_t kSamples = 1024;
  const std::vector<int64_t> indices = sample_indices(static_cast<int64_t>(count_), kSamples);
  const double ranks = communicators_.size();
  Comparison comparison(ranks * unit_roundoff(DataType::fp32));  // one rounding per addition
  for (const LocalRank& rank : communicators_.local()) {
    CHECK_CUDA(cudaSetDevice(rank.device));
    const std::vector<double> values = read_elements(receive_[communicators_.local_index(rank)].data(), indices);
    for (size_t i = 0; i < indices.size(); ++i) {
      double sum = 0;
      for (int r = 0; r < communicators_.size(); ++r)
        sum += random_element<float>(seed(r), static_cast<uint64_t>(indices[i]));
      comparison.add(values[i], sum, ranks);
    }
  }
  return comparison.result();
}

}  // namespace microbench
