#include "analysis/sweep/result_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "analysis/sweep/result_store_lock.hpp"
#include "analysis/sweep/result_store_schema.hpp"
#include "analysis/sweep/result_store_sqlite.hpp"
#include "analysis/sweep/shard.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

constexpr const char* plan_columns = "SELECT plan_index, key, step_time_s, peak_bytes, reserved_bytes, mfu FROM plans ";

EvaluatedPlan plan_in(SqliteStatement& row) {
  EvaluatedPlan plan;
  plan.index = row.integer();
  plan.key = row.text();
  plan.step_time = Seconds(row.real());
  plan.peak = Bytes(row.real());
  plan.reserved = Bytes(row.real());
  plan.mfu = row.real();
  return plan;
}

SweepCounts counts_in(SqliteStatement& row) {
  SweepCounts counts;
  counts.excluded = row.integer();
  counts.infeasible = row.integer();
  counts.out_of_memory = row.integer();
  counts.same_placement = row.integer();
  counts.pruned = row.integer();
  counts.evaluated = row.integer();
  return counts;
}

// The least peak so far by step time: of rows in any order, only what stands on the front is kept.
class Front {
 public:
  struct Point {
    Bytes peak{};
    PlanIndex index = 0;
  };

  // Plans come by rising index, so that the first of equals stays.
  void add(Seconds step_time, Bytes peak, PlanIndex index) {
    auto next = points_.upper_bound(step_time);
    if (next != points_.begin() && std::prev(next)->second.peak <= peak) return;
    while (next != points_.end() && next->second.peak >= peak) next = points_.erase(next);
    points_.insert_or_assign(step_time, Point{peak, index});
  }
  const std::map<Seconds, Point>& points() const { return points_; }

 private:
  std::map<Seconds, Point> points_;
};

bool may_be_new(const fs::file_status& status, StoreAccess access) {
  return status.type() == fs::file_type::not_found && access == StoreAccess::write;
}

void require_file(const std::string& path, StoreAccess access) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (path.empty()) throw StoreError("the name of the results is empty: give a file with -o");
  if (fs::is_regular_file(status) || may_be_new(status, access)) return;
  if (status.type() == fs::file_type::not_found)
    throw StoreError(fmt::format("{}: there is no such file; `trainyard sweep SWEEP -o {}` makes one", path, path));
  if (fs::is_directory(status)) throw StoreError(fmt::format("{}: is a folder: give a file in it", path));
  throw StoreError(fmt::format("{}: is no file that could hold results ({}): give another", path,
                               error ? error.message() : "a device or the like"));
}

// SQLite takes a file of some bytes for an empty database, and a page that was cut off for one that ends in zeros.
void require_whole_pages(const std::string& path) {
  constexpr std::uintmax_t least_page = 512;  // https://www.sqlite.org/fileformat.html: all sizes are multiples
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error || size % least_page == 0) return;
  if (size < least_page) throw StoreError(fmt::format("{}: is not a store of results: give another file", path));
  if (!fs::exists(path + "-wal", error))  // which would have the page that a full disk cut off
    throw StoreError(
        fmt::format("{}: is cut off, or not a store of results: delete it, or write to another file with -o", path));
}

}  // namespace

class ResultStore::Database {
 public:
  Database(const std::string& path, const StoreIdentity& wanted);  // for writing
  explicit Database(const std::string& path);                      // for reading

  void add(const Batch& batch);

  std::optional<WriterLock> lock;  // before the connection and given up after it
  SqliteConnection connection;
  StoreIdentity identity;

 private:
  void add_counts(std::int64_t number, const SweepCounts& counts);

  std::optional<SqliteStatement> insert_batch_, insert_reason_, insert_plan_;
};

namespace {

std::optional<WriterLock> no_lock(const std::string& path) {
  require_file(path, StoreAccess::read);
  require_whole_pages(path);
  refuse_distant_writer(path);
  return std::nullopt;
}

const std::string& writable(const std::string& path) {
  require_file(path, StoreAccess::write);
  require_whole_pages(path);
  return path;
}

}  // namespace

ResultStore::Database::Database(const std::string& path, const StoreIdentity& wanted)
    : lock(std::in_place, writable(path)), connection(path, StoreAccess::write), identity(wanted) {
  // NORMAL: a commit is in the log and survives the end of the process, however violent; only a loss of power can take
  // it back, and then whole. FULL would wait for the disk at every batch.
  if (!is_empty(connection)) check_is_store(connection);
  connection.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  if (is_empty(connection)) {
    create_tables(connection, identity);
  } else {
    const StoreIdentity found = read_identity(connection);
    check_same_sweep(path, found, identity);
    if (found != identity) {
      SqliteTransaction transaction(connection);
      update_files(connection, identity);
      transaction.commit();
    }
  }
  insert_batch_.emplace(connection, "INSERT INTO batches VALUES(?, ?, ?, ?, ?, ?, ?)");
  insert_reason_.emplace(connection, "INSERT INTO infeasible_reasons VALUES(?, ?, ?)");
  insert_plan_.emplace(connection, "INSERT INTO plans VALUES(?, ?, ?, ?, ?, ?, ?)");
}

ResultStore::Database::Database(const std::string& path) : lock(no_lock(path)), connection(path, StoreAccess::read) {
  if (is_empty(connection)) throw StoreError(fmt::format("{}: is empty: no sweep has written to it", path));
  check_is_store(connection);
  connection.run("PRAGMA query_only = 1");
  identity = read_identity(connection);
}

