// The tables of a store, and which sweep they belong to.
#pragma once

#include <optional>
#include <string>

#include "analysis/sweep/result_store.hpp"
#include "analysis/sweep/result_store_sqlite.hpp"

namespace trainyard {

// StoreError if the file is damaged, or a database of something else.
void check_is_store(const SqliteConnection& connection);
bool is_empty(const SqliteConnection& connection);  // no tables at all: a new file
void create_tables(SqliteConnection& connection, const StoreIdentity& identity);

StoreIdentity read_identity(const SqliteConnection& connection);
// StoreError if a run of `wanted` may not go on in a store of `found`; says which of the two is newer where it can.
void check_same_sweep(const std::string& path, const StoreIdentity& found, const StoreIdentity& wanted);
// Where the sweep's files are now.
void update_files(SqliteConnection& connection, const StoreIdentity& identity);

std::optional<std::string> read_meta(const SqliteConnection& connection, const std::string& key);
void write_meta(const SqliteConnection& connection, const std::string& key, const std::string& value);

}  // namespace trainyard
