#include "analysis/sweep/slurm_script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "analysis/sweep/shard.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

// Before the time limit, so that a task stops in good order: a batch takes at most some seconds.
constexpr int seconds_before_limit = 60;
// A task whose time limit is too short for any batch would otherwise be queued for ever.
constexpr int most_restarts = 100;
// So many files are named one by one; of more, the folder is. (`sweep merge` reads at most 1024 names.)
constexpr int most_named_shards = 1000;

// Set by the scripts or by `sweep submit`.
constexpr std::array<std::string_view, 5> own_options = {"--array", "--dependency", "--kill-on-invalid-dep",
                                                         "--parsable", "--wrap"};
constexpr std::array<std::string_view, 2> own_short_options = {"-a", "-d"};

bool is_own(std::string_view option) {
  const std::string_view name = option.substr(0, option.find_first_of("= \t"));
  return std::find(own_options.begin(), own_options.end(), name) != own_options.end() ||
         std::any_of(own_short_options.begin(), own_short_options.end(),
                     [&](std::string_view own) { return option.starts_with(own); });
}

std::string directives(const std::vector<std::string>& own, const std::vector<std::string>& users) {
  std::string lines = "#!/bin/bash\n";
  for (const auto* options : {&own, &users})  // of two alike the last counts
    for (const std::string& option : *options) lines += fmt::format("#SBATCH {}\n", option);
  return lines;
}

bool says_jobs(const std::string& argument) { return argument.starts_with("--jobs"); }

// Slurm need not bind a task to its cores, so their number is said.
std::string sweep_words(const SlurmSweep& sweep) {
  std::string words;
  if (std::none_of(sweep.sweep_arguments.begin(), sweep.sweep_arguments.end(), says_jobs))
    words += " --jobs=\"${SLURM_CPUS_ON_NODE:-1}\"";
  for (const std::string& argument : sweep.sweep_arguments) words += " " + shell_word(argument);
  return words;
}

// The shard is written out, not `auto`: a task that is submitted again by itself, `sbatch --array=3`, is an array of
// one to Slurm. SIGTERM goes to the script alone (B:), which hands it on and waits; bash returns from `wait` at once
// when a trapped signal comes, so it waits again. A job that is being cancelled is not RUNNING and stays cancelled.
constexpr std::string_view array_body = R"(
# One shard of the sweep per task. Run again, a task goes on where its store ends; to repeat some:
#   sbatch --array=3,7 THIS_FILE
sweep= stopped=
trap 'stopped=yes; [ -z "$sweep" ] || kill -TERM "$sweep" 2>/dev/null' TERM
{binary} sweep {file} \
  --shard="$SLURM_ARRAY_TASK_ID/{count}" -o {output}{words} &
sweep=$!
[ -z "$stopped" ] || kill -TERM "$sweep"
wait "$sweep"; status=$?
while [ -n "$stopped" ]; do
  stopped=
  wait "$sweep"; status=$?
done

# 130, or 143 at the very start: stopped before it was done, by the time limit or to make room. It queues up again.
stopped_early() {{ [ "$status" = 130 ] || [ "$status" = 143 ]; }}
running() {{ scontrol show job -o "$SLURM_JOB_ID" | grep -q 'JobState=RUNNING'; }}
if stopped_early && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {restarts} ] && running; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
)";

std::string named_shards(const SlurmSweep& sweep) {
  if (sweep.array_size > most_named_shards)
    return " " + shell_word(std::filesystem::path(sweep.output).parent_path().string());
  std::string words;
  for (int i = 0; i < sweep.array_size; ++i) {
    const Shard shard{i, sweep.array_size, ""};
    words += " \\\n  " + shell_word(shard_path(sweep.output, shard));
  }
  return words;
}

}  // namespace

void check_sbatch_options(const std::vector<std::string>& options) {
  for (const std::string& option : options) {
    const SourceLocation where{"--sbatch-option", 0, 0};
    if (option.size() < 2 || option.front() != '-')
      throw InputError(where, fmt::format("'{}' is no option", option), "as in --sbatch-option=--partition=cpu");
    if (std::any_of(option.begin(), option.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }))
      throw InputError(where, "an option is one line without control characters");
    if (is_own(option))
      throw InputError(where, fmt::format("'{}' is set by the sweep itself", option),
                       "--dry-run prints scripts that can be edited and submitted by hand");
  }
}

std::string array_script(const SlurmSweep& sweep) {
  const std::vector<std::string> own = {
      "--job-name=trainyard-sweep", fmt::format("--array=0-{}", sweep.array_size - 1),      "--ntasks=1", "--requeue",
      "--open-mode=append",         fmt::format("--signal=B:TERM@{}", seconds_before_limit)};
  return directives(own, sweep.sbatch_options) +
         fmt::format(array_body, fmt::arg("binary", shell_word(sweep.binary)),
                     fmt::arg("file", shell_word(sweep.sweep_file)), fmt::arg("count", sweep.array_size),
                     fmt::arg("output", shell_word(sweep.output)), fmt::arg("words", sweep_words(sweep)),
                     fmt::arg("restarts", most_restarts));
}

std::string merge_script(const SlurmSweep& sweep) {
  const std::vector<std::string> own = {"--job-name=trainyard-merge", "--ntasks=1", "--requeue"};
  return directives(own, sweep.sbatch_options) +
         fmt::format("\n# The answer is this job's output.\nexec {} sweep merge -o {}{}\n", shell_word(sweep.binary),
                     shell_word(sweep.output), named_shards(sweep));
}

std::string shell_word(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

}  // namespace trainyard
