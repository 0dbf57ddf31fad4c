#include "analysis/trace/trace_file.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

// Next to the file, so that it can be renamed; removed unless it was.
class PartFile {
 public:
  explicit PartFile(const std::string& path) : path_(path), part_(fmt::format("{}.{}.part", path, getpid())) {}
  ~PartFile() {
    if (!renamed_) std::remove(part_.c_str());
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  [[noreturn]] void fail() const {
    const int error = errno;
    throw InputError({path_, 0, 0},
                     fmt::format("cannot be written{}", error == 0 ? "" : fmt::format(": {}", std::strerror(error))),
                     "is the folder there and writable, and is there room in it?");
  }
  const std::string& name() const { return part_; }
  void rename() {
    errno = 0;
    if (std::rename(part_.c_str(), path_.c_str()) != 0) fail();
    renamed_ = true;
  }

 private:
  std::string path_, part_;
  bool renamed_ = false;
};

}  // namespace

void write_trace_file(const std::string& path, bool gzip, const std::function<void(const TextSink&)>& write) {
  // What is no file (a pipe, /dev/null) takes the bytes itself.
  std::error_code ignored;
  const bool in_place = std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored);
  PartFile part(path);
  errno = 0;
  // zlib writes plain files, too ("T"). The fastest level: timelines repeat so much that the others gain little.
  const char* name = in_place ? path.c_str() : part.name().c_str();
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(name, gzip ? "wb1" : "wbT"), gzclose);
  if (file == nullptr) part.fail();
  write([&](std::string_view bytes) {
    if (bytes.empty()) return;
    const int written = gzwrite(file.get(), bytes.data(), static_cast<unsigned>(bytes.size()));
    if (written != static_cast<int>(bytes.size())) part.fail();
  });
  if (gzclose(file.release()) != Z_OK) part.fail();
  if (!in_place) part.rename();
}

}  // namespace trainyard
