#include "analysis/sweep/shard.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <string_view>

#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

constexpr std::int64_t most_shards = 1'000'000;

// Slurm numbers its own steps (batch, extern, interactive …) from the top: slurm.h, SLURM_MAX_NORMAL_STEP_ID.
constexpr std::int64_t largest_step = 0xfffffff0;

[[noreturn]] void refuse(const std::string& where, const std::string& what, const std::string& hint) {
  throw InputError({where, 0, 0}, what, hint);
}

constexpr const char* give_shard = "give --shard I/N";

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// The number in a variable; nothing where it is not set.
std::optional<std::int64_t> number_in(const Environment& environment, const char* name) {
  const std::optional<std::string> text = environment(name);
  if (!text) return std::nullopt;
  const std::optional<std::int64_t> value = whole_number(*text);
  if (!value) refuse(name, fmt::format("'{}' is no whole number of zero or more", *text), give_shard);
  return value;
}

Shard checked(std::int64_t index, std::int64_t count, const std::string& origin) {
  if (count < 1 || count > most_shards)
    refuse(origin, fmt::format("{} shards are none, or more than {}", count, most_shards), give_shard);
  if (index >= count) refuse(origin, fmt::format("{} is none of {} shards", index, count), "the first is 0");
  return {.index = static_cast<int>(index), .count = static_cast<int>(count), .origin = origin};
}

Shard shard_in_words(const std::string& text) {
  const std::size_t slash = text.find('/');
  std::optional<std::int64_t> index, count;
  if (slash != std::string::npos) {
    index = whole_number(std::string_view(text).substr(0, slash));
    count = whole_number(std::string_view(text).substr(slash + 1));
  }
  if (!index || !count) refuse("--shard", fmt::format("'{}' is no shard", text), "0/4 is the first of four, or auto");
  return checked(*index, *count, "--shard");
}

// A rank and the number of ranks, in two variables.
std::optional<Shard> rank_in(const Environment& environment, const char* rank, const char* size) {
  const std::optional<std::int64_t> index = number_in(environment, rank);
  const std::optional<std::int64_t> count = number_in(environment, size);
  if (!index && !count) return std::nullopt;
  if (!index || !count)
    refuse(index ? size : rank, fmt::format("is not set, but {} is", index ? rank : size), give_shard);
  return checked(*index, *count, rank);
}

// Only a process that srun started has a place among others: the batch script has SLURM_PROCID=0 and the SLURM_NTASKS
// of the whole job, but no step, or one of Slurm's own.
std::optional<Shard> srun_task(const Environment& environment) {
  const std::optional<std::int64_t> step = number_in(environment, "SLURM_STEP_ID");
  if (!step || *step > largest_step) return std::nullopt;
  const bool of_step = environment("SLURM_STEP_NUM_TASKS").has_value();
  return rank_in(environment, "SLURM_PROCID", of_step ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS");
}

// --array=1-9:2 has the tasks 1, 3, 5, 7, 9. Slurm gives the count since 17.02; before, and as a check, from the ends.
std::optional<Shard> array_task(const Environment& environment) {
  constexpr const char* id_name = "SLURM_ARRAY_TASK_ID";
  const auto id = number_in(environment, id_name), count = number_in(environment, "SLURM_ARRAY_TASK_COUNT");
  const auto max = number_in(environment, "SLURM_ARRAY_TASK_MAX");
  const auto min = number_in(environment, "SLURM_ARRAY_TASK_MIN");
  const std::int64_t step = number_in(environment, "SLURM_ARRAY_TASK_STEP").value_or(1);
  if (!id && !count && !max) return std::nullopt;
  constexpr const char* use_range = "submit with --array=0-N, or give --shard I/N";
  if (!id) refuse(id_name, "is not set, but the job is an array", give_shard);
  if (!min) refuse("SLURM_ARRAY_TASK_MIN", fmt::format("is not set, but {} is", id_name), give_shard);
  if (!count && !max) refuse("SLURM_ARRAY_TASK_COUNT", fmt::format("is not set, but {} is", id_name), give_shard);
  if (step < 1 || *id < *min || (max && *max < *min))
    refuse(id_name, fmt::format("{} is no task of an array from {} in steps of {}", *id, *min, step), use_range);
  const std::int64_t tasks = max ? (*max - *min) / step + 1 : *count;
  if ((count && tasks != *count) || (*id - *min) % step != 0)
    refuse(id_name, "the array's tasks are not evenly numbered", use_range);
  return checked((*id - *min) / step, tasks, id_name);
}

std::optional<Shard> nearest_rank(const Environment& environment) {
  if (auto rank = rank_in(environment, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")) return rank;
  if (auto rank = rank_in(environment, "PMI_RANK", "PMI_SIZE")) return rank;
  return srun_task(environment);
}

}  // namespace

Shard shard_from(const std::string& text, const Environment& environment) {
  if (text != "auto") return shard_in_words(text);
  const std::optional<Shard> rank = nearest_rank(environment);
  const std::optional<Shard> array = array_task(environment);
  if (!rank || !array) return rank ? *rank : array.value_or(Shard{});
  return checked(std::int64_t{array->index} * rank->count + rank->index, std::int64_t{array->count} * rank->count,
                 array->origin + " and " + rank->origin);
}

std::string shard_path(const std::string& results, const Shard& shard) {
  if (shard.count == 1) return results;
  const std::filesystem::path path(results);
  const std::string name =
      fmt::format("{}.shard-{}-of-{}{}", path.stem().string(), shard.index, shard.count, path.extension().string());
  return (path.parent_path() / name).string();
}

}  // namespace trainyard