void ResultStore::Database::add(const Batch& batch) {
  if (batch.number < 0 || batch.number >= identity.batches)
    throw StoreError(
        fmt::format("{}: has {} batches, and {} is none of them", connection.path(), identity.batches, batch.number));
  SqliteTransaction transaction(connection);
  add_counts(batch.number, batch.counts);
  for (const EvaluatedPlan& plan : batch.plans) {
    insert_plan_->bind(plan.index).bind(batch.number).bind(plan.step_time.value).bind(plan.peak.value);
    insert_plan_->bind(plan.reserved.value).bind(plan.mfu).bind(plan.key).execute();
  }
  transaction.commit();
}

void ResultStore::Database::add_counts(std::int64_t number, const SweepCounts& counts) {
  insert_batch_->bind(number).bind(counts.excluded).bind(counts.infeasible).bind(counts.out_of_memory);
  insert_batch_->bind(counts.same_placement).bind(counts.pruned).bind(counts.evaluated).execute();
  for (const auto& [reason, plans] : counts.infeasible_reasons)
    insert_reason_->bind(number).bind(reason).bind(plans).execute();
}

ResultStore::ResultStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}
ResultStore::ResultStore(ResultStore&&) noexcept = default;
ResultStore& ResultStore::operator=(ResultStore&&) noexcept = default;
ResultStore::~ResultStore() = default;

ResultStore ResultStore::open(const std::string& path, const StoreIdentity& identity) {
  return ResultStore(std::make_unique<Database>(path, identity));
}

ResultStore ResultStore::read(const std::string& path) { return ResultStore(std::make_unique<Database>(path)); }

StoreIdentity ResultStore::identity() const { return database_->identity; }

std::vector<bool> ResultStore::finished_batches() const {
  std::vector<bool> finished(static_cast<std::size_t>(database_->identity.batches));
  SqliteStatement numbers(database_->connection, "SELECT number FROM batches");
  while (numbers.step()) {
    const std::int64_t number = numbers.integer();
    if (number >= 0 && number < database_->identity.batches) finished[static_cast<std::size_t>(number)] = true;
  }
  return finished;
}

ResultStore::Finished ResultStore::finished() const {
  const Shard shard{identity().shard, identity().shards, ""};
  const std::vector<bool> all = finished_batches();
  Finished own;
  for (std::int64_t b = 0; b < std::ssize(all); ++b)
    if (owns(shard, b)) ++own.of, own.batches += all[static_cast<std::size_t>(b)] ? 1 : 0;
  return own;
}

void ResultStore::add(const Batch& batch) { database_->add(batch); }

Batch ResultStore::batch(std::int64_t number) const {
  const SqliteConnection& connection = database_->connection;
  SqliteStatement counts(connection,
                         "SELECT excluded, infeasible, out_of_memory, same_placement, pruned, evaluated FROM batches "
                         "WHERE number = ?");
  if (!counts.bind(number).step())
    throw StoreError(fmt::format("{}: batch {} is not finished", connection.path(), number));
  Batch batch{.number = number, .counts = counts_in(counts), .plans = {}};
  SqliteStatement reasons(connection, "SELECT reason, plans FROM infeasible_reasons WHERE batch = ?");
  for (reasons.bind(number); reasons.step();) {
    const std::string reason = reasons.text();
    batch.counts.infeasible_reasons[reason] = reasons.integer();
  }
  SqliteStatement plans(connection, fmt::format("{} WHERE batch = ? ORDER BY plan_index", plan_columns).c_str());
  for (plans.bind(number); plans.step();) batch.plans.push_back(plan_in(plans));
  return batch;
}

SweepCounts ResultStore::counts() const {
  SqliteStatement sums(database_->connection,
                       "SELECT sum(excluded), sum(infeasible), sum(out_of_memory), sum(same_placement), sum(pruned), "
                       "sum(evaluated) FROM batches");
  sums.step();
  SweepCounts counts = counts_in(sums);
  SqliteStatement reasons(database_->connection, "SELECT reason, sum(plans) FROM infeasible_reasons GROUP BY reason");
  while (reasons.step()) {
    const std::string reason = reasons.text();
    counts.infeasible_reasons[reason] = reasons.integer();
  }
  return counts;
}

std::vector<EvaluatedPlan> ResultStore::fastest(int count) const {
  SqliteStatement query(database_->connection,
                        fmt::format("{} ORDER BY step_time_s, plan_index LIMIT ?", plan_columns).c_str());
  query.bind(static_cast<std::int64_t>(std::max(0, count)));
  std::vector<EvaluatedPlan> plans;
  while (query.step()) plans.push_back(plan_in(query));
  return plans;
}

std::vector<EvaluatedPlan> ResultStore::pareto() const {
  Front front;
  SqliteStatement all(database_->connection,
                      "SELECT plan_index, step_time_s, peak_bytes FROM plans ORDER BY plan_index");
  while (all.step()) {
    const PlanIndex index = all.integer();
    const Seconds step_time(all.real());
    front.add(step_time, Bytes(all.real()), index);
  }
  std::vector<EvaluatedPlan> plans;
  SqliteStatement one(database_->connection, fmt::format("{} WHERE plan_index = ?", plan_columns).c_str());
  for (const auto& [step_time, point] : front.points()) {
    one.bind(point.index).step();
    plans.push_back(plan_in(one));
    one.step();
  }
  return plans;
}

std::int64_t ResultStore::plans() const { return database_->connection.number("SELECT count(*) FROM plans"); }

std::optional<std::string> ResultStore::answer() const { return read_meta(database_->connection, "answer"); }

void ResultStore::set_answer(const std::string& json) { write_meta(database_->connection, "answer", json); }

void ResultStore::flush() { database_->connection.checkpoint(); }

}  // namespace trainyard
