// $((…)) of launch scripts: integers with + - * / % and parentheses.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace trainyard {

// Value of a name, nullopt where the script does not say.
using ShellNumberOf = std::function<std::optional<std::int64_t>(std::string_view name)>;

// nullopt for a name without a value, an operator not listed above, overflow or division by zero.
std::optional<std::int64_t> shell_arithmetic(std::string_view expression, const ShellNumberOf& number_of);

}  // namespace trainyard
