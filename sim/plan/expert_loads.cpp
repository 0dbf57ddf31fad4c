#include "sim/plan/expert_loads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

#include "sim/base/scenario_files.hpp"

namespace trainyard {
namespace {

// More text than a million numbers need.
constexpr std::size_t most_bytes = 32'000'000;
constexpr double largest_load = 1e18;  // tokens of a whole training run; keeps their sum finite

class LoadsText {
 public:
  LoadsText(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::vector<double> loads() {
    skip_blanks();
    const bool array = take('[');
    std::vector<double> loads;
    for (bool after_comma = false;;) {
      skip_blanks();
      const bool ends = array ? peek() == ']' : at_end();
      if (ends && !after_comma) break;
      if (ends || peek() == ',') fail("a number is missing");
      loads.push_back(number());
      if (loads.size() > most_expert_loads) fail(fmt::format("more than {} loads", most_expert_loads));
      skip_blanks();
      after_comma = take(',');
    }
    if (array) take(']');
    skip_blanks();
    if (!at_end()) fail(fmt::format("'{}' after the list", peek()));
    if (loads.empty()) throw InputError({file_, 0, 0}, "no expert loads in it", "one number per routed expert");
    return loads;
  }

 private:
  bool at_end() const { return position_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }
  bool take(char c) {
    if (peek() != c || at_end()) return false;
    ++position_;
    return true;
  }
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  void skip_blanks() {
    while (!at_end() && is_blank(text_[position_])) ++position_;
  }
  double number() {
    const std::size_t end = std::min(text_.find_first_of(" \t\r\n,]", position_), text_.size());
    const std::string_view word = text_.substr(position_, end - position_);
    double load = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), load);
    if (error != std::errc{} || stop != word.data() + word.size() || !std::isfinite(load))
      fail(fmt::format("'{}' is not a finite number", shown(word)));
    if (load < 0 || load > largest_load) fail(fmt::format("load {} is outside 0 to {:g}", word, largest_load));
    position_ = end;
    return load;
  }
  // Binary files end up here as well: nothing unprintable and nothing long goes to the terminal.
  static std::string shown(std::string_view word) {
    std::string text(word.substr(0, 20));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c == 0x7f; }, '?');
    return text;
  }
  [[noreturn]] void fail(std::string message) const {
    const std::string_view before = text_.substr(0, position_);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 = 0
    throw InputError({file_, static_cast<int>(line), static_cast<int>(position_ - line_begin) + 1}, std::move(message),
                     "expert loads are numbers of at least 0, one per routed expert");
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t position_ = 0;
};

std::string text_of_file(const std::string& path) {
  // Opening a pipe that nobody writes to would wait for ever.
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(path, unreadable))
    throw InputError({path, 0, 0}, "cannot read the file", "is it a directory or a pipe?");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError({path, 0, 0}, "cannot open the file");
  std::string text(most_bytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.empty()) throw InputError({path, 0, 0}, "the file is empty", "one number per routed expert");
  if (text.size() > most_bytes)
    throw InputError({path, 0, 0}, fmt::format("the file is larger than {} bytes", most_bytes));
  return text;
}

std::string path_of(const YamlValue& value) {
  const std::string beside = std::filesystem::path(value.where().file).parent_path().string();
  try {
    return scenario_file("", value.as_string(), beside);
  } catch (const InputError& e) {
    if (e.where().line > 0) throw;
    value.fail(fmt::format("{}: there is no file '{}'", value.path(), value.as_string()),
               "a list of numbers, or a file of them such as loads.csv");
  }
}

void require_some_load(const std::vector<double>& loads, const YamlValue& value) {
  if (std::none_of(loads.begin(), loads.end(), [](double load) { return load > 0; }))
    value.fail(fmt::format("{} has no load above 0", value.path()), "one number per routed expert");
}

}  // namespace

std::vector<double> parse_expert_loads(const std::string& text, const std::string& name_in_messages) {
  return LoadsText(text, name_in_messages).loads();
}

std::vector<double> read_expert_loads(const YamlValue& value) {
  std::vector<double> loads;
  if (value.is_sequence()) {
    for (const YamlValue& load : value.as_sequence()) loads.push_back(load.as_number(0, largest_load));
    if (loads.size() > most_expert_loads) value.fail(fmt::format("{} has too many entries", value.path()));
  } else {
    const std::string path = path_of(value);
    loads = parse_expert_loads(text_of_file(path), path);
  }
  require_some_load(loads, value);
  return loads;
}

}  // namespace trainyard
