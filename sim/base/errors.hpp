// The one error a user can fix. Caught once, in main: printed as "file:line:column: message (hint)", exit code 2.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace trainyard {

// Where in the user's input; line and column count from 1, 0 = unknown.
struct SourceLocation {
  std::string file;
  int line = 0;
  int column = 0;
  friend bool operator==(const SourceLocation&, const SourceLocation&) = default;
};
std::string to_text(const SourceLocation& where);  // "plan.yaml:2:1", "plan.yaml" without a line

class InputError : public std::runtime_error {
 public:
  InputError(SourceLocation where, std::string message, std::string hint = {});
  const SourceLocation& where() const { return where_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }

 private:
  SourceLocation where_;
  std::string message_;
  std::string hint_;
};

// The closest of `known` to a mistyped `word` as "did you mean 'x'?", or empty if none is close.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace trainyard
