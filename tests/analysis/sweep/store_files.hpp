// Stores of a test: a folder that disappears, batches that can be told apart, and what a store says against a file.
#pragma once

#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "analysis/sweep/result_store.hpp"

namespace trainyard::testing {

class StoreFolder {
 public:
  StoreFolder()
      : path_(std::filesystem::temp_directory_path() / fmt::format("trainyard_sweep_store_test_{}", getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~StoreFolder() {
    if (getpid() == owner_) std::filesystem::remove_all(path_);
  }
  StoreFolder(const StoreFolder&) = delete;
  StoreFolder& operator=(const StoreFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return *this / name;
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
  pid_t owner_ = getpid();  // not a forked child
};

inline StoreIdentity identity(std::int64_t batches, int shard = 0, int shards = 1) {
  return {.version = "1.2.3",
          .sweep_hash = "00112233aabbccdd",
          .sweep_text = "model: gpt3-175b\nspace: {tp: [1, 8]}\n",
          .sweep_file = "/home/me/my sweep.yaml",
          .profile_file = "",
          .batches = batches,
          .shard = shard,
          .shards = shards};
}

inline EvaluatedPlan plan(PlanIndex index, double step_s, double peak_bytes) {
  return {.index = index,
          .key = fmt::format("tp=8 pp={}", index),
          .step_time = Seconds(step_s),
          .peak = Bytes(peak_bytes),
          .reserved = Bytes(peak_bytes * 1.04),
          .mfu = 0.1 / step_s};
}

// Batch `number` of a made-up sweep: `plans` plans whose times and sizes follow from their index alone.
inline Batch batch(std::int64_t number, int plans = 3) {
  Batch made;
  made.number = number;
  made.counts = {.excluded = 1,
                 .infeasible = 3,
                 .out_of_memory = number,
                 .same_placement = 2,
                 .pruned = 5,
                 .evaluated = plans,
                 .infeasible_reasons = {{"tp: heads 96 % 64", 1}, {fmt::format("reason {}", number % 2), 2}}};
  for (int i = 0; i < plans; ++i) {
    const PlanIndex index = number * plans + i;
    made.plans.push_back(plan(index, 1.0 + static_cast<double>(index * 7919 % 1009) / 3,
                              1e9 + static_cast<double>(index * 104729 % 997) / 7));
  }
  return made;
}

// What is said; empty if nothing is thrown.
inline std::string store_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const StoreError& error) {
    return error.what();
  }
  return "";
}

inline std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace trainyard::testing
