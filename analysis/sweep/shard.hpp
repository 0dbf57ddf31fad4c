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

// "3/8" (zero based), or "auto": Slurm array, srun, Open MPI, PMI (MPICH, Intel MPI), in this order, each combined with
// an outer array; a lone process where none is set. Throws InputError for anything else, also of the environment.
Shard shard_from(const std::string& text, const Environment& environment);

// Batches are dealt in turn.
inline bool owns(const Shard& shard, std::int64_t batch) { return batch % shard.count == shard.index; }

// "results.db" -> "results.shard-3-of-8.db"; the path itself where there is one shard.
std::string shard_path(const std::string& results, const Shard& shard);

}  // namespace trainyard
