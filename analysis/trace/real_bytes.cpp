#include "analysis/trace/real_bytes.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

constexpr std::size_t buffer_bytes = 1U << 18;

}  // namespace

RealBytes::RealBytes(const std::string& path) : path_(path) {
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) throw InputError({path, 0, 0}, "is a folder, not a trace");
  errno = 0;
  file_ = gzopen(path.c_str(), "rb");
  if (file_ == nullptr)
    throw InputError({path, 0, 0}, fmt::format("cannot be read: {}", errno != 0 ? std::strerror(errno) : "no memory"));
  gzbuffer(file_, static_cast<unsigned>(buffer_bytes));
  buffer_.resize(buffer_bytes);
}

RealBytes::~RealBytes() { gzclose(file_); }

void RealBytes::refill() {
  if (ended_) return;
  before_ += static_cast<std::int64_t>(size_);
  at_ = size_ = 0;
  const int got = gzread(file_, buffer_.data(), static_cast<unsigned>(buffer_.size()));
  if (got > 0) size_ = static_cast<std::size_t>(got);
  ended_ = got <= 0;
}

void RealBytes::require_whole() {
  int error = Z_OK;
  const char* const what = gzerror(file_, &error);
  if (error == Z_OK || error == Z_STREAM_END) return;
  const SourceLocation where{path_, 0, 0};
  if (error == Z_BUF_ERROR)
    throw InputError(where, fmt::format("the compressed file is cut off, after {} bytes of text", offset()),
                     "copy it again; a profiler that was killed leaves such files");
  throw InputError(where, fmt::format("cannot be decompressed after {} bytes of text: {}", offset(), what));
}

}  // namespace trainyard
