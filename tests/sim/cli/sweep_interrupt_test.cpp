// A sweep that is interrupted, killed or met by another one.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "analysis/sweep/result_store.hpp"
#include "tests/sim/cli/sweep_process.hpp"

extern char** environ;

namespace trainyard::testing {
namespace {

using Catch::Contains;
using Words = std::vector<std::string>;

const Words some_minutes = {"gpt3-175b-64xa100", "--no-prune"};

// A sweep that is started and left running.
class BackgroundSweep {
 public:
  BackgroundSweep(const std::string& store, const std::string& messages, const Words& what = some_minutes) {
    Words words = {TRAINYARD_BINARY, "sweep", "--jobs", "1", "-o", store};
    words.insert(words.end(), what.begin(), what.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, messages.c_str(), O_WRONLY | O_CREAT, 0600);
    const int error = posix_spawn(&child_, TRAINYARD_BINARY, &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error("cannot start the sweep");
  }
  ~BackgroundSweep() {
    if (child_ > 0) finish(SIGKILL);
  }
  BackgroundSweep(const BackgroundSweep&) = delete;
  BackgroundSweep& operator=(const BackgroundSweep&) = delete;

  void send(int signal) const { kill(child_, signal); }
  // The status as waitpid gives it.
  int finish(int signal) {
    kill(child_, signal);
    int status = 0;
    while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    child_ = -1;
    return status;
  }
  bool runs() {
    if (child_ > 0 && waitpid(child_, nullptr, WNOHANG) == child_) child_ = -1;
    return child_ > 0;
  }

 private:
  pid_t child_ = -1;
};

std::int64_t finished_batches(const std::string& store) {
  try {
    const std::vector<bool> batches = ResultStore::read(store).finished_batches();
    return std::count(batches.begin(), batches.end(), true);
  } catch (const StoreError&) {
    return 0;  // not made yet
  }
}

// Waits until a batch is stored; a test that hangs is ended by the sweep's end.
std::int64_t wait_for_a_batch(BackgroundSweep& running, const std::string& store) {
  std::int64_t finished = 0;
  while (finished == 0 && running.runs()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    finished = finished_batches(store);
  }
  return finished;
}

TEST_CASE("Ctrl-C and SIGTERM end a sweep with what was finished kept") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const SweepFolder folder;
    const std::string store = folder / "results.db", messages = folder / "messages";
    BackgroundSweep running(store, messages);
    const std::int64_t seen = wait_for_a_batch(running, store);
    REQUIRE(running.runs());
    const int status = running.finish(signal);
    INFO(text_of(messages));
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 130);
    CHECK_THAT(text_of(messages), Contains("interrupted") && Contains(store) && Contains("goes on from there"));
    CHECK(finished_batches(store) >= seen);
    const ProcessResult shown = sweep({"show", store});
    CHECK(shown.exit_code == 1);
    CHECK(shown.out.empty());
    CHECK_THAT(shown.err, Contains("batches are done"));
  }
}

TEST_CASE("Ctrl-C while the best plans are simulated again keeps every batch, and the sweep goes on there") {
  const SweepFolder folder;
  const std::string store = folder / "results.db", messages = folder / "messages";
  const Words many = {"tiny", "--top", "1000"};
  BackgroundSweep running(store, messages, many);
  const auto all_done = [&] {
    try {
      const ResultStore::Finished done = ResultStore::read(store).finished();
      return done.of > 0 && done.batches == done.of;
    } catch (const StoreError&) {
      return false;  // not made yet
    }
  };
  while (!all_done() && running.runs()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  REQUIRE(running.runs());
  const int status = running.finish(SIGINT);
  INFO(text_of(messages));
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
  CHECK_THAT(text_of(messages), Contains("interrupted") && Contains("goes on from there"));
  CHECK(all_done());
  CHECK(sweep({"show", store}).exit_code == 1);
  CHECK(sweep({"tiny", "--top", "1000", "-o", store}).exit_code == 0);
}

// As `timeout` does, which signals the process and then its group.
TEST_CASE("an interrupt that comes twice at once is one") {
  const SweepFolder folder;
  const std::string store = folder / "results.db", messages = folder / "messages";
  BackgroundSweep running(store, messages);
  wait_for_a_batch(running, store);
  REQUIRE(running.runs());
  running.send(SIGINT);
  const int status = running.finish(SIGINT);
  INFO(text_of(messages));
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
}

TEST_CASE("a killed sweep leaves a store that goes on") {
  const SweepFolder folder;
  const std::string store = folder / "results.db";
  std::int64_t seen = 0;
  {
    BackgroundSweep running(store, folder / "messages");
    seen = wait_for_a_batch(running, store);
    REQUIRE(running.runs());
    CHECK(WIFSIGNALED(running.finish(SIGKILL)));
  }
  CHECK(finished_batches(store) >= seen);
  BackgroundSweep again(store, folder / "messages");
  const std::int64_t before = finished_batches(store);
  while (finished_batches(store) == before && again.runs()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(again.runs());
  const int status = again.finish(SIGINT);
  CHECK(WEXITSTATUS(status) == 130);
  CHECK(finished_batches(store) > before);
}

TEST_CASE("two sweeps do not write one store") {
  const SweepFolder folder;
  const std::string store = folder / "results.db";
  BackgroundSweep running(store, folder / "messages");
  wait_for_a_batch(running, store);
  REQUIRE(running.runs());
  const ProcessResult second = sweep({"gpt3-175b-64xa100", "--no-prune", "-o", store});
  CHECK(second.exit_code == 1);
  CHECK_THAT(second.err, Contains(store));
}

}  // namespace
}  // namespace trainyard::testing
