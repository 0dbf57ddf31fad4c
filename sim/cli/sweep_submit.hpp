// Submits a sweep to Slurm: a job array and the job that merges its shards.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace trainyard {

inline constexpr int largest_sweep_array = 10'000;  // Slurm's own limit is its MaxArraySize, 1001 unless it is set

struct SubmitRequest {
  std::string sweep_file;  // absolute, as are the next two
  std::string output;      // of the merged results; the scripts are kept beside it
  std::string binary;      // of trainyard
  int array_size = 16;
  std::vector<std::string> sweep_arguments;  // of `trainyard sweep`, beside the file, --shard and -o
  std::vector<std::string> sbatch_options;   // "--partition=cpu": for both jobs
  bool dry_run = false;                      // only print the scripts
};

// Returns the exit code: 1 if the scripts cannot be written or sbatch is missing or refuses. Throws InputError.
int submit_sweep(const SubmitRequest& request, std::ostream& out, std::ostream& err);

}  // namespace trainyard
