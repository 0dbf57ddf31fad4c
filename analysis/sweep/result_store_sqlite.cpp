#include "analysis/sweep/result_store_sqlite.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "analysis/sweep/result_store.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

// A reader that closes as the last one locks the file for a moment.
constexpr int busy_timeout_ms = 10'000;

constexpr int primary_code(int code) { return code & 0xff; }

bool is_disk_full(int code, int system_error) {
  if (primary_code(code) == SQLITE_FULL) return true;
  return primary_code(code) == SQLITE_IOERR &&
         (system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG);
}

std::string meaning(int code, int system_error, const std::string& message) {
  if (is_disk_full(code, system_error))
    return "the disk is full, or the file as large as it may be; what was finished is kept: make room and run the "
           "same command again";
  switch (primary_code(code)) {
    case SQLITE_NOTADB:
      return "is not a store of results: give another file, or delete it";
    case SQLITE_CORRUPT:
      return "is damaged or cut off: delete it and sweep again, or write to another file with -o";
    case SQLITE_READONLY:
      return "cannot be written: write to another file with -o";
    case SQLITE_CANTOPEN:
      return "cannot be opened: choose a folder that exists and may be written, with -o";
    case SQLITE_BUSY:
      return "is in use by another program: try again when that has ended";
    default:
      break;
  }
  const std::string system = system_error == 0 ? "" : fmt::format(" ({})", std::strerror(system_error));
  return fmt::format("SQLite says: {}{}; if this stays, write to another file with -o", message, system);
}

// What a name of a file is as a URI: SQLite reads options only from these.
std::string uri_of(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#')
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      uri += c;
  }
  return uri;
}

}  // namespace

void SqliteConnection::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

SqliteConnection::SqliteConnection(std::string path, StoreAccess access) : path_(std::move(path)) {
  if (access == StoreAccess::write)
    open(fs::absolute(path_).string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  else
    open_for_reading();
}

void SqliteConnection::open(const std::string& name, int flags) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (handle == nullptr) throw std::bad_alloc();
  if (code != SQLITE_OK) fail(code);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, busy_timeout_ms);
}

bool SqliteConnection::readable() const {
  return sqlite3_exec(handle(), "SELECT count(*) FROM sqlite_master", nullptr, nullptr, nullptr) == SQLITE_OK;
}

// A reader takes part in the write-ahead log and so needs to write beside the file. Where it may not and there is no
// log, nobody can be writing here, and the file alone is the whole truth.
void SqliteConnection::open_for_reading() {
  open(fs::absolute(path_).string(), SQLITE_OPEN_READWRITE);
  const bool cannot_open = !readable() && primary_code(sqlite3_errcode(handle())) == SQLITE_CANTOPEN;
  std::error_code none;
  if (cannot_open && !fs::exists(path_ + "-wal", none))
    open(uri_of(fs::absolute(path_).string()) + "?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

void SqliteConnection::run(const char* sql) {
  const int code = sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t SqliteConnection::number(const char* sql) const {
  SqliteStatement statement(*this, sql);
  return statement.step() ? statement.integer() : 0;
}

bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(handle()) == 0; }

void SqliteConnection::checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

void SqliteConnection::fail(int code) const {
  // SQLite does not keep the reason of a failed write to its log: a quota, or the largest size of a file.
  const int system_error = primary_code(code) == SQLITE_IOERR ? errno : sqlite3_system_errno(handle());
  throw StoreError(fmt::format("{}: {}", path_, meaning(code, system_error, sqlite3_errmsg(handle()))));
}

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

SqliteStatement::SqliteStatement(const SqliteConnection& connection, const char* sql) : connection_(connection) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v3(connection.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr));
  statement_.reset(statement);
}

void SqliteStatement::check(int code) {
  if (code == SQLITE_OK) return;
  parameter_ = 0;
  connection_.fail(code);
}

SqliteStatement& SqliteStatement::bind(std::int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), ++parameter_, value));
  return *this;
}

SqliteStatement& SqliteStatement::bind(double value) {
  check(sqlite3_bind_double(statement_.get(), ++parameter_, value));
  return *this;
}

SqliteStatement& SqliteStatement::bind(const std::string& value) {
  check(sqlite3_bind_text64(statement_.get(), ++parameter_, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

bool SqliteStatement::step() {
  column_ = parameter_ = 0;
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  sqlite3_reset(statement_.get());
  if (code != SQLITE_DONE) connection_.fail(code);
  return false;
}

void SqliteStatement::execute() {
  while (step()) {
  }
}

std::int64_t SqliteStatement::integer() { return sqlite3_column_int64(statement_.get(), column_++); }

double SqliteStatement::real() { return sqlite3_column_double(statement_.get(), column_++); }

std::string SqliteStatement::text() {
  const int column = column_++;
  const unsigned char* text = sqlite3_column_text(statement_.get(), column);
  const auto length = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return text == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(text), length);
}

SqliteTransaction::SqliteTransaction(SqliteConnection& connection) : connection_(connection) {
  connection_.run("BEGIN IMMEDIATE");
}

SqliteTransaction::~SqliteTransaction() {
  // A full disk has rolled it back already.
  if (connection_.in_transaction()) sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void SqliteTransaction::commit() { connection_.run("COMMIT"); }

}  // namespace trainyard
