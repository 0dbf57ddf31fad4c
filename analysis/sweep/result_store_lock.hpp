// One writer per store: a lock on "<path>.lock" that the system gives up when the process ends, however it ends.
#pragma once

#include <string>

namespace trainyard {

class WriterLock {
 public:
  // StoreError if another process has it, or if the folder cannot be written.
  explicit WriterLock(std::string store);
  ~WriterLock();
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  std::string path_;
  int file_ = -1;
};

// StoreError if a process on another machine writes the store: SQLite's write-ahead log is shared through memory, which
// a network file system does not have.
void refuse_distant_writer(const std::string& store);

}  // namespace trainyard
