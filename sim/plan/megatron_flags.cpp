#include "sim/plan/megatron_flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>

#include "sim/plan/megatron_flag_tables.hpp"

namespace trainyard {
namespace {

bool is_flag(std::string_view word) { return word.size() > 2 && word.starts_with("--"); }

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<int> positive_int(std::string_view text) {
  const std::optional<std::int64_t> number = whole_number(text);
  if (!number || *number < 1 || *number > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(*number);
}

// Where the launcher's own words end: after the training script or `-m module`; 0 if the command is bare flags.
std::optional<std::size_t> end_of_launcher(const ShellCommand& command) {
  for (std::size_t i = 0; i < command.size(); ++i) {
    if (command[i].text.ends_with(".py")) return i + 1;
    // torch.distributed.* modules are launchers themselves: their script follows.
    if (command[i].text == "-m" && i + 1 < command.size() && !command[i + 1].text.starts_with("torch.distributed"))
      return i + 2;
  }
  if (!command.empty() && is_flag(command.front().text)) return 0;
  return std::nullopt;
}

// The flag that every training command has and no other does.
bool trains(const ShellCommand& command) {
  return std::any_of(command.begin(), command.end(), [](const ShellWord& word) {
    return word.text == "--num-layers" || word.text.starts_with("--num-layers=");
  });
}

// A fragment without a command: the flags held by its variables.
ShellCommand flags_of_variables(const ShellScript& script) {
  ShellCommand flags;
  for (const std::string& variable : script.assigned) {
    ShellCommand words;
    for (const ShellWord& value : script.variables.at(variable)) {
      std::istringstream blanks(value.text);
      for (std::string text; blanks >> text;) words.push_back({text, value.line});
    }
    if (std::none_of(words.begin(), words.end(), [](const ShellWord& word) { return is_flag(word.text); })) continue;
    flags.insert(flags.end(), words.begin(), words.end());
  }
  return flags;
}

}  // namespace

MegatronFlags::MegatronFlags(const std::string& script, const std::string& name_in_messages)
    : script_(read_shell_script(script, name_in_messages)) {
  std::vector<const ShellCommand*> training;
  for (const ShellCommand& command : script_.commands)
    if (end_of_launcher(command) && trains(command)) training.push_back(&command);
  if (training.size() > 1)
    throw InputError(at(training[1]->front().line),
                     fmt::format("a second training command; the first is at line {}", training[0]->front().line),
                     "import one at a time");
  ShellCommand command = training.empty() ? flags_of_variables(script_) : *training.front();
  if (training.empty() && !trains(command))
    throw InputError(at(0), "no Megatron-LM training command found",
                     "expected torchrun … pretrain_gpt.py --num-layers …, or the flags alone");
  const std::size_t flags_begin = end_of_launcher(command).value_or(0);
  read_launcher(command, flags_begin > 0 ? flags_begin : command.size());
  read_flags(command, flags_begin);
  for (const auto& [flag, value] : flags_)
    if (const std::string_view replacement = replacement_of(flag); !replacement.empty())
      throw InputError(at(value.line), fmt::format("{} is no longer a Megatron-LM argument", flag),
                       fmt::format("use {}", replacement));
}

void MegatronFlags::read_launcher(const ShellCommand& command, std::size_t end) {
  for (std::size_t i = 0; i < end; ++i) {
    std::string key = command[i].text, text = i + 1 < end ? command[i + 1].text : "";
    if (const std::size_t equals = key.find('='); equals != std::string::npos && key.starts_with('-')) {
      text = key.substr(equals + 1);
      key.resize(equals);
    }
    std::replace(key.begin(), key.end(), '_', '-');
    std::optional<int>* target = nullptr;
    if (key == "--nnodes" || key == "--nodes" || key == "-N") target = &nodes_;
    if (key == "--nproc-per-node" || key == "--ntasks-per-node" || key == "--gpus-per-node") target = &gpus_per_node_;
    if (key == "--ntasks" || key == "-n") target = &tasks_;
    if (key == "--node-rank" || key == "--master-addr" || key == "--master-port" || target)
      asked_.push_back(command[i].text.substr(0, command[i].text.find('=')));
    if (!target) continue;
    // srun's one task per node launches a torchrun that starts the ranks; the launcher closest to the script counts.
    *target = positive_int(text);
    launcher_is_certain_ = launcher_is_certain_ && target->has_value();
    if (!*target) remarks_.push_back(fmt::format("{} {}", key, script_.shown(text)));
  }
}

void MegatronFlags::read_flags(const ShellCommand& command, std::size_t begin) {
  std::string name;
  Flag* current = nullptr;
  for (std::size_t i = begin; i < command.size(); ++i) {
    const ShellWord& word = command[i];
    if (is_flag(word.text)) {
      const std::size_t equals = word.text.find('=');
      name = word.text.substr(0, equals);
      Flag flag{{}, word.line, i};
      if (equals != std::string::npos) flag.values.push_back({word.text.substr(equals + 1), word.line});
      current = &flags_.insert_or_assign(name, std::move(flag)).first->second;
      continue;
    }
    const bool takes_more =
        current && !is_irrelevant_switch(name) && (current->values.empty() || name.ends_with("data-path"));
    const ShellScript::Unknown* unknown = script_.unknown_in(word.text);
    if (takes_more || (current && !unknown && !is_irrelevant_switch(name)))
      current->values.push_back(word);
    else if (unknown && unknown->source != "$@" && unknown->source != "$*")
      throw InputError(at(word.line), fmt::format("{}, and may hold any argument", unknown->reason),
                       "assign it in the script, or paste the expanded command");
    else
      remarks_.push_back(script_.shown(word.text));
  }
}

std::optional<int> MegatronFlags::world_size() const {
  std::optional<int> world;
  if (!launcher_is_certain_) return world;
  if (nodes_ && gpus_per_node_) {
    const std::int64_t product = static_cast<std::int64_t>(*nodes_) * *gpus_per_node_;
    if (product <= std::numeric_limits<int>::max()) world = static_cast<int>(product);
  } else if (gpus_per_node_ && !tasks_) {
    world = gpus_per_node_;  // torchrun's --nnodes defaults to 1
  } else if (tasks_) {
    world = tasks_;
  }
  if (world) return world;
  const auto said = script_.variables.find("WORLD_SIZE");
  if (said == script_.variables.end() || said->second.empty()) return std::nullopt;
  return positive_int(said->second.front().text);
}

void MegatronFlags::fail(std::string_view flag, std::string message, std::string hint) const {
  const auto found = flags_.find(flag);
  throw InputError(at(found == flags_.end() ? 0 : found->second.line), std::move(message), std::move(hint));
}

const ShellWord* MegatronFlags::value_of(std::string_view flag) {
  asked_.emplace_back(flag);
  const auto found = flags_.find(flag);
  if (found == flags_.end()) return nullptr;
  const std::vector<ShellWord>& values = found->second.values;
  if (values.empty()) fail(flag, fmt::format("{} needs a value", flag));
  if (values.size() > 1) fail(flag, fmt::format("{} takes one value, but {} are given", flag, values.size()));
  require_known(flag, values.front());
  return &values.front();
}

void MegatronFlags::require_known(std::string_view flag, const ShellWord& value) const {
  if (const ShellScript::Unknown* unknown = script_.unknown_in(value.text))
    throw InputError(script_.where(value), fmt::format("{}: {}", flag, unknown->reason),
                     "assign it in the script, or paste the expanded command");
}

bool MegatronFlags::given(std::string_view flag) {
  asked_.emplace_back(flag);
  const auto found = flags_.find(flag);
  if (found == flags_.end()) return false;
  if (!found->second.values.empty())
    fail(flag, fmt::format("{} takes no value, but has '{}'", flag, script_.shown(found->second.values.front().text)));
  return true;
}

std::optional<std::int64_t> MegatronFlags::integer(std::string_view flag, std::int64_t low, std::int64_t high) {
  const ShellWord* value = value_of(flag);
  if (!value) return std::nullopt;
  const std::optional<std::int64_t> number = whole_number(value->text);
  if (!number) fail(flag, fmt::format("{} must be a whole number, not '{}'", flag, value->text));
  if (*number < low || *number > high) fail(flag, fmt::format("{} is {}, outside {} to {}", flag, *number, low, high));
  return number;
}

std::optional<double> MegatronFlags::number(std::string_view flag) {
  const ShellWord* value = value_of(flag);
  if (!value) return std::nullopt;
  double number = 0;
  const char* const last = value->text.data() + value->text.size();
  const auto [end, error] = std::from_chars(value->text.data(), last, number);
  if (error != std::errc{} || end != last || !std::isfinite(number) || number < 0)
    fail(flag, fmt::format("{} must be a number of at least 0, not '{}'", flag, value->text));
  return number;
}

std::optional<std::string> MegatronFlags::word(std::string_view flag) {
  const ShellWord* value = value_of(flag);
  return value ? std::optional(value->text) : std::nullopt;
}

std::optional<std::vector<std::string>> MegatronFlags::words(std::string_view flag) {
  asked_.emplace_back(flag);
  const auto found = flags_.find(flag);
  if (found == flags_.end()) return std::nullopt;
  if (found->second.values.empty()) fail(flag, fmt::format("{} needs a value", flag));
  std::vector<std::string> texts;
  for (const ShellWord& value : found->second.values) {
    require_known(flag, value);
    texts.push_back(value.text);
  }
  return texts;
}

std::optional<std::string> MegatronFlags::choice(std::string_view flag, const std::vector<std::string>& choices) {
  const std::optional<std::string> text = word(flag);
  if (text && std::find(choices.begin(), choices.end(), *text) == choices.end())
    fail(flag, fmt::format("{} cannot be '{}'", flag, *text), fmt::format("one of {}", fmt::join(choices, ", ")));
  return text;
}

std::int64_t MegatronFlags::required_integer(std::string_view flag, std::int64_t low, std::int64_t high) {
  const std::optional<std::int64_t> number = integer(flag, low, high);
  if (!number) throw InputError(at(0), fmt::format("the command has no {}", flag), "Megatron-LM requires it");
  return *number;
}

std::vector<std::string> MegatronFlags::leftovers() const {
  std::vector<std::pair<std::size_t, std::string>> ordered;
  for (const auto& [flag, value] : flags_) {
    if (std::find(asked_.begin(), asked_.end(), flag) != asked_.end() || is_irrelevant_switch(flag) ||
        is_irrelevant_setting(flag))
      continue;
    std::string text = flag;
    for (const ShellWord& word : value.values) text += fmt::format(" {}", script_.shown(word.text));
    ordered.emplace_back(value.position, std::move(text));
  }
  std::sort(ordered.begin(), ordered.end());
  std::vector<std::string> left;
  for (auto& [position, text] : ordered) left.push_back(std::move(text));
  left.insert(left.end(), remarks_.begin(), remarks_.end());
  return left;
}

}  // namespace trainyard
