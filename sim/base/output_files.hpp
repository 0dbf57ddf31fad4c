// Files that a command writes: whole or not at all, and never over what it reads.
#pragma once

#include <string>
#include <vector>

namespace trainyard {

// A name beside `path` to write to. The file goes away again unless rename() has given it its own name.
class DraftFile {
 public:
  explicit DraftFile(std::string path);
  ~DraftFile();
  DraftFile(const DraftFile&) = delete;
  DraftFile& operator=(const DraftFile&) = delete;

  const std::string& name() const { return draft_; }
  // Replaces what stood at the path. InputError if that cannot be.
  void rename();

 private:
  std::string path_, draft_;
};

// Devices and pipes take their bytes themselves; everything else gets a draft.
bool is_written_in_place(const std::string& path);

// InputError if a file that is to be written is one of those read, or is written twice; devices and pipes may be.
void require_separate_files(const std::vector<std::string>& read, const std::vector<std::string>& written);

// Replaces the file as a whole or not at all. InputError if it cannot be written.
void write_whole_file(const std::string& path, const std::string& text);

}  // namespace trainyard
