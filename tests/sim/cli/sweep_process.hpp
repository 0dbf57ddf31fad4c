// `trainyard sweep` as a process, and the files of a test.
#pragma once

#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/process.hpp"

namespace trainyard::testing {

inline ProcessResult sweep(std::vector<std::string> args, const ProcessInput& input = {}) {
  args.insert(args.begin(), {TRAINYARD_BINARY, "sweep"});
  return run_process(args, input);
}

// Files of one test case, deleted again.
class SweepFolder {
 public:
  SweepFolder()
      : path_(std::filesystem::temp_directory_path() / fmt::format("trainyard_sweep_command_test_{}", getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~SweepFolder() { std::filesystem::remove_all(path_); }
  SweepFolder(const SweepFolder&) = delete;
  SweepFolder& operator=(const SweepFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return *this / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string text_of(const std::string& file) {
  std::ostringstream all;
  all << std::ifstream(file, std::ios::binary).rdbuf();
  return all.str();
}

inline void check_usage_error(const std::vector<std::string>& args, const std::string& message) {
  const ProcessResult result = sweep(args);
  INFO(fmt::format("{}", fmt::join(args, " ")) << ": " << result.err);
  CHECK(result.exit_code == 2);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, Catch::Contains(message));
}

}  // namespace trainyard::testing
