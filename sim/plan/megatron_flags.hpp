// The flags of one Megatron-LM command line, found in a launch script. Like YamlMapping, every flag must be asked for:
// what is left over is either known not to touch performance, or reported.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/plan/shell_script.hpp"

namespace trainyard {

class MegatronFlags {
 public:
  // Reads the one training command of the script (torchrun … pretrain_gpt.py --…, python -m …, or bare flags); a
  // fragment with assignments only is taken as the flags its variables hold. InputError if there is no such command or
  // more than one, for flags that Megatron-LM no longer has (the hint names the replacement), and for words whose
  // value only running the script could tell, where a flag is expected.
  MegatronFlags(const std::string& script, const std::string& name_in_messages);

  // nullopt if the flag is absent; InputError if its value is missing, not of that kind or unknown. A flag given twice
  // has the value given last, as in argparse.
  bool given(std::string_view flag);  // a switch: takes no value
  std::optional<std::int64_t> integer(std::string_view flag, std::int64_t low, std::int64_t high);
  std::optional<double> number(std::string_view flag);  // finite and not negative
  std::optional<std::string> word(std::string_view flag);
  std::optional<std::vector<std::string>> words(std::string_view flag);  // one or more values
  std::optional<std::string> choice(std::string_view flag, const std::vector<std::string>& choices);
  std::int64_t required_integer(std::string_view flag, std::int64_t low, std::int64_t high);
  [[noreturn]] void fail(std::string_view flag, std::string message, std::string hint = {}) const;

  // Of the launcher (torchrun, srun) or the script's WORLD_SIZE; nullopt where it is not said.
  std::optional<int> nodes() const { return nodes_; }
  std::optional<int> gpus_per_node() const { return gpus_per_node_; }
  std::optional<int> world_size() const;

  // Flags nobody asked for that might matter, as written: "--attention-backend fused", sorted by first appearance.
  std::vector<std::string> leftovers() const;

 private:
  struct Flag {
    std::vector<ShellWord> values;
    int line = 0;
    std::size_t position = 0;  // order of appearance
  };
  const ShellWord* value_of(std::string_view flag);
  void require_known(std::string_view flag, const ShellWord& value) const;
  void read_launcher(const ShellCommand& command, std::size_t end);
  void read_flags(const ShellCommand& command, std::size_t begin);
  SourceLocation at(int line) const { return {script_.file, line, 0}; }

  ShellScript script_;
  std::map<std::string, Flag, std::less<>> flags_;
  std::vector<std::string> asked_;
  std::vector<std::string> remarks_;  // leftovers that are no flags
  std::optional<int> nodes_;
  std::optional<int> gpus_per_node_;
  std::optional<int> tasks_;
  bool launcher_is_certain_ = true;  // false if it is given a number that only running the script could tell
};

}  // namespace trainyard
