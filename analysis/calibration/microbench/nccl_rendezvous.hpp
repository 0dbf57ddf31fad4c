// How several processes, perhaps on several nodes, agree on one NCCL id without MPI: rank 0 writes it to a file that
// all of them can see, the others wait for it. Host code only.
//
// Environment:
//   TRAINYARD_RENDEZVOUS  path of that file, on a file system that every process shares
//   TRAINYARD_RANK, TRAINYARD_WORLD_SIZE   else SLURM_PROCID, SLURM_NTASKS, else OMPI_COMM_WORLD_RANK,
//   OMPI_COMM_WORLD_SIZE TRAINYARD_LOCAL_RANK  the process's number on its node; else SLURM_LOCALID, else
//   OMPI_COMM_WORLD_LOCAL_RANK TRAINYARD_JOB         a word that is new for each run, the same for all processes; else
//   SLURM_JOB_ID and SLURM_STEP_ID,
//                         else PMIX_NAMESPACE: a file that an earlier run left behind carries another word and is not
//                         taken
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

namespace microbench {

// Of the environment or of the file; its text says what to do.
struct RendezvousError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Which of how many processes this one is.
struct ProcessPlace {
  int rank = 0;
  int world_size = 1;
  std::optional<int> local_rank;  // unknown where nothing says it
  std::string rendezvous;         // empty: the only process
  std::string job;
};

// Value of an environment variable, empty if it is not set.
using Environ = std::function<std::string(const char* name)>;

inline std::string process_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

namespace detail {

inline int parse_count(const char* name, const std::string& text, int least, int most) {
  char* end = nullptr;
  errno = 0;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (errno != 0 || end == text.c_str() || *end != '\0' || value < least || value > most)
    throw RendezvousError(std::string(name) + " is '" + text + "', not a whole number from " + std::to_string(least) +
                          " to " + std::to_string(most));
  return static_cast<int>(value);
}

struct RankNames {
  const char* rank;
  const char* world_size;
  const char* local_rank;
};

// The first launcher whose rank is set.
inline RankNames rank_names(const Environ& environment) {
  constexpr RankNames kLaunchers[] = {{"TRAINYARD_RANK", "TRAINYARD_WORLD_SIZE", "TRAINYARD_LOCAL_RANK"},
                                      {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"},
                                      {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"}};
  for (const RankNames& names : kLaunchers)
    if (!environment(names.rank).empty()) return names;
  throw RendezvousError(
      "TRAINYARD_RENDEZVOUS is set, but no rank: set TRAINYARD_RANK and TRAINYARD_WORLD_SIZE, or start with srun or "
      "mpirun");
}

inline std::string job_token(const Environ& environment) {
  if (!environment("TRAINYARD_JOB").empty()) return environment("TRAINYARD_JOB");
  if (!environment("SLURM_JOB_ID").empty()) return environment("SLURM_JOB_ID") + "." + environment("SLURM_STEP_ID");
  return environment("PMIX_NAMESPACE");
}

// Every process writes the token on one line of the file.
inline void check_job_token(const std::string& job) {
  if (job.empty())
    throw RendezvousError(
        "set TRAINYARD_JOB to a word that is new for each run and the same for all processes (such as $(date +%s), "
        "taken "
        "once): it tells this run's rendezvous file from an older one");
  if (job.find_first_of("\r\n") != std::string::npos) throw RendezvousError("TRAINYARD_JOB must be a single line");
}

inline bool write_all(int file, const std::string& text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t step = ::write(file, text.data() + written, text.size() - written);
    if (step < 0 && errno == EINTR) continue;
    if (step <= 0) return false;
    written += static_cast<std::size_t>(step);
  }
  return true;
}

constexpr const char* kFirstLine = "trainyard-nccl-rendezvous 1";

inline std::string rendezvous_text(const ProcessPlace& place, const std::string& id) {
  static const char* const kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : id) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return std::string(kFirstLine) + "\n" + place.job + "\n" + std::to_string(place.world_size) + "\n" + hex + "\n";
}

inline int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

inline std::string from_hex(const std::string& hex, std::size_t bytes) {
  if (hex.size() != 2 * bytes) throw RendezvousError("the id in the rendezvous file has a wrong length");
  std::string id;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_digit(hex[i]);
    const int low = hex_digit(hex[i + 1]);
    if (high < 0 || low < 0) throw RendezvousError("the id in the rendezvous file is not hexadecimal");
    id += static_cast<char>(high * 16 + low);
  }
  return id;
}

}  // namespace detail

// Without TRAINYARD_RENDEZVOUS this is the only process, whatever a batch system says of its tasks (a Slurm batch
// script sees SLURM_NTASKS of tasks that it has not started).
inline ProcessPlace read_process_place(const Environ& environment = process_environment) {
  constexpr int kMostProcesses = 1 << 20;
  ProcessPlace place;
  place.rendezvous = environment("TRAINYARD_RENDEZVOUS");
  if (place.rendezvous.empty()) {
    if (!environment("TRAINYARD_RANK").empty() || !environment("TRAINYARD_WORLD_SIZE").empty())
      throw RendezvousError("TRAINYARD_RANK needs TRAINYARD_RENDEZVOUS, a file that all processes can see");
    return place;
  }
  const detail::RankNames names = detail::rank_names(environment);
  place.world_size = detail::parse_count(names.world_size, environment(names.world_size), 1, kMostProcesses);
  place.rank = detail::parse_count(names.rank, environment(names.rank), 0, place.world_size - 1);
  const std::string local = environment(names.local_rank);
  if (!local.empty()) place.local_rank = detail::parse_count(names.local_rank, local, 0, place.world_size - 1);
  place.job = detail::job_token(environment);
  detail::check_job_token(place.job);
  return place;
}

// Rank 0: removes what an earlier run left and puts the id there in one step, so that nobody reads half a file.
inline void publish_id(const ProcessPlace& place, const std::string& id) {
  ::unlink(place.rendezvous.c_str());
  const std::string temporary = place.rendezvous + ".tmp." + std::to_string(::getpid());
  ::unlink(temporary.c_str());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) throw RendezvousError("cannot write " + temporary + ": " + std::strerror(errno));
  const bool complete = detail::write_all(file, detail::rendezvous_text(place, id)) && ::fsync(file) == 0;
  const bool closed = ::close(file) == 0;
  if (complete && closed && ::rename(temporary.c_str(), place.rendezvous.c_str()) == 0) return;
  const std::string reason = std::strerror(errno);
  ::unlink(temporary.c_str());
  throw RendezvousError("cannot write " + place.rendezvous + ": " + reason);
}

