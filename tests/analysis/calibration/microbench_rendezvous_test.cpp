// How the processes of the collectives program find each other, without a GPU and without NCCL.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <thread>

#include "analysis/calibration/microbench/nccl_rendezvous.hpp"

namespace trainyard::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using microbench::ProcessPlace;
using microbench::RendezvousError;

class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name)
      : path_(fs::temp_directory_path() / fmt::format("trainyard_rendezvous_{}_{}", name, getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

ProcessPlace place_in(const std::map<std::string, std::string>& environment) {
  return microbench::read_process_place([&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  });
}

TEST_CASE("a process without a rendezvous is the only one, whatever the batch system says") {
  const ProcessPlace place = place_in({{"SLURM_PROCID", "3"}, {"SLURM_NTASKS", "8"}});
  CHECK(place.rank == 0);
  CHECK(place.world_size == 1);
  CHECK(place.rendezvous.empty());
}

TEST_CASE("rank and size come from our own variables, then Slurm's, then Open MPI's") {
  const std::map<std::string, std::string> slurm = {{"TRAINYARD_RENDEZVOUS", "/shared/id"},
                                                    {"SLURM_PROCID", "3"},
                                                    {"SLURM_NTASKS", "8"},
                                                    {"SLURM_LOCALID", "1"},
                                                    {"SLURM_JOB_ID", "77"},
                                                    {"SLURM_STEP_ID", "2"},
                                                    {"OMPI_COMM_WORLD_RANK", "6"},
                                                    {"OMPI_COMM_WORLD_SIZE", "9"}};
  const ProcessPlace of_slurm = place_in(slurm);
  CHECK(of_slurm.rank == 3);
  CHECK(of_slurm.world_size == 8);
  CHECK(of_slurm.local_rank == 1);
  CHECK(of_slurm.job == "77.2");

  std::map<std::string, std::string> own = slurm;
  own.insert({{"TRAINYARD_RANK", "4"}, {"TRAINYARD_WORLD_SIZE", "5"}, {"TRAINYARD_JOB", "today"}});
  const ProcessPlace of_own = place_in(own);
  CHECK(of_own.rank == 4);
  CHECK(of_own.world_size == 5);
  CHECK_FALSE(of_own.local_rank.has_value());
  CHECK(of_own.job == "today");

  const ProcessPlace of_mpi = place_in({{"TRAINYARD_RENDEZVOUS", "/shared/id"},
                                        {"OMPI_COMM_WORLD_RANK", "6"},
                                        {"OMPI_COMM_WORLD_SIZE", "9"},
                                        {"OMPI_COMM_WORLD_LOCAL_RANK", "2"},
                                        {"PMIX_NAMESPACE", "prterun-5"}});
  CHECK(of_mpi.rank == 6);
  CHECK(of_mpi.local_rank == 2);
  CHECK(of_mpi.job == "prterun-5");
}

TEST_CASE("an environment that cannot be meant is refused") {
  const auto with = [](const std::string& rank, const std::string& size, const std::string& job) {
    return place_in({{"TRAINYARD_RENDEZVOUS", "/shared/id"},
                     {"TRAINYARD_RANK", rank},
                     {"TRAINYARD_WORLD_SIZE", size},
                     {"TRAINYARD_JOB", job}});
  };
  CHECK_NOTHROW(with("1", "2", "a"));
  for (const char* rank : {"2", "-1", "x", "1x", "1.5", "99999999999999999999"})
    CHECK_THROWS_AS(with(rank, "2", "a"), RendezvousError);
  for (const char* size : {"", "0", "-2", "nan", "2000000000"}) CHECK_THROWS_AS(with("0", size, "a"), RendezvousError);
  CHECK_THROWS_WITH(with("1", "2", ""), Contains("TRAINYARD_JOB"));
  CHECK_THROWS_AS(with("1", "2", "two\nlines"), RendezvousError);
  CHECK_THROWS_WITH(place_in({{"TRAINYARD_RANK", "1"}}), Contains("needs TRAINYARD_RENDEZVOUS"));
  CHECK_THROWS_WITH(place_in({{"TRAINYARD_RENDEZVOUS", "/shared/id"}}), Contains("no rank"));
}

// An id with every byte, as long as NCCL's.
std::string any_id() {
  std::string id;
  for (int i = 0; i < 128; ++i) id += static_cast<char>(i * 2 + 1);
  return id;
}

constexpr std::chrono::milliseconds soon{50};
constexpr std::chrono::milliseconds at_last{20'000};

TEST_CASE("the others wait for rank 0's id") {
  const TemporaryFolder shared("rendezvous");
  const ProcessPlace zero{0, 2, {}, shared / "id", "job"};
  const ProcessPlace one{1, 2, {}, shared / "id", "job"};
  std::thread writer([&] {
    std::this_thread::sleep_for(soon);
    microbench::publish_id(zero, any_id());
  });
  CHECK(microbench::await_id(one, 128, at_last) == any_id());
  writer.join();
  // nothing but the file itself stays, and only its owner reads it
  CHECK(std::distance(fs::directory_iterator(fs::path(shared / "id").parent_path()), {}) == 1);
  struct stat state {};
  REQUIRE(stat((shared / "id").c_str(), &state) == 0);
  CHECK((state.st_mode & 0777) == 0600);
}

TEST_CASE("what an earlier run left behind is not taken, and rank 0 replaces it") {
  const TemporaryFolder shared("stale");
  ProcessPlace zero{0, 2, {}, shared / "id", "yesterday"};
  ProcessPlace one{1, 2, {}, shared / "id", "today"};
  microbench::publish_id(zero, std::string(128, 'y'));
  CHECK_THROWS_WITH(microbench::await_id(one, 128, soon), Contains("of another run"));
  zero.job = "today";
  microbench::publish_id(zero, any_id());
  CHECK(microbench::await_id(one, 128, soon) == any_id());
}

TEST_CASE("a rendezvous that cannot succeed says why") {
  const TemporaryFolder shared("failing");
  const ProcessPlace zero{0, 2, {}, shared / "id", "job"};
  const ProcessPlace one{1, 2, {}, shared / "id", "job"};
  CHECK_THROWS_WITH(microbench::await_id(one, 128, soon), Contains("waited") && !Contains("another run"));
  CHECK_THROWS_WITH(microbench::publish_id({0, 2, {}, shared / "no/such/id", "job"}, any_id()),
                    Contains("cannot write") && Contains("No such file"));
  microbench::publish_id(zero, any_id());
  CHECK_THROWS_WITH(microbench::await_id({1, 3, {}, shared / "id", "job"}, 128, soon),
                    Contains("rank 0 counts 2 processes, rank 1 counts 3"));
  CHECK_THROWS_WITH(microbench::await_id(one, 64, soon), Contains("wrong length"));
  std::ofstream(shared / "id") << "trainyard-nccl-rendezvous 1\njob\n2\nzz\n";
  CHECK_THROWS_WITH(microbench::await_id(one, 1, soon), Contains("not hexadecimal"));
  std::ofstream(shared / "id", std::ios::binary) << std::string("\0\xff\x7f", 3);
  CHECK_FALSE(microbench::read_id(one, 128).has_value());
}

}  // namespace
}  // namespace trainyard::testing
