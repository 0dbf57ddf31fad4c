#include "sim/plan/shell_arithmetic.hpp"

#include <cctype>
#include <charconv>

namespace trainyard {
namespace {

using Number = std::optional<std::int64_t>;

class Evaluator {
 public:
  Evaluator(std::string_view text, const ShellNumberOf& number_of) : rest_(text), number_of_(number_of) {}

  Number evaluate() {
    const Number value = sum();
    skip_blanks();
    return rest_.empty() ? value : std::nullopt;
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front()))) rest_.remove_prefix(1);
  }

  // The next character if it is one of `wanted`, consumed; else 0.
  char take(std::string_view wanted) {
    skip_blanks();
    if (rest_.empty() || wanted.find(rest_.front()) == std::string_view::npos) return 0;
    const char taken = rest_.front();
    rest_.remove_prefix(1);
    return taken;
  }

  static Number apply(char operation, Number left, Number right) {
    if (!left || !right) return std::nullopt;
    std::int64_t result = 0;
    bool failed = false;
    switch (operation) {
      case '+':
        failed = __builtin_add_overflow(*left, *right, &result);
        break;
      case '-':
        failed = __builtin_sub_overflow(*left, *right, &result);
        break;
      case '*':
        failed = __builtin_mul_overflow(*left, *right, &result);
        break;
      // -1 would overflow for the smallest number; no launch script divides by it.
      case '/':
        failed = *right == 0 || *right == -1;
        if (!failed) result = *left / *right;
        break;
      case '%':
        failed = *right == 0 || *right == -1;
        if (!failed) result = *left % *right;
        break;
      default:
        failed = true;
    }
    return failed ? std::nullopt : Number(result);
  }

  Number sum() {
    Number value = factor_product();
    while (const char operation = take("+-")) value = apply(operation, value, factor_product());
    return value;
  }

  Number factor_product() {
    Number value = factor();
    while (const char operation = take("*/%")) value = apply(operation, value, factor());
    return value;
  }

  Number factor() {
    if (++depth_ > 100) return std::nullopt;
    Number value;
    if (take("(")) {
      value = sum();
      if (!take(")")) value.reset();
    } else if (take("-")) {
      value = apply('-', 0, factor());
    } else {
      value = operand();
    }
    --depth_;
    return value;
  }

  Number operand() {
    skip_blanks();
    std::size_t length = 0;
    while (length < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[length])) || rest_[length] == '_'))
      ++length;
    const std::string_view word = rest_.substr(0, length);
    rest_.remove_prefix(length);
    if (word.empty()) return std::nullopt;
    if (!std::isdigit(static_cast<unsigned char>(word.front()))) return number_of_(word);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return value;
  }

  std::string_view rest_;
  const ShellNumberOf& number_of_;
  int depth_ = 0;
};

}  // namespace

Number shell_arithmetic(std::string_view expression, const ShellNumberOf& number_of) {
  return Evaluator(expression, number_of).evaluate();
}

}  // namespace trainyard
