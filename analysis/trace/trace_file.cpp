#include "analysis/trace/trace_file.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "sim/base/errors.hpp"
#include "sim/base/output_files.hpp"

namespace trainyard {
namespace {

[[noreturn]] void fail(const std::string& path) {
  const int error = errno;
  throw InputError({path, 0, 0},
                   fmt::format("cannot be written{}", error == 0 ? "" : fmt::format(": {}", std::strerror(error))),
                   "is the folder there and writable, and is there room in it?");
}

}  // namespace

void write_trace_file(const std::string& path, bool gzip, const std::function<void(const TextSink&)>& write) {
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) throw InputError({path, 0, 0}, "is a folder");
  const bool in_place = is_written_in_place(path);
  DraftFile draft(path);
  errno = 0;
  // zlib writes plain files, too ("T"). The fastest level: timelines repeat so much that the others gain little.
  const char* name = in_place ? path.c_str() : draft.name().c_str();
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(name, gzip ? "wb1" : "wbT"), gzclose);
  if (file == nullptr) fail(path);
  write([&](std::string_view bytes) {
    if (bytes.empty()) return;
    const int written = gzwrite(file.get(), bytes.data(), static_cast<unsigned>(bytes.size()));
    if (written != static_cast<int>(bytes.size())) fail(path);
  });
  if (gzclose(file.release()) != Z_OK) fail(path);
  if (!in_place) draft.rename();
}

}  // namespace trainyard
