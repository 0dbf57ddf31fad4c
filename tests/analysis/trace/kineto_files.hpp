// Kineto files of small simulated steps, for tests of the writer and of the reader.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "analysis/simulate.hpp"
#include "analysis/trace/kineto_trace.hpp"

namespace trainyard::testing {

using Json = nlohmann::json;
using Overrides = std::vector<std::pair<std::string, std::string>>;

struct Simulated {
  Job job;
  SimulatedStep step;
};
inline Simulated simulated(const std::string& scenario, const Overrides& overrides = {},
                           Granularity granularity = Granularity::operator_, const EngineChoice& engine = {}) {
  Job job = load_job(scenario, overrides);
  SimulatedStep step = simulate_step(job, Routes(job.cluster), granularity, engine);
  return {std::move(job), std::move(step)};
}

inline ShownRank shown(const Simulated& s, int rank) {
  return shown_ranks(std::to_string(rank), s.step, "test").front();
}

inline std::string kineto_text(const Simulated& s, int rank, int steps = 1) {
  std::ostringstream out;
  write_kineto_trace(out, s.job, s.step, shown(s, rank), steps);
  return out.str();
}

// A folder of this process that goes away again.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / (name + "-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code none;
    std::filesystem::remove_all(path_, none);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace trainyard::testing
