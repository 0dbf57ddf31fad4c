// SQLite as the stores use it: connections and statements whose errors are StoreErrors that say what to do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace trainyard {

enum class StoreAccess { write, read };

class SqliteConnection {
 public:
  // For writing, creates the file if there is none. For reading, also where the folder cannot be written.
  SqliteConnection(std::string path, StoreAccess access);

  const std::string& path() const { return path_; }
  sqlite3* handle() const { return handle_.get(); }
  void run(const char* sql);  // statements without parameters; their rows are thrown away
  std::int64_t number(const char* sql) const;
  bool in_transaction() const;
  // Everything from the write-ahead log into the file.
  void checkpoint();

  // Throws what SQLite's last error on this connection means to the user.
  [[noreturn]] void fail(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  void open(const std::string& name, int flags);
  void open_for_reading();
  bool readable() const;

  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

// A prepared statement, used again and again: bind all parameters in turn, step, read the columns in turn.
class SqliteStatement {
 public:
  SqliteStatement(const SqliteConnection& connection, const char* sql);

  SqliteStatement& bind(std::int64_t value);
  SqliteStatement& bind(double value);
  SqliteStatement& bind(const std::string& value);
  bool step();     // false after the last row; then it can be bound anew
  void execute();  // of a statement without rows

  std::int64_t integer();
  double real();
  std::string text();

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  void check(int code);

  const SqliteConnection& connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int parameter_ = 0;
  int column_ = 0;
};

// All or nothing of what is written while it lives; gone unless it is committed.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteConnection& connection);
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;
  void commit();

 private:
  SqliteConnection& connection_;
};

}  // namespace trainyard
