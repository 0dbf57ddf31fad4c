// The results of a sweep in an SQLite file: one row per plan that went through the engine, one per finished batch. A
// batch is one transaction, so that an interrupt, a kill or a full disk loses none that finished. (When the machine
// loses its power, the last seconds may be missing; the store is whole, and the same command does them again.)
//
// Readers and the writer share SQLite's write-ahead log through memory, so all of them must be on one machine; on a
// network file system a store that is written elsewhere is refused. A sweep on many machines has a store per shard.
//
// For one's own queries: `sqlite3 results.db 'select * from plans order by step_time_s limit 10'`. Times are seconds,
// sizes bytes; `meta` says which sweep and version, `batches` and `infeasible_reasons` count what became of the plans.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "analysis/sweep/outcome.hpp"

namespace trainyard {

// A store that cannot be opened, written or read: the disk is full, another process writes it, it is no store, it is
// of another sweep or of another version. what() says which and what to do.
struct StoreError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Which sweep a store belongs to.
struct StoreIdentity {
  std::string version;       // of trainyard
  std::string sweep_hash;    // Sweep::hash
  std::string sweep_text;    // Sweep::text
  std::string sweep_file;    // Sweep::file
  std::string profile_file;  // --profile, absolute; empty = none
  std::int64_t batches = 0;  // of the whole sweep
  int shard = 0;             // of `shards`
  int shards = 1;
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

class ResultStore {
 public:
  // Opens or creates the store for writing; one process at a time, and its lock ends with the process. A store of the
  // same sweep, version and shard is continued, wherever its files are now; any other is a StoreError.
  static ResultStore open(const std::string& path, const StoreIdentity& identity);
  // For reading; a writer may be at work on it.
  static ResultStore read(const std::string& path);

  ResultStore(ResultStore&&) noexcept;
  ResultStore& operator=(ResultStore&&) noexcept;
  ~ResultStore();

  StoreIdentity identity() const;
  std::vector<bool> finished_batches() const;  // [batch of the whole sweep]
  // Of those that its shard does.
  struct Finished {
    std::int64_t batches = 0, of = 0;
  };
  Finished finished() const;
  // One transaction. A batch that is there already, or a plan, or a number that is none, is a StoreError.
  void add(const Batch& batch);
  Batch batch(std::int64_t number) const;  // a finished one

  SweepCounts counts() const;
  // The `count` plans with the least (step time, index).
  std::vector<EvaluatedPlan> fastest(int count) const;
  // Plans of which no other is as fast and as small: by falling memory and rising step time; of equals the least index.
  std::vector<EvaluatedPlan> pareto() const;
  std::int64_t plans() const;

  // The finished answer as JSON, kept with the results (nothing before it was made).
  std::optional<std::string> answer() const;
  void set_answer(const std::string& json);

  // Everything from the log into the one file, which may then be copied or renamed. StoreError while somebody reads.
  void flush();

 private:
  class Database;
  explicit ResultStore(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

// Writes the union of the shards' stores to `path`, which must not exist or be an earlier merge of the same sweep. All
// must be of one sweep and version; StoreError names what does not fit, or which shards and batches are missing. Their
// order does not matter, and batches may be in several as long as they agree. The merged store is as one that a single
// process wrote; it takes its name when it is complete.
void merge_stores(const std::vector<std::string>& shards, const std::string& path);

}  // namespace trainyard