// The id in the file as it is now; nothing where there is no file or one of another run.
inline std::optional<std::string> read_id(const ProcessPlace& place, std::size_t bytes) {
  std::ifstream file(place.rendezvous);
  std::string first;
  std::string job;
  std::string world_size;
  std::string hex;
  if (!std::getline(file, first) || !std::getline(file, job) || !std::getline(file, world_size) ||
      !std::getline(file, hex))
    return std::nullopt;
  if (first != detail::kFirstLine || job != place.job) return std::nullopt;
  if (world_size != std::to_string(place.world_size))
    throw RendezvousError("rank 0 counts " + world_size + " processes, rank " + std::to_string(place.rank) +
                          " counts " + std::to_string(place.world_size));
  return detail::from_hex(hex, bytes);
}

// The other ranks: waits for the file of this run.
inline std::string await_id(const ProcessPlace& place, std::size_t bytes, std::chrono::milliseconds timeout) {
  constexpr std::chrono::milliseconds kPoll{20};
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    if (const std::optional<std::string> id = read_id(place, bytes)) return *id;
    if (std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(kPoll);
  }
  const bool stale = ::access(place.rendezvous.c_str(), F_OK) == 0;
  throw RendezvousError("rank " + std::to_string(place.rank) + " waited " + std::to_string(timeout.count() / 1000) +
                        " s for rank 0 to write " + place.rendezvous +
                        (stale ? "; what lies there is of another run (job '" + place.job + "' expected)" : ""));
}

}  // namespace microbench
