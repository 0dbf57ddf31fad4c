// Strict reading of one JSON object: every value is asked for with its type and range, and an InputError points at the
// key's file:line:column. The counterpart of sim/base/yaml_reader for config.json files.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/errors.hpp"

namespace trainyard {

// A parsed text and where each of its keys stands, by dotted path ("text_config.hidden_size").
struct JsonDocument {
  std::string file;
  nlohmann::json value;
  std::map<std::string, SourceLocation, std::less<>> places;
};
// InputError if the text is not JSON (comments, trailing commas and NaN are not) or an object repeats a key.
JsonDocument parse_json(const std::string& text, const std::string& name_in_messages);

class JsonMapping {
 public:
  // The whole document, which must be an object.
  explicit JsonMapping(std::shared_ptr<const JsonDocument> document);
  // A nested object, or nothing if the key is absent or null.
  std::optional<JsonMapping> object(std::string_view key);

  bool has(std::string_view key) const;      // present, null included
  bool is_null(std::string_view key) const;  // absent or null
  // Absent or null: nothing.
  std::optional<std::int64_t> whole(std::string_view key, std::int64_t low, std::int64_t high);
  std::optional<double> number(std::string_view key, double low, double high);
  std::optional<bool> flag(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  std::optional<std::vector<std::int64_t>> whole_list(std::string_view key, std::int64_t low, std::int64_t high);
  std::optional<std::vector<std::string>> text_list(std::string_view key);

  std::vector<std::string> unasked() const;  // keys nobody asked for, sorted
  [[noreturn]] void fail(std::string_view key, std::string message, std::string hint = {}) const;  // at the key
  [[noreturn]] void fail_here(std::string message, std::string hint = {}) const;                   // at the object

 private:
  JsonMapping(std::shared_ptr<const JsonDocument> document, const nlohmann::json& object, std::string path);
  const nlohmann::json* ask(std::string_view key);
  std::int64_t as_whole(std::string_view key, const nlohmann::json& value, std::int64_t low, std::int64_t high) const;
  [[noreturn]] void fail_type(std::string_view key, std::string_view wanted, const nlohmann::json& found) const;
  std::string path_of(std::string_view key) const;

  std::shared_ptr<const JsonDocument> document_;
  const nlohmann::json* object_;
  std::string path_;
  std::vector<std::string> asked_;
};

}  // namespace trainyard
