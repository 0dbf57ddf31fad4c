// One reader per transformers configuration class: its keys, its defaults, and what of it a ModelShape can say.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/check_shape.hpp"
#include "models/json_mapping.hpp"
#include "models/model_shape.hpp"

namespace trainyard {

// Reads one configuration and writes down what it took from the class.
class ConfigReader {
 public:
  ConfigReader(JsonMapping& json, std::vector<std::string>& defaulted) : json_(json), defaulted_(defaulted) {}

  JsonMapping& json() { return json_; }
  std::int64_t whole(std::string_view key, std::int64_t fallback, std::int64_t low = 1,
                     std::int64_t high = max_model_width) {
    return or_default(key, json_.whole(key, low, high), fallback);
  }
  bool flag(std::string_view key, bool fallback) { return or_default(key, json_.flag(key), fallback); }
  double fraction(std::string_view key, double fallback) {
    return or_default(key, json_.number(key, 0, 0.999), fallback);
  }
  // A key that most files leave out because it is rarely changed: its default is not worth a mention.
  bool quiet_flag(std::string_view key, bool fallback) { return json_.flag(key).value_or(fallback); }
  std::int64_t required(std::string_view key) {
    const auto value = json_.whole(key, 1, max_model_width);
    if (!value) json_.fail_here(fmt::format("missing key '{}'", key), "its class has no default");
    return *value;
  }

 private:
  template <class Value>
  Value or_default(std::string_view key, const std::optional<Value>& found, Value fallback) {
    if (found) return *found;
    defaulted_.push_back(fmt::format("{} = {}", key, fallback));
    return fallback;
  }

  JsonMapping& json_;
  std::vector<std::string>& defaulted_;
};

struct HuggingFaceFamily {
  std::string_view model_type;
  bool tied_by_default;
  void (*read)(ConfigReader&, ModelShape&);  // everything but name and tied_embeddings; throws InputError
};
std::span<const HuggingFaceFamily> hugging_face_families();

}  // namespace trainyard
