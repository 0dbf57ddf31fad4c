#include "analysis/sweep/result_store_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "analysis/sweep/result_store.hpp"

namespace trainyard {
namespace {

constexpr mode_t everybody_by_umask = 0666;

// The same for every name of the file.
std::string lock_path(const std::string& store) {
  std::error_code error;
  const std::string file = std::filesystem::weakly_canonical(store, error).string();
  return (error ? store : file) + ".lock";
}

std::string machine() {
  std::array<char, 256> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// "4711 node17", as a writer left it. The file may be anything.
struct Writer {
  std::string process, machine;
};
Writer writer_in(int file) {
  std::array<char, 300> text = {};
  if (pread(file, text.data(), text.size() - 1, 0) <= 0) return {};
  const std::string_view line(text.data());
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return {};
  return {std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
}

std::string described(const Writer& writer) {
  if (writer.process.empty()) return "another trainyard";
  return fmt::format("another trainyard (process {} on {})", writer.process, writer.machine);
}

// The file that has been locked may have been removed by the process that had it before.
bool is_still_at(const std::string& path, int file) {
  struct stat open {
  }, named{};
  return fstat(file, &open) == 0 && stat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

int open_lock(const std::string& store, const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, everybody_by_umask);
  if (file < 0)
    throw StoreError(
        fmt::format("{}: cannot be written ({} is refused: {}); choose a folder that exists and may be "
                    "written, with -o",
                    store, path, std::strerror(errno)));
  return file;
}

void lock(int file, const std::string& store) {
  if (flock(file, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  const Writer writer = writer_in(file);
  close(file);
  if (error == EWOULDBLOCK)
    throw StoreError(
        fmt::format("{}: is being written by {}: wait until it has ended, or write to another file with -o", store,
                    described(writer)));
  throw StoreError(
      fmt::format("{}: its file system has no locks ({}); choose a local disk with -o", store, std::strerror(error)));
}

void write_owner(int file) {
  const std::string owner = fmt::format("{} {}", getpid(), machine());
  // Only a message depends on it: a full disk must not keep a finished store from being read.
  if (ftruncate(file, 0) != 0 || pwrite(file, owner.data(), owner.size(), 0) < 0) return;
}

}  // namespace

WriterLock::WriterLock(std::string store) : path_(lock_path(store)) {
  for (;;) {
    file_ = open_lock(store, path_);
    lock(file_, store);
    if (is_still_at(path_, file_)) break;
    close(file_);
  }
  write_owner(file_);
}

WriterLock::~WriterLock() {
  unlink(path_.c_str());  // while it is held, so that nobody else's is removed
  close(file_);
}

void refuse_distant_writer(const std::string& store) {
  const int file = ::open(lock_path(store).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return;
  const Writer writer = writer_in(file);
  const bool distant = !writer.machine.empty() && writer.machine != machine();
  const bool written = distant && flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(file);
  if (written)
    throw StoreError(
        fmt::format("{}: is being written on {}: read it there, or when it is done", store, writer.machine));
}

}  // namespace trainyard
