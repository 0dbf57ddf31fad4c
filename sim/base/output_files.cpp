#include "sim/base/output_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

bool same_file(const std::string& a, const std::string& b) {
  std::error_code none;
  if (fs::equivalent(a, b, none)) return true;
  const fs::path whole = fs::weakly_canonical(fs::absolute(a, none), none);
  return !whole.empty() && whole == fs::weakly_canonical(fs::absolute(b, none), none);
}

bool written(const std::string& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text << std::flush;
  return static_cast<bool>(out);
}

}  // namespace

DraftFile::DraftFile(std::string path) : path_(std::move(path)), draft_(fmt::format("{}.{}.tmp", path_, getpid())) {}

DraftFile::~DraftFile() {
  std::error_code ignored;
  fs::remove(draft_, ignored);
}

void DraftFile::rename() {
  std::error_code error;
  fs::rename(draft_, path_, error);
  if (error) throw InputError({path_, 0, 0}, fmt::format("cannot be written: {}", error.message()));
}

bool is_written_in_place(const std::string& path) {
  std::error_code none;
  return fs::exists(path, none) && !fs::is_regular_file(path, none) && !fs::is_directory(path, none);
}

void require_separate_files(const std::vector<std::string>& read, const std::vector<std::string>& written) {
  for (auto file = written.begin(); file != written.end(); ++file) {
    if (is_written_in_place(*file)) continue;
    const auto same = [&](const std::string& other) { return same_file(*file, other); };
    const SourceLocation where{*file, 0, 0};
    if (std::any_of(read.begin(), read.end(), same))
      throw InputError(where, "is read by this command and would be overwritten", "give another file to write");
    if (std::any_of(written.begin(), file, same))
      throw InputError(where, "would be written twice by this command", "give each result its own file");
  }
}

void write_whole_file(const std::string& path, const std::string& text) {
  const SourceLocation where{path, 0, 0};
  std::error_code none;
  if (fs::is_directory(path, none)) throw InputError(where, "is a folder");
  if (is_written_in_place(path)) {
    if (!written(path, text)) throw InputError(where, "cannot be written");
    return;
  }
  DraftFile draft(path);
  if (!written(draft.name(), text))
    throw InputError(where, "cannot be written", "is there such a folder, and room in it?");
  draft.rename();
}

}  // namespace trainyard
