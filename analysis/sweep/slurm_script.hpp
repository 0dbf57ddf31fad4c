// A sweep as two Slurm jobs: an array with a shard per task, and one that merges the shards when all are done. The
// tasks and the merge need the same folder: results lie on a file system that all nodes see, a file per shard.
#pragma once

#include <string>
#include <vector>

namespace trainyard {

struct SlurmSweep {
  std::string binary;                        // of trainyard, absolute
  std::string sweep_file;                    // absolute
  std::string output;                        // of the merged results, absolute: "…/results.db"
  int array_size = 1;                        // tasks; one alone needs no merge
  std::vector<std::string> sweep_arguments;  // of `trainyard sweep` beside the file, --shard and -o
  std::vector<std::string> sbatch_options;   // as they stand after #SBATCH: "--partition=cpu"
};

// InputError for an option that would break out of its line or that the scripts need for themselves.
void check_sbatch_options(const std::vector<std::string>& options);

// What sbatch is given. Any path is safe in them: spaces, quotes, newlines.
std::string array_script(const SlurmSweep& sweep);
std::string merge_script(const SlurmSweep& sweep);

// One word of a POSIX shell.
std::string shell_word(const std::string& text);

}  // namespace trainyard
