// Strict reading of YAML mappings. Every key must be asked for: an unknown, duplicate or mistyped one is an InputError
// with file:line:column and a hint. The only place that knows yaml-cpp beside the *_yaml sources.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/errors.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

// A node with the file it came from. Cheap to copy.
class YamlValue {
 public:
  YamlValue(YAML::Node node, std::shared_ptr<const std::string> file, std::string path);

  const std::string& path() const { return path_; }  // "plan.micro_batch_size", for messages
  const YAML::Node& node() const { return node_; }
  SourceLocation where() const;
  [[noreturn]] void fail(std::string message, std::string hint = {}) const;

  bool is_map() const { return node_.IsMap(); }
  bool is_sequence() const { return node_.IsSequence(); }
  bool is_scalar() const { return node_.IsScalar(); }
  bool is_null() const { return node_.IsNull(); }

  // Scalars; anything that is not exactly that type is an InputError. Integers accept 8, 4096, 0x10, never 1e3 or 8.5.
  std::string as_string() const;
  bool as_bool() const;                                   // true/false only
  long long as_int(long long low, long long high) const;  // inclusive range
  double as_number(double low, double high) const;        // finite, inclusive range
  Bytes as_bytes() const;                                 // "80GiB"
  BytesPerSecond as_bandwidth() const;                    // "400Gbps"
  Seconds as_duration() const;                            // "25us"
  FlopsPerSecond as_throughput() const;                   // "989TFLOPS"
  std::vector<YamlValue> as_sequence() const;
  std::string as_choice(const std::vector<std::string>& choices) const;

 private:
  YAML::Node node_;
  std::shared_ptr<const std::string> file_;
  std::string path_;
};

// A mapping whose keys are all accounted for: ask with required/optional, then call finish().
class YamlMapping {
 public:
  explicit YamlMapping(YamlValue value);  // InputError if not a mapping or a key occurs twice

  YamlValue required(std::string_view key);
  std::optional<YamlValue> optional(std::string_view key);  // an explicit null counts as absent
  // The first spelling present; two spellings at once is an InputError. For aliases such as tp.
  std::optional<YamlValue> optional_of(const std::vector<std::string_view>& spellings);
  const YamlValue& value() const { return value_; }
  std::vector<std::string> keys() const;  // in file order
  void finish() const;                    // InputError at the first key nobody asked for

 private:
  YamlValue value_;
  std::vector<std::pair<std::string, YAML::Node>> entries_;  // key, key node (for its position), file order
  std::vector<std::string> asked_;
};

// Whole documents. A file that is missing, unreadable, empty, not YAML, or holds several documents is an InputError.
YamlValue read_yaml_file(const std::string& path);
YamlValue read_yaml_text(const std::string& text, const std::string& name_in_messages);

// Sets a dotted path ("plan.tp" = "4") in a document before it is read, as `--set plan.tp=4` does; the text is parsed
// as YAML. Intermediate mappings are created. InputError if a step is not a mapping.
YamlValue with_override(const YamlValue& document, const std::string& dotted_path, const std::string& yaml_text);

}  // namespace trainyard
