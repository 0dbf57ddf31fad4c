// What is wrong with a file, and what the user is told to do.
#include <sqlite3.h>
#include <sys/stat.h>
#include <catch2/catch.hpp>

#include <filesystem>

#include "tests/analysis/sweep/store_files.hpp"

namespace trainyard::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;

std::string error_of_writing(const std::string& path, const StoreIdentity& wanted = identity(2)) {
  return store_error([&] { ResultStore::open(path, wanted); });
}
std::string error_of_reading(const std::string& path) {
  return store_error([&] { ResultStore::read(path); });
}

void run_sql(const std::string& path, const char* sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

// A store of many pages.
std::string store_of_many_plans(const StoreFolder& folder) {
  ResultStore::open(folder / "results.db", identity(2)).add(batch(0, 2000));
  return folder / "results.db";
}

TEST_CASE("a file that is no database is refused and left as it is") {
  const StoreFolder folder;
  const std::string text = GENERATE(std::string("x"), std::string("model: gpt3-175b\n"), std::string(5000, 'a'),
                                    std::string("SQLite format 3\0 but no more", 28), std::string(4096, '\0'));
  const std::string path = folder.file("notes.txt", text);
  CAPTURE(text.substr(0, 20));
  CHECK_THAT(error_of_writing(path), Contains("notes.txt") && (Contains("no store") || Contains("not a store")));
  CHECK_THAT(error_of_reading(path), Contains("notes.txt") && (Contains("no store") || Contains("not a store")));
  CHECK(content(path) == text);
  CHECK(folder.entries() == 1);
}

TEST_CASE("an empty file becomes a store, and reading it says that it is empty") {
  const StoreFolder folder;
  const std::string path = folder.file("results.db", "");
  CHECK_THAT(error_of_reading(path), Contains("is empty"));
  ResultStore::open(path, identity(1)).add(batch(0));
  CHECK(ResultStore::read(path).plans() == 3);
}

TEST_CASE("another program's database is refused") {
  const StoreFolder folder;
  run_sql(folder / "other.db", "CREATE TABLE songs(name TEXT)");
  CHECK_THAT(error_of_writing(folder / "other.db"), Contains("no store of a sweep") && Contains("-o"));
  CHECK_THAT(error_of_reading(folder / "other.db"), Contains("no store of a sweep"));
}

TEST_CASE("folders, devices and missing files are named as such") {
  const StoreFolder folder;
  CHECK_THAT(error_of_writing(folder / ""), Contains("is a folder"));
  CHECK_THAT(error_of_reading(folder / ""), Contains("is a folder"));
  CHECK_THAT(error_of_writing("/dev/null"), Contains("is no file"));
  CHECK_THAT(error_of_reading(folder / "none.db"), Contains("there is no such file"));
  CHECK_THAT(error_of_writing(folder / "no/such/folder/results.db"),
             Contains("No such file or directory") && Contains("-o"));
  CHECK_THAT(error_of_writing(""), Contains("-o"));
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THAT(error_of_writing(folder / "pipe"), Contains("is no file"));
  CHECK_THAT(error_of_reading(folder / "pipe"), Contains("is no file"));
}

TEST_CASE("a place that cannot be written is refused with its reason") {
  // Nothing may be made in /proc, not even by root.
  CHECK_THAT(error_of_writing("/proc/results.db"), Contains("/proc/results.db") && Contains("-o"));
}

TEST_CASE("stores of another version, sweep or shard are not continued") {
  const StoreFolder folder;
  const std::string path = folder / "results.db";
  { ResultStore::open(path, identity(2)).add(batch(0)); }
  StoreIdentity newer = identity(2);
  newer.version = "2.0.0";
  CHECK_THAT(error_of_writing(path, newer), Contains("trainyard 1.2.3, this is 2.0.0") && Contains("delete it"));
  StoreIdentity other = identity(2);
  other.sweep_hash = "ffffffffffffffff";
  CHECK_THAT(error_of_writing(path, other), Contains("another sweep") && Contains("ffffffffffffffff"));
  CHECK_THAT(error_of_writing(path, identity(3)), Contains("another sweep"));
  CHECK_THAT(error_of_writing(path, identity(2, 1, 4)), Contains("shard 0 of 1") && Contains("not 1 of 4"));
  CHECK(ResultStore::read(path).batch(0) == batch(0));
}

TEST_CASE("a store that was cut off anywhere is refused, not half read") {
  const StoreFolder folder;
  const std::string path = store_of_many_plans(folder);
  const auto size = static_cast<int>(fs::file_size(path));
  REQUIRE(size > 100'000);
  const int kept = GENERATE_COPY(50, 4096, 5000, size / 2, size - 4096, size - 1);
  CAPTURE(kept, size);
  fs::resize_file(path, static_cast<std::uintmax_t>(kept));
  CHECK_FALSE(error_of_writing(path).empty());
  CHECK_FALSE(error_of_reading(path).empty());
}

TEST_CASE("a store with a page of rubbish is refused, and the sentence says what to do") {
  const StoreFolder folder;
  const std::string path = store_of_many_plans(folder);
  std::string bytes = content(path);
  bytes.replace(bytes.size() / 2 / 4096 * 4096, 4096, std::string(4096, 'x'));
  folder.file("results.db", bytes);
  CHECK_THAT(error_of_writing(path), Contains("damaged") && Contains("delete it"));
  CHECK_THAT(error_of_reading(path), Contains("damaged") && Contains("delete it"));
}

TEST_CASE("a store whose description makes no sense is refused") {
  const StoreFolder folder;
  const std::string path = folder / "results.db";
  { ResultStore::open(path, identity(2)); }
  const char* sql =
      GENERATE("DELETE FROM meta WHERE key = 'version'", "UPDATE meta SET value = '-1' WHERE key = 'batches'",
               "UPDATE meta SET value = '99999999999999999999' WHERE key = 'batches'",
               "UPDATE meta SET value = '1' WHERE key = 'shard'", "UPDATE meta SET value = '0' WHERE key = 'shards'",
               "UPDATE meta SET value = 'two' WHERE key = 'shards'");
  run_sql(path, sql);
  CAPTURE(sql);
  CHECK_THAT(error_of_reading(path), Contains("damaged"));
  CHECK_THAT(error_of_writing(path), Contains("damaged"));
}

TEST_CASE("a store without one of its tables is refused or says so when asked") {
  const StoreFolder folder;
  const std::string path = folder / "results.db";
  { ResultStore::open(path, identity(2)); }
  run_sql(path, "DROP TABLE plans");
  CHECK_THAT(store_error([&] { ResultStore::read(path).plans(); }), Contains("no such table"));
}

TEST_CASE("a store with another layout of tables is refused") {
  const StoreFolder folder;
  const std::string path = folder / "results.db";
  { ResultStore::open(path, identity(2)); }
  run_sql(path, "PRAGMA user_version = 99");
  CHECK_THAT(error_of_reading(path), Contains("in another way"));
}

TEST_CASE("a batch or a plan that is there already is an error, and so is a batch that is none") {
  const StoreFolder folder;
  ResultStore store = ResultStore::open(folder / "results.db", identity(2));
  store.add(batch(0));
  CHECK_THAT(store_error([&] { store.add(batch(0)); }), Contains("batches.number"));
  Batch same_plans = batch(0);
  same_plans.number = 1;
  CHECK_THAT(store_error([&] { store.add(same_plans); }), Contains("plans.plan_index"));
  CHECK_THAT(store_error([&] { store.add(batch(2)); }), Contains("2 batches"));
  CHECK_THAT(store_error([&] { store.add(batch(-1)); }), Contains("2 batches"));
  CHECK_THAT(store_error([&] { store.batch(1); }), Contains("not finished"));
  CHECK(store.plans() == 3);
}

TEST_CASE("a store opened for reading is not written") {
  const StoreFolder folder;
  { ResultStore::open(folder / "results.db", identity(1)).add(batch(0)); }
  ResultStore store = ResultStore::read(folder / "results.db");
  CHECK_FALSE(store_error([&] { store.set_answer("{}"); }).empty());
  CHECK_FALSE(store.answer());
}

}  // namespace
}  // namespace trainyard::testing
