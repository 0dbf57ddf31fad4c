#include <fmt/format.h>

#include <filesystem>
#include <ostream>

#include "sim/cli/sweep_command.hpp"
#include "sim/cli/sweep_input.hpp"
#include "sim/cli/sweep_submit.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

constexpr int default_array_size = 16;

CommandSyntax syntax() {
  CommandSyntax s(
      "sweep submit SWEEP --slurm [--array-size N] [options]",
      "Writes a Slurm job array with one shard of the sweep per task, and a job that merges them when all are\n"
      "done, and submits both. A task that is requeued or killed goes on where it was.",
      "trainyard sweep submit gpt3-175b-64xa100 --slurm --array-size 32 -o results.db --dry-run\n"
      "trainyard sweep submit my-sweep.yaml --slurm --sbatch-option=--partition=cpu --sbatch-option=--time=30");
  add_sweep_options(s);
  s.option()                                                                                                         //
      ("slurm", "submit to Slurm; the only batch system so far")                                                     //
      ("array-size", po::value<int>()->default_value(default_array_size)->value_name("N"), "tasks, one shard each")  //
      ("sbatch-option", po::value<std::vector<std::string>>()->composing()->value_name("OPTION"),
       "for both jobs, as in --sbatch-option=--account=physics; may be repeated")  //
      ("dry-run", "print the scripts and submit nothing");
  return s;
}

// What every task is called with beside the sweep, its shard and its store.
std::vector<std::string> task_arguments(const SweepChoice& choice) {
  std::vector<std::string> words;
  for (const auto& [key, value] : choice.overrides) words.push_back(fmt::format("--set={}={}", key, value));
  if (choice.profile) words.push_back("--profile=" + *choice.profile);
  if (choice.jobs_given) words.push_back(fmt::format("--jobs={}", choice.jobs));
  if (!choice.prune) words.emplace_back("--no-prune");
  return words;
}

}  // namespace

int sweep_submit(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  const std::optional<po::variables_map> given = syntax().parse(args, out);
  if (!given) return 0;
  if (given->count("slurm") == 0) throw po::error("say where to submit: --slurm");
  const SweepChoice choice = sweep_choice(*given);
  SubmitRequest request;
  request.array_size = (*given)["array-size"].as<int>();
  if (request.array_size < 1 || request.array_size > largest_sweep_array)
    throw po::error(fmt::format("--array-size must be 1 to {}", largest_sweep_array));
  load_sweep(choice);  // what is wrong with it is said here and not by every task
  request.sweep_file = choice.file;
  request.output = fs::absolute(output_of(*given).value_or(fs::path(choice.file).stem().string() + ".db")).string();
  request.binary = fs::read_symlink("/proc/self/exe").string();
  request.sweep_arguments = task_arguments(choice);
  if (given->count("sbatch-option") != 0)
    request.sbatch_options = (*given)["sbatch-option"].as<std::vector<std::string>>();
  request.dry_run = given->count("dry-run") != 0;
  return submit_sweep(request, out, err);
}

}  // namespace trainyard
