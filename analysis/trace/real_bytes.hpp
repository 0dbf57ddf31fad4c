// The bytes of a file, decompressed if it is gzip's, a buffer at a time: an input iterator for parsers that take one.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

namespace trainyard {

class RealBytes {
 public:
  // Throws InputError if the file cannot be opened.
  explicit RealBytes(const std::string& path);
  ~RealBytes();
  RealBytes(const RealBytes&) = delete;
  RealBytes& operator=(const RealBytes&) = delete;

  bool at_end() {
    if (at_ == size_) refill();
    return at_ == size_;
  }
  char get() const { return buffer_[at_]; }  // not at the end
  void next() { ++at_; }
  std::int64_t offset() const { return before_ + static_cast<std::int64_t>(at_); }  // in the decompressed text

  // Throws InputError if reading ended for any other reason than the end of a whole file.
  void require_whole();

 private:
  void refill();

  std::string path_;
  gzFile file_ = nullptr;
  std::vector<char> buffer_;
  std::size_t at_ = 0, size_ = 0;
  std::int64_t before_ = 0;  // bytes in front of the buffer
  bool ended_ = false;
};

class RealByteIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  RealByteIterator() = default;  // the end
  explicit RealByteIterator(RealBytes& bytes) : bytes_(&bytes) {}

  char operator*() const { return bytes_->get(); }
  RealByteIterator& operator++() {
    bytes_->next();
    return *this;
  }
  RealByteIterator operator++(int) {
    const RealByteIterator before = *this;
    bytes_->next();
    return before;
  }
  bool operator==(const RealByteIterator& other) const { return ended() == other.ended(); }

 private:
  bool ended() const { return bytes_ == nullptr || bytes_->at_end(); }
  RealBytes* bytes_ = nullptr;
};

}  // namespace trainyard
