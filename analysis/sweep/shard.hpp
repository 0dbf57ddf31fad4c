// Which part of a sweep this process does: `--shard I/N`, or what the launcher's environment says.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace trainyard {

struct Shard {
  int index = 0;
  int count = 1;
  std::string origin = "";  // "--shard", "SLURM_ARRAY_TASK_ID" …
  friend bool operator==(const Shard&, const Shard&) = default;
};

using Environment = std::function<std::optional<std::string>(const char* name)>;

// "3/8" (zero based), or "auto": what started the process nearest to it, Open MPI (OMPI_COMM_WORLD_RANK, _SIZE), PMI
// (MPICH, Intel MPI: PMI_RANK, PMI_SIZE) or srun (SLURM_PROCID, SLURM_STEP_NUM_TASKS), as a part of the Slurm array
// task around it (SLURM_ARRAY_TASK_ID, _MIN, _MAX, _STEP, _COUNT); a lone process where none is set. Throws InputError
// for anything else, and names the variable where the environment is half set or contradicts itself.
//
// mpirun goes before srun because it starts its processes through srun, and because a batch script that calls it has
// the SLURM_PROCID of its own lone process.
Shard shard_from(const std::string& text, const Environment& environment);

// Batches are dealt in turn.
inline bool owns(const Shard& shard, std::int64_t batch) { return batch % shard.count == shard.index; }

// "results.db" -> "results.shard-3-of-8.db"; the path itself where there is one shard.
std::string shard_path(const std::string& results, const Shard& shard);

}  // namespace trainyard
