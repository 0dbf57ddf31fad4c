#include "models/json_mapping.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

namespace trainyard {
namespace {

using nlohmann::json;

// Turns rising offsets of one text into lines and columns, reading the text once.
class Ruler {
 public:
  Ruler(const std::string& file, std::string_view text) : file_(file), text_(text) {}

  SourceLocation at(std::size_t offset) {
    for (const std::size_t end = std::min(offset, text_.size()); next_ < end; ++next_) {
      if (text_[next_] != '\n') continue;
      ++line_;
      line_start_ = next_ + 1;
    }
    return {file_, line_, static_cast<int>(next_ - line_start_) + 1};
  }

 private:
  const std::string& file_;
  std::string_view text_;
  std::size_t next_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
};

// The parser reports no positions, so it is fed through an iterator that counts what it has read; a key's callback
// comes right after its closing quote.
struct CountingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  std::size_t* read;

  reference operator*() const { return *at; }
  CountingIterator& operator++() {
    ++at;
    ++*read;
    return *this;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at == b.at; }
  friend bool operator!=(const CountingIterator& a, const CountingIterator& b) { return a.at != b.at; }
};

constexpr std::size_t max_depth = 64;

struct OpenObject {
  std::set<std::string> keys;
  std::string current;
};

std::string joined(const std::vector<OpenObject>& open) {
  std::string path;
  for (const OpenObject& object : open) {
    if (object.current.empty()) continue;
    path += (path.empty() ? "" : ".") + object.current;
  }
  return path;
}

// "[json.exception.parse_error.101] parse error at line 3, column 7: syntax error …" -> "syntax error …"
std::string without_prefix(std::string_view what) {
  const std::size_t bracket = what.find("] ");
  if (bracket != std::string_view::npos) what.remove_prefix(bracket + 2);
  const std::size_t colon = what.find(": ");
  if (what.starts_with("parse error") && colon != std::string_view::npos) what.remove_prefix(colon + 2);
  return std::string(what);
}

}  // namespace

JsonDocument parse_json(const std::string& text, const std::string& name_in_messages) {
  JsonDocument document{.file = name_in_messages, .value = {}, .places = {}};
  std::vector<OpenObject> open;
  std::size_t read = 0;
  Ruler ruler(name_in_messages, text);
  const auto follow = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) open.emplace_back();
    if (open.size() > max_depth) throw InputError(ruler.at(read), fmt::format("nested more than {} deep", max_depth));
    if (event == json::parse_event_t::object_end || event == json::parse_event_t::array_end) open.pop_back();
    if (event != json::parse_event_t::key) return true;
    const auto& key = parsed.get_ref<const std::string&>();
    const SourceLocation where = ruler.at(read - std::min(read, key.size() + 2));
    if (!open.back().keys.insert(key).second) throw InputError(where, fmt::format("duplicate key '{}'", key));
    open.back().current = key;
    document.places.emplace(joined(open), where);
    return true;
  };
  try {
    document.value =
        json::parse(CountingIterator{text.data(), &read}, CountingIterator{text.data() + text.size(), &read}, follow);
  } catch (const json::parse_error& e) {
    throw InputError(ruler.at(e.byte > 0 ? e.byte - 1 : 0), "not valid JSON: " + without_prefix(e.what()));
  } catch (const json::exception& e) {  // a number too large for any type
    throw InputError(ruler.at(read), "not valid JSON: " + without_prefix(e.what()));
  }
  return document;
}

JsonMapping::JsonMapping(std::shared_ptr<const JsonDocument> document)
    : document_(std::move(document)), object_(&document_->value) {
  if (!object_->is_object()) fail_here(fmt::format("the document must be an object, not {}", object_->type_name()));
}

JsonMapping::JsonMapping(std::shared_ptr<const JsonDocument> document, const json& object, std::string path)
    : document_(std::move(document)), object_(&object), path_(std::move(path)) {}

std::string JsonMapping::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const json* JsonMapping::ask(std::string_view key) {
  asked_.emplace_back(key);
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

bool JsonMapping::has(std::string_view key) const { return object_->contains(key); }
bool JsonMapping::is_null(std::string_view key) const { return !has(key) || object_->find(key)->is_null(); }

std::optional<JsonMapping> JsonMapping::object(std::string_view key) {
  const json* value = ask(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) fail_type(key, "an object", *value);
  return JsonMapping(document_, *value, path_of(key));
}

std::int64_t JsonMapping::as_whole(std::string_view key, const json& value, std::int64_t low, std::int64_t high) const {
  if (!value.is_number_integer()) fail_type(key, "a whole number", value);
  const bool above_signed =
      value.is_number_unsigned() &&
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (above_signed || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high)
    fail(key, fmt::format("{} is {}, outside {} to {}", path_of(key), value.dump(), low, high));
  return value.get<std::int64_t>();
}

std::optional<std::int64_t> JsonMapping::whole(std::string_view key, std::int64_t low, std::int64_t high) {
  const json* value = ask(key);
  if (value == nullptr) return std::nullopt;
  return as_whole(key, *value, low, high);
}

std::optional<double> JsonMapping::number(std::string_view key, double low, double high) {
  const json* value = ask(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) fail_type(key, "a number", *value);
  const double number = value->get<double>();
  if (!std::isfinite(number) || number < low || number > high)
    fail(key, fmt::format("{} is {}, outside {} to {}", path_of(key), value->dump(), low, high));
  return number;
}

std::optional<bool> JsonMapping::flag(std::string_view key) {
  const json* value = ask(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fail_type(key, "true or false", *value);
  return value->get<bool>();
}

std::optional<std::string> JsonMapping::text(std::string_view key) {
  const json* value = ask(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail_type(key, "a string", *value);
  return value->get<std::string>();
}

std::optional<std::vector<std::int64_t>> JsonMapping::whole_list(std::string_view key, std::int64_t low,
                                                                 std::int64_t high) {
  const json* value = ask(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) fail_type(key, "a list of whole numbers", *value);
  std::vector<std::int64_t> list;
  for (const json& item : *value) list.push_back(as_whole(key, item, low, high));
  return list;
}

std::optional<std::vector<std::string>> JsonMapping::text_list(std::string_view key) {
  const json* value = ask(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) fail_type(key, "a list of strings", *value);
  std::vector<std::string> list;
  for (const json& item : *value) {
    if (!item.is_string()) fail_type(key, "a list of strings", item);
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::vector<std::string> JsonMapping::unasked() const {
  std::vector<std::string> keys;
  for (const auto& item : object_->items())
    if (std::find(asked_.begin(), asked_.end(), item.key()) == asked_.end()) keys.push_back(item.key());
  return keys;
}

void JsonMapping::fail(std::string_view key, std::string message, std::string hint) const {
  const auto place = document_->places.find(path_of(key));
  if (place == document_->places.end()) fail_here(std::move(message), std::move(hint));
  throw InputError(place->second, std::move(message), std::move(hint));
}

void JsonMapping::fail_here(std::string message, std::string hint) const {
  const auto place = document_->places.find(path_);
  const SourceLocation where = place == document_->places.end() ? SourceLocation{document_->file, 0, 0} : place->second;
  throw InputError(where, std::move(message), std::move(hint));
}

void JsonMapping::fail_type(std::string_view key, std::string_view wanted, const json& found) const {
  // Nested values only by kind: they may be as large as the file.
  std::string text = found.is_structured() ? found.type_name() : found.dump();
  if (text.size() > 40) text = text.substr(0, 37) + "...";
  fail(key, fmt::format("{} must be {}, not {}", path_of(key), wanted, text));
}

}  // namespace trainyard
