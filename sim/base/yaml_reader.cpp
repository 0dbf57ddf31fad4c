#include "sim/base/yaml_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace trainyard {
namespace {

SourceLocation location(const std::string& file, const YAML::Mark& mark) {
  if (mark.is_null()) return {file, 0, 0};
  return {file, mark.line + 1, mark.column + 1};
}

std::string kind_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
      return "nothing";
    case YAML::NodeType::Null:
      return "nothing (null)";
    case YAML::NodeType::Scalar:
      return fmt::format("'{}'", node.Scalar());
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
  }
  return "?";
}

template <class Parse>
auto parse_unit(const YamlValue& value, Parse parse) {
  try {
    return parse(value.as_string());
  } catch (const std::invalid_argument& e) {
    value.fail(fmt::format("{}: {}", value.path(), e.what()));
  }
}

}  // namespace

YamlValue::YamlValue(YAML::Node node, std::shared_ptr<const std::string> file, std::string path)
    : node_(std::move(node)), file_(std::move(file)), path_(std::move(path)) {}

SourceLocation YamlValue::where() const { return location(*file_, node_.Mark()); }

void YamlValue::fail(std::string message, std::string hint) const {
  throw InputError(where(), std::move(message), std::move(hint));
}

std::string YamlValue::as_string() const {
  if (!is_scalar()) fail(fmt::format("{} must be a single value, not {}", path_, kind_of(node_)));
  return node_.Scalar();
}

bool YamlValue::as_bool() const {
  const std::string text = as_string();
  if (text == "true" || text == "True") return true;
  if (text == "false" || text == "False") return false;
  fail(fmt::format("{} must be true or false, not '{}'", path_, text));
}

long long YamlValue::as_int(long long low, long long high) const {
  const std::string text = as_string();
  std::string_view digits = text;
  const bool hex = digits.starts_with("0x");
  if (hex) digits.remove_prefix(2);
  long long number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, hex ? 16 : 10);
  if (error == std::errc::result_out_of_range) fail(fmt::format("{} is {}, outside {} to {}", path_, text, low, high));
  if (error != std::errc{} || end != digits.data() + digits.size())
    fail(fmt::format("{} must be a whole number, not '{}'", path_, text));
  if (number < low || number > high) fail(fmt::format("{} is {}, outside {} to {}", path_, number, low, high));
  return number;
}

double YamlValue::as_number(double low, double high) const {
  const std::string text = as_string();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number))
    fail(fmt::format("{} must be a finite number, not '{}'", path_, text));
  if (number < low || number > high) fail(fmt::format("{} is {}, outside {} to {}", path_, number, low, high));
  return number;
}

Bytes YamlValue::as_bytes() const {
  return parse_unit(*this, [](const std::string& s) { return parse_bytes(s); });
}
BytesPerSecond YamlValue::as_bandwidth() const {
  return parse_unit(*this, [](const std::string& s) { return parse_bandwidth(s); });
}
Seconds YamlValue::as_duration() const {
  return parse_unit(*this, [](const std::string& s) { return parse_duration(s); });
}
FlopsPerSecond YamlValue::as_throughput() const {
  return parse_unit(*this, [](const std::string& s) { return parse_throughput(s); });
}

std::vector<YamlValue> YamlValue::as_sequence() const {
  if (!is_sequence()) fail(fmt::format("{} must be a list, not {}", path_, kind_of(node_)));
  std::vector<YamlValue> items;
  for (std::size_t i = 0; i < node_.size(); ++i) {
    const YAML::Node item = node_[i];
    items.emplace_back(item, file_, fmt::format("{}[{}]", path_, i));
  }
  return items;
}

std::string YamlValue::as_choice(const std::vector<std::string>& choices) const {
  const std::string text = as_string();
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return text;
  std::string hint = did_you_mean(text, choices);
  if (hint.empty()) hint = fmt::format("one of {}", fmt::join(choices, ", "));
  fail(fmt::format("{} cannot be '{}'", path_, text), hint);
}

YamlMapping::YamlMapping(YamlValue value) : value_(std::move(value)) {
  if (!value_.is_map())
    value_.fail(fmt::format("{} must be a mapping, not {}", value_.path().empty() ? "the document" : value_.path(),
                            kind_of(value_.node())));
  for (const auto& entry : value_.node()) {
    const YamlValue key(entry.first, std::make_shared<const std::string>(value_.where().file), value_.path());
    std::string text = key.as_string();
    const auto same = [&](const auto& e) { return e.first == text; };
    if (std::any_of(entries_.begin(), entries_.end(), same)) key.fail(fmt::format("duplicate key '{}'", text));
    entries_.emplace_back(std::move(text), entry.first);
  }
}

