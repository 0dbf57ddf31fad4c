// Killed, out of space, or two at once: what was finished stays.
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <catch2/catch.hpp>

#include <csignal>

#include "tests/analysis/sweep/store_files.hpp"

namespace trainyard::testing {
namespace {

using Catch::Contains;

constexpr int plans_per_batch = 500;

// A child that reports over a pipe, one number per line.
class Child {
 public:
  // `work` gets the pipe's end to write to; the child ends when it returns.
  explicit Child(const std::function<void(int)>& work) {
    int ends[2] = {};
    REQUIRE(pipe(ends) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      work(ends[1]);
      _exit(0);
    }
    close(ends[1]);
    from_ = ends[0];
  }
  ~Child() {
    kill(pid_, SIGKILL);
    wait();
    close(from_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The next number; nothing after the last.
  std::optional<std::int64_t> number() const {
    std::int64_t value = 0;
    return read(from_, &value, sizeof value) == sizeof value ? std::optional(value) : std::nullopt;
  }
  void kill_now() {
    kill(pid_, SIGKILL);
    wait();
  }
  pid_t pid() const { return pid_; }

 private:
  void wait() {
    if (!waited_) waitpid(pid_, nullptr, 0);
    waited_ = true;
  }
  pid_t pid_ = -1;
  int from_ = -1;
  bool waited_ = false;
};

void report(int to, std::int64_t number) {
  if (write(to, &number, sizeof number) != sizeof number) _exit(1);
}

// Adds batches until it is killed or one fails, and reports each that is stored.
void add_batches(const std::string& path, std::int64_t batches, int to) {
  try {
    ResultStore store = ResultStore::open(path, identity(batches));
    for (std::int64_t b = 0; b < batches; ++b) {
      store.add(batch(b, plans_per_batch));
      report(to, b);
    }
  } catch (const StoreError&) {
    _exit(0);
  }
}

void check_whole(const ResultStore& store, std::int64_t least) {
  const std::vector<bool> finished = store.finished_batches();
  std::int64_t count = 0;
  for (std::int64_t b = 0; b < std::ssize(finished); ++b) {
    if (!finished[static_cast<std::size_t>(b)]) continue;
    ++count;
    REQUIRE(store.batch(b) == batch(b, plans_per_batch));
  }
  CHECK(count >= least);
  CHECK(store.plans() == count * plans_per_batch);  // and none of a batch that was not finished
}

TEST_CASE("kill -9 in the middle loses no batch that was stored, and the store goes on") {
  const StoreFolder folder;
  const std::string path = folder / "results.db";
  // Long enough after a checkpoint of the log (1000 pages: some 20 of these batches) and before the next.
  const std::int64_t reported_before = GENERATE(1, 17, 42);
  constexpr std::int64_t batches = 100'000;
  Child child([&](int to) { add_batches(path, batches, to); });
  std::int64_t last = -1;
  while (last < reported_before) last = child.number().value_or(batches);
  REQUIRE(last == reported_before);
  child.kill_now();
  while (const std::optional<std::int64_t> more = child.number()) last = *more;
  check_whole(ResultStore::read(path), last + 1);
  ResultStore again = ResultStore::open(path, identity(batches));
  check_whole(again, last + 1);
  again.add(batch(batches - 1, plans_per_batch));
  check_whole(again, last + 2);
}

TEST_CASE("where no more can be written the finished batches stay, and with room the store goes on") {
  const StoreFolder folder;
  const std::string path = folder / "results.db";
  constexpr std::int64_t batches = 1000;
  Child child([&](int to) {
    // A file that may not grow: the nearest thing to a full disk that needs no privileges.
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {.rlim_cur = 600'000, .rlim_max = 600'000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
    const auto opened = store_error([&] {
      ResultStore store = ResultStore::open(path, identity(batches));
      std::int64_t b = 0;
      const std::string error = store_error([&] {
        for (; b < batches; ++b) store.add(batch(b, plans_per_batch));
      });
      const bool told = error.find("disk is full") != std::string::npos && error.find(path) != std::string::npos;
      report(to, told ? 1 : 0);
      report(to, b);
      report(to, store.plans());  // still readable in the process that failed
    });
    _exit(opened.empty() ? 0 : 1);
  });
  CHECK(child.number() == 1);
  const std::int64_t stored = child.number().value_or(-1);
  CHECK(stored > 2);
  CHECK(stored < batches);
  CHECK(child.number() == stored * plans_per_batch);
  check_whole(ResultStore::read(path), stored);
  ResultStore again = ResultStore::open(path, identity(batches));
  again.add(batch(batches - 1, plans_per_batch));
  check_whole(again, stored + 1);
}

// Reports 1 and the batches that were stored before `path`'s disk was full, then those that are there with more room.
void fill_disk(const std::string& mount_point, int to) {
  if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return;
  if (mount("none", mount_point.c_str(), "tmpfs", 0, "size=700k") != 0) return;  // of this process alone
  const std::string path = mount_point + "/results.db";
  constexpr std::int64_t batches = 1000;
  std::int64_t stored = 0;
  const std::string error = store_error([&] {
    ResultStore store = ResultStore::open(path, identity(batches));
    for (; stored < batches; ++stored) store.add(batch(stored, plans_per_batch));
  });
  report(to, error.find("disk is full") != std::string::npos ? 1 : 0);
  report(to, stored);
  report(to, ResultStore::read(path).plans());
  if (mount("none", mount_point.c_str(), "tmpfs", MS_REMOUNT, "size=8m") != 0) return;
  ResultStore::open(path, identity(batches)).add(batch(batches - 1, plans_per_batch));
  report(to, ResultStore::read(path).plans());
}

TEST_CASE("a disk that is really full loses no finished batch") {
  const StoreFolder folder;
  std::filesystem::create_directory(folder / "disk");
  const Child child([&](int to) {
    if (!store_error([&] { fill_disk(folder / "disk", to); }).empty()) report(to, -1);
  });
  const std::optional<std::int64_t> told = child.number();
  if (!told) {
    WARN("skipped: a small disk of one's own needs to be root");
    return;
  }
  CHECK(told == 1);
  const std::int64_t stored = child.number().value_or(-1);
  CHECK(stored > 2);
  CHECK(child.number() == stored * plans_per_batch);
  CHECK(child.number() == (stored + 1) * plans_per_batch);
}

TEST_CASE("a second writer is told which process has the store, and gets it when that is killed") {
  const StoreFolder folder;
  const std::string path = folder / "results.db";
  Child child([&](int to) {
    const ResultStore store = ResultStore::open(path, identity(2));
    report(to, 1);
    pause();
  });
  REQUIRE(child.number() == 1);
  const std::string error = store_error([&] { ResultStore::open(path, identity(2)); });
  CHECK_THAT(error,
             Contains("is being written by another trainyard") && Contains(fmt::format("process {}", child.pid())));
  CHECK(ResultStore::read(path).plans() == 0);
  child.kill_now();
  ResultStore::open(path, identity(2)).add(batch(0));
  CHECK(ResultStore::read(path).plans() == 3);
}

TEST_CASE("a second writer in the same process is refused too, also by another name of the file") {
  const StoreFolder folder;
  const ResultStore store = ResultStore::open(folder / "results.db", identity(2));
  CHECK_THAT(store_error([&] { ResultStore::open(folder / "./results.db", identity(2)); }),
             Contains("is being written"));
  std::filesystem::create_symlink(folder / "results.db", folder / "link.db");
  CHECK_THAT(store_error([&] { ResultStore::open(folder / "link.db", identity(2)); }), Contains("is being written"));
}

TEST_CASE("what a killed writer leaves of its lock stops nobody") {
  const StoreFolder folder;
  folder.file("results.db.lock", GENERATE("1 localhost", "", "\xff\xfe rubbish", "99999999"));
  { ResultStore::open(folder / "results.db", identity(1)).add(batch(0)); }
  CHECK(ResultStore::read(folder / "results.db").plans() == 3);
  CHECK(folder.entries() == 1);
}

TEST_CASE("a store that another machine writes is not read over a network file system") {
  const StoreFolder folder;
  const std::string path = folder / "results.db";
  const ResultStore writer = ResultStore::open(path, identity(1));
  CHECK(ResultStore::read(path).plans() == 0);
  folder.file("results.db.lock", "4711 another-machine");  // the same file, so the lock on it stays
  CHECK_THAT(store_error([&] { ResultStore::read(path); }), Contains("is being written on another-machine"));
}

}  // namespace
}  // namespace trainyard::testing
