#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <tuple>

#include "analysis/sweep/result_store.hpp"
#include "analysis/sweep/result_store_lock.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

// A store that is merged, and how far it is.
struct Part {
  std::string path;
  StoreIdentity identity;
  ResultStore::Finished finished;
};

Part part_of(const std::string& path) {
  const ResultStore store = ResultStore::read(path);
  return {path, store.identity(), store.finished()};
}

// In the order of the shards, so that the merged file does not depend on how they are listed.
std::vector<Part> parts_of(const std::vector<std::string>& paths) {
  if (paths.empty()) throw StoreError("there are no stores to merge: name the shards' files");
  std::vector<Part> parts;
  for (const std::string& path : paths) parts.push_back(part_of(path));
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return std::tie(a.identity.shards, a.identity.shard, a.path) <
           std::tie(b.identity.shards, b.identity.shard, b.path);
  });
  return parts;
}

void check_alike(const std::vector<Part>& parts) {
  const Part& first = parts.front();
  for (const Part& part : parts) {
    const StoreIdentity &a = first.identity, &b = part.identity;
    if (a.version != b.version)
      throw StoreError(fmt::format("{} is of trainyard {}, {} of {}: sweep them again with one of the two", first.path,
                                   a.version, part.path, b.version));
    if (a.sweep_hash != b.sweep_hash || a.batches != b.batches)
      throw StoreError(fmt::format("{} and {} are of two sweeps (inputs {} and {}): merge the shards of one",
                                   first.path, part.path, a.sweep_hash, b.sweep_hash));
  }
}

StoreIdentity whole(StoreIdentity identity) {
  identity.shard = 0;
  identity.shards = 1;
  return identity;
}

// An earlier merge may be replaced, and nothing else.
void check_target(const std::string& path, const StoreIdentity& identity) {
  std::error_code error;
  if (!fs::exists(path, error)) return;
  const StoreIdentity found = ResultStore::read(path).identity();
  if (found.version != identity.version || found.sweep_hash != identity.sweep_hash || found.shards != 1)
    throw StoreError(fmt::format("{}: holds other results: delete it, or merge to another file with -o", path));
}

void add_part(const Part& part, ResultStore& merged, std::vector<bool>& have) {
  const ResultStore store = ResultStore::read(part.path);
  const std::vector<bool> finished = store.finished_batches();
  for (std::int64_t b = 0; b < part.identity.batches; ++b) {
    const auto at = static_cast<std::size_t>(b);
    if (!finished[at]) continue;
    const Batch batch = store.batch(b);
    if (!have[at])
      merged.add(batch);
    else if (batch != merged.batch(b))
      throw StoreError(
          fmt::format("{}: its batch {} contradicts another store's: sweep that shard again", part.path, b));
    have[at] = true;
  }
}

// "shard 2 of 4 is missing: 13 batches".
std::vector<std::string> missing_shards(const std::vector<Part>& parts) {
  std::vector<std::string> missing;
  const StoreIdentity& first = parts.front().identity;
  const bool one_split = first.shards == parts.back().identity.shards;
  std::vector<bool> there(one_split ? static_cast<std::size_t>(first.shards) : 0);
  for (const Part& part : parts) {
    if (one_split) there[static_cast<std::size_t>(part.identity.shard)] = true;
    if (part.finished.batches < part.finished.of)
      missing.push_back(fmt::format("{} (shard {} of {}) has {} of {} batches", part.path, part.identity.shard,
                                    part.identity.shards, part.finished.batches, part.finished.of));
  }
  for (std::size_t s = 0; s < there.size(); ++s) {
    const auto shard = static_cast<std::int64_t>(s);
    const std::int64_t own = (first.batches - shard + first.shards - 1) / first.shards;
    if (!there[s] && own > 0)
      missing.push_back(fmt::format("shard {} of {} is missing: {} batches", shard, first.shards, own));
  }
  return missing;
}

void check_complete(const std::vector<Part>& parts, const std::vector<bool>& have) {
  const auto lacking = std::count(have.begin(), have.end(), false);
  if (lacking == 0) return;
  constexpr std::size_t most_named = 10;
  std::vector<std::string> missing = missing_shards(parts);
  if (missing.size() > most_named) {
    const std::size_t more = missing.size() - most_named;
    missing.resize(most_named);
    missing.push_back(fmt::format("and {} more", more));
  }
  throw StoreError(
      fmt::format("{} of {} batches are not done:\n  {}\nrun these shards again, they go on where they were", lacking,
                  have.size(), fmt::join(missing, "\n  ")));
}

void remove_store(const std::string& path) {
  std::error_code none;
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix, none);
}

// A file beside the target that becomes the target, or disappears.
class Draft {
 public:
  explicit Draft(const std::string& target) : path_(target + ".merging") { remove_store(path_); }
  ~Draft() { remove_store(path_); }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  const std::string& path() const { return path_; }
  void rename_to(const std::string& target) const;

 private:
  std::string path_;
};

// The log of the store that is replaced would be read as the new one's.
void Draft::rename_to(const std::string& target) const {
  std::error_code error;
  for (const char* suffix : {"-wal", "-shm"}) fs::remove(target + suffix, error);
  fs::rename(path_, target, error);
  if (error) throw StoreError(fmt::format("{}: cannot be written: {}", target, error.message()));
}

void write_merged(const std::vector<Part>& parts, const std::string& path) {
  const StoreIdentity identity = whole(parts.front().identity);
  ResultStore merged = ResultStore::open(path, identity);
  std::vector<bool> have(static_cast<std::size_t>(identity.batches));
  for (const Part& part : parts) add_part(part, merged, have);
  check_complete(parts, have);
  merged.flush();
}

}  // namespace

void merge_stores(const std::vector<std::string>& shards, const std::string& path) {
  const std::vector<Part> parts = parts_of(shards);
  check_alike(parts);
  std::error_code error;
  const std::string target = fs::weakly_canonical(path, error).string();
  const WriterLock lock(error ? path : target);
  check_target(path, parts.front().identity);
  const Draft draft(error ? path : target);
  write_merged(parts, draft.path());
  draft.rename_to(error ? path : target);
}

}  // namespace trainyard
