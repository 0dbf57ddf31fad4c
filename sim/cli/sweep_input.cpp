#include "sim/cli/sweep_input.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "sim/base/scenario_files.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

constexpr int most_jobs = 1024;

// Cores that this process may use: what taskset, Slurm or a container left it.
int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = 0;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  if (cores < 1) cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(cores, 1, most_jobs);
}

}  // namespace

void add_sweep_options(CommandSyntax& syntax) {
  syntax.positional("SWEEP", true);
  syntax.option()  //
      ("output,o", po::value<std::string>()->value_name("RESULTS.db"),
       "keep the results: the same command goes on where it was interrupted")                           //
      ("jobs", po::value<int>()->value_name("N"), "threads; else every core that the process may use")  //
      ("top", po::value<int>()->value_name("K"), "best plans to list, instead of what the sweep says")  //
      ("no-prune", "simulate also plans that provably cannot be among the best")                        //
      ("set", po::value<std::vector<std::string>>()->composing()->value_name("KEY=VALUE"),
       "replace a value of the sweep, e.g. space.tp=[4,8]; may be repeated")  //
      ("profile", po::value<std::string>()->value_name("FILE"), "a profile that replaces the calibrated constants");
}

std::optional<std::string> output_of(const po::variables_map& given) {
  std::optional<std::string> output = text_of(given, "output");
  if (output && output->empty()) throw po::error("--output is empty");
  return output;
}

SweepChoice sweep_choice(const po::variables_map& given) {
  SweepChoice choice;
  choice.overrides = overrides_of(given, "set");
  if (given.count("top") != 0) choice.overrides.emplace_back("top", fmt::format("{}", given["top"].as<int>()));
  choice.jobs_given = given.count("jobs") != 0;
  choice.jobs = choice.jobs_given ? given["jobs"].as<int>() : available_cores();
  if (choice.jobs < 1 || choice.jobs > most_jobs) throw po::error(fmt::format("--jobs must be 1 to {}", most_jobs));
  choice.prune = given.count("no-prune") == 0;
  choice.file = fs::absolute(scenario_file("sweeps", given["SWEEP"].as<std::string>())).string();
  if (const std::optional<std::string> profile = text_of(given, "profile"))
    choice.profile = fs::absolute(*profile).string();
  return choice;
}

Sweep load_sweep(const SweepChoice& choice) { return load_sweep(choice.file, choice.overrides, choice.profile); }

}  // namespace trainyard
