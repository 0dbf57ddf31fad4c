#include "analysis/sweep/result_store_schema.hpp"

#include <fmt/format.h>

#include <charconv>

namespace trainyard {
namespace {

// "trdy", in the header of the file: https://www.sqlite.org/pragma.html#pragma_application_id
constexpr std::int64_t application_id = 0x74726479;
constexpr std::int64_t layout = 1;  // of the tables; another one is refused

// The key last: a scan over the numbers does not read it. The one index serves reading a batch, for merging; the best
// and the front come from one scan, which costs less than keeping another index up to date.
constexpr const char* tables = R"(
  CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE batches(
    number INTEGER PRIMARY KEY,
    excluded INTEGER NOT NULL, infeasible INTEGER NOT NULL, out_of_memory INTEGER NOT NULL,
    same_placement INTEGER NOT NULL, pruned INTEGER NOT NULL, evaluated INTEGER NOT NULL);
  CREATE TABLE infeasible_reasons(
    batch INTEGER NOT NULL, reason TEXT NOT NULL, plans INTEGER NOT NULL, PRIMARY KEY(batch, reason)) WITHOUT ROWID;
  CREATE TABLE plans(
    plan_index INTEGER PRIMARY KEY, batch INTEGER NOT NULL, step_time_s REAL NOT NULL, peak_bytes REAL NOT NULL,
    reserved_bytes REAL NOT NULL, mfu REAL NOT NULL, key TEXT NOT NULL);
  CREATE INDEX plans_of_batch ON plans(batch);
)";

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw StoreError(fmt::format("{}: {}: delete it, or write to another file with -o", path, why));
}

std::string meta(const SqliteConnection& connection, const std::string& key) {
  if (const std::optional<std::string> value = read_meta(connection, key)) return *value;
  refuse(connection.path(), fmt::format("is damaged, it does not say its {}", key));
}

template <class Integer>
Integer meta_number(const SqliteConnection& connection, const std::string& key, Integer least, Integer most) {
  const std::string text = meta(connection, key);
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    refuse(connection.path(), fmt::format("is damaged, its {} is '{}'", key, text));
  return value;
}

constexpr std::int64_t most_batches_of_a_store = std::int64_t{1} << 32;  // what finished_batches can list
constexpr int most_shards = 1'000'000;

void check_sound(const SqliteConnection& connection) {
  SqliteStatement check(connection, "PRAGMA quick_check(1)");
  if (!check.step() || check.text() != "ok") refuse(connection.path(), "is damaged");
}

}  // namespace

void check_is_store(const SqliteConnection& connection) {
  if (connection.number("PRAGMA application_id") != application_id)
    throw StoreError(
        fmt::format("{}: is a database, but no store of a sweep: write to another file with -o", connection.path()));
  if (connection.number("PRAGMA user_version") != layout)
    refuse(connection.path(), "is of a trainyard that keeps its results in another way");
  check_sound(connection);
}

bool is_empty(const SqliteConnection& connection) {
  return connection.number("SELECT count(*) FROM sqlite_master") == 0 &&
         connection.number("PRAGMA application_id") == 0;
}

void create_tables(SqliteConnection& connection, const StoreIdentity& identity) {
  SqliteTransaction transaction(connection);
  connection.run(tables);
  connection.run(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", application_id, layout).c_str());
  write_meta(connection, "version", identity.version);
  write_meta(connection, "sweep_hash", identity.sweep_hash);
  write_meta(connection, "batches", fmt::to_string(identity.batches));
  write_meta(connection, "shard", fmt::to_string(identity.shard));
  write_meta(connection, "shards", fmt::to_string(identity.shards));
  update_files(connection, identity);
  transaction.commit();
}

void update_files(SqliteConnection& connection, const StoreIdentity& identity) {
  write_meta(connection, "sweep_text", identity.sweep_text);
  write_meta(connection, "sweep_file", identity.sweep_file);
  write_meta(connection, "profile_file", identity.profile_file);
}

StoreIdentity read_identity(const SqliteConnection& connection) {
  StoreIdentity identity;
  identity.version = meta(connection, "version");
  identity.sweep_hash = meta(connection, "sweep_hash");
  identity.sweep_text = meta(connection, "sweep_text");
  identity.sweep_file = meta(connection, "sweep_file");
  identity.profile_file = meta(connection, "profile_file");
  identity.batches = meta_number<std::int64_t>(connection, "batches", 0, most_batches_of_a_store);
  identity.shards = meta_number<int>(connection, "shards", 1, most_shards);
  identity.shard = meta_number<int>(connection, "shard", 0, identity.shards - 1);
  return identity;
}

void check_same_sweep(const std::string& path, const StoreIdentity& found, const StoreIdentity& wanted) {
  if (found.version != wanted.version)
    refuse(path, fmt::format("was written by trainyard {}, this is {}", found.version, wanted.version));
  if (found.sweep_hash != wanted.sweep_hash || found.batches != wanted.batches)
    refuse(path, fmt::format("is of another sweep ({}, inputs {}) than this one ({}, inputs {})", found.sweep_file,
                             found.sweep_hash, wanted.sweep_file, wanted.sweep_hash));
  if (found.shard != wanted.shard || found.shards != wanted.shards)
    refuse(path, fmt::format("is of shard {} of {} of this sweep, not {} of {}", found.shard, found.shards,
                             wanted.shard, wanted.shards));
}

std::optional<std::string> read_meta(const SqliteConnection& connection, const std::string& key) {
  SqliteStatement query(connection, "SELECT value FROM meta WHERE key = ?");
  if (!query.bind(key).step()) return std::nullopt;
  return query.text();
}

void write_meta(const SqliteConnection& connection, const std::string& key, const std::string& value) {
  SqliteStatement(connection, "INSERT OR REPLACE INTO meta VALUES(?, ?)").bind(key).bind(value).execute();
}

}  // namespace trainyard