std::optional<YamlValue> YamlMapping::optional(std::string_view key) {
  asked_.emplace_back(key);
  for (const auto& entry : value_.node()) {
    if (!entry.first.IsScalar() || entry.first.Scalar() != key) continue;
    if (entry.second.IsNull()) return std::nullopt;
    const std::string path = value_.path().empty() ? std::string(key) : fmt::format("{}.{}", value_.path(), key);
    return YamlValue(entry.second, std::make_shared<const std::string>(value_.where().file), path);
  }
  return std::nullopt;
}

YamlValue YamlMapping::required(std::string_view key) {
  std::optional<YamlValue> found = optional(key);
  if (!found) value_.fail(fmt::format("missing key '{}'{}", key, value_.path().empty() ? "" : " in " + value_.path()));
  return *found;
}

std::optional<YamlValue> YamlMapping::optional_of(const std::vector<std::string_view>& spellings) {
  std::optional<YamlValue> found;
  std::string_view found_as;
  for (std::string_view key : spellings) {
    std::optional<YamlValue> candidate = optional(key);
    if (!candidate) continue;
    if (found) candidate->fail(fmt::format("'{}' and '{}' are the same setting, given twice", found_as, key));
    found = std::move(candidate);
    found_as = key;
  }
  return found;
}

std::vector<std::string> YamlMapping::keys() const {
  std::vector<std::string> all;
  for (const auto& entry : entries_) all.push_back(entry.first);
  return all;
}

void YamlMapping::finish() const {
  for (const auto& [key, node] : entries_) {
    if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
    const YamlValue at(node, std::make_shared<const std::string>(value_.where().file), value_.path());
    at.fail(fmt::format("unknown key '{}'{}", key, value_.path().empty() ? "" : " in " + value_.path()),
            did_you_mean(key, asked_));
  }
}

YamlValue read_yaml_text(const std::string& text, const std::string& name_in_messages) {
  const auto file = std::make_shared<const std::string>(name_in_messages);
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.empty() || documents.front().IsNull())
      throw InputError({name_in_messages, 0, 0}, "the file is empty");
    if (documents.size() > 1) throw InputError({name_in_messages, 0, 0}, "holds several YAML documents, expected one");
    return YamlValue(documents.front(), file, "");
  } catch (const YAML::Exception& e) {
    throw InputError(location(name_in_messages, e.mark), "not valid YAML: " + e.msg);
  }
}

YamlValue read_yaml_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError({path, 0, 0}, "cannot open the file");
  constexpr std::size_t most_bytes = 64 << 20;  // a thousand times what anyone writes; /dev/zero has no end
  std::string text;
  for (std::array<char, 1 << 16> part{}; in.read(part.data(), part.size()), in.gcount() > 0;) {
    text.append(part.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > most_bytes)
      throw InputError({path, 0, 0}, fmt::format("the file is larger than {} MiB", most_bytes >> 20), "is it YAML?");
  }
  if (in.bad() || text.empty()) throw InputError({path, 0, 0}, "cannot read the file", "is it a directory or empty?");
  return read_yaml_text(text, path);
}

YamlValue with_override(const YamlValue& document, const std::string& dotted_path, const std::string& yaml_text) {
  const auto file = std::make_shared<const std::string>(document.where().file);
  YAML::Node root = YAML::Clone(document.node());
  YAML::Node replacement = read_yaml_text(yaml_text, "--set " + dotted_path).node();
  YAML::Node cursor = root;
  std::string_view rest = dotted_path;
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string key(rest.substr(0, dot));
    if (key.empty()) throw InputError({"--set " + dotted_path, 0, 0}, "a step of the path is empty");
    if (!cursor.IsMap() && !cursor.IsNull())
      throw InputError({"--set " + dotted_path, 0, 0},
                       fmt::format("'{}' is inside a value that is not a mapping", key));
    if (dot == std::string_view::npos) {
      cursor[key] = replacement;
      break;
    }
    if (!cursor[key].IsDefined()) cursor[key] = YAML::Node(YAML::NodeType::Map);
    const YAML::Node next = cursor[key];
    cursor.reset(next);
    rest.remove_prefix(dot + 1);
  }
  return YamlValue(root, file, "");
}

}  // namespace trainyard
