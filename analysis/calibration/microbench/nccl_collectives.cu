// nccl_collectives: collective communication with NCCL: all_reduce, all_gather, reduce_scatter, alltoall, broadcast and
// sendrecv over all visible GPUs of this process, or over several processes and nodes (README.md: how they find each
// other without MPI).
//
// Output: the text table of nccl-tests, same columns and "#" lines. "size" is the larger of what a rank sends and
// receives; "algbw" is size / time; "busbw" is algbw times a factor of the collective and of the number of ranks, which
// makes it comparable with the rate of the slowest link; "#wrong" counts wrong elements over all ranks. As in
// nccl-tests the time is the host's, averaged over the ranks, of a row of calls divided by their number: for small
// messages it is the latency that a framework sees.
#include <cuda_runtime.h>
#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "nccl_bench.hpp"
#include "nccl_communicator.hpp"
#include "nccl_data.hpp"
#include "nccl_rendezvous.hpp"
#include "nccl_setup.hpp"
#include "nccl_table.hpp"
#include "nccl_watchdog.hpp"
#include "support/check.hpp"
#include "support/device.hpp"
#include "support/options.hpp"

namespace {

using namespace microbench;

constexpr const char* kProgram = "nccl_collectives";

void print_header(Collective collective, const Settings& settings, const Environment& environment,
                  const std::vector<std::string>& devices) {
  std::printf("# trainyard microbench %s\n# collective: %s\n# device: %s\n", kProgram,
              collective_name(collective).c_str(), environment.device.c_str());
  if (environment.nvml.driver) std::printf("# driver: %s\n", environment.nvml.driver->c_str());
  if (environment.nccl) std::printf("# nccl: %s\n", environment.nccl->c_str());
  std::printf("# date: %s\n%s\n#\n# Using devices\n", environment.date.c_str(), settings_line(settings.table).c_str());
  for (const std::string& line : devices) std::printf("%s\n", line.c_str());
  std::printf("%s", table_header().c_str());
}

Environment nccl_environment(int device) {
  Environment environment = read_environment(device, kProgram);
  int version = 0;
  CHECK_NCCL(ncclGetVersion(&version));
  environment.nccl = library_version_text(version);
  return environment;
}

Options read_options(int argc, char** argv) {
  return Options(
      argc, argv,
      "Times NCCL's collectives over all visible GPUs and prints nccl-tests' table. Several processes or nodes: set\n"
      "TRAINYARD_RENDEZVOUS to a file that all can see, TRAINYARD_JOB to a word new for each run, and start one "
      "process\n"
      "per GPU with srun, mpirun, or with TRAINYARD_RANK and TRAINYARD_WORLD_SIZE set.\n\n"
      "example: nccl_collectives -t all_reduce,all_gather -b 1M -e 1G",
      {{"t", "all_reduce,all_gather,reduce_scatter,alltoall,broadcast,sendrecv", "collectives"},
       {"b", "8", "smallest message in bytes (K, M, G)"},
       {"e", "1G", "largest message (--quick: 64M)"},
       {"f", "2", "factor from one size to the next"},
       {"n", "20", "timed calls of each size (--quick: 5)"},
       {"w", "5", "calls before them (--quick: 2)"},
       {"c", "1", "1: check the results, 0: do not"},
       {"d", "float", "data type, as nccl-tests names it"},
       {"o", "sum", "sum, prod, min or max"},
       {"g", "0", "GPUs of each process; 0: all visible for a single process, 1 for several"},
       {"timeout", "300", "seconds that one size may take before the run is given up"},
       {"wait", "60", "seconds to wait for rank 0's file"}});
}

std::vector<std::string> names_of_types() {
  std::vector<std::string> names;
  for (const NcclType& entry : kNcclTypes) names.emplace_back(entry.name);
  return names;
}

std::vector<Collective> read_collectives(const Options& options) {
  std::vector<std::string> names;
  for (const CollectiveName& entry : kCollectives) names.emplace_back(entry.name);
  std::vector<Collective> collectives;
  for (const std::string& word : options.get_words("t", names)) collectives.push_back(*find_collective(word));
  return collectives;
}

Settings read_settings(const Options& options) {
  constexpr int64_t kLargest = int64_t{1} << 40;
  const bool quick = options.flag("quick");
  if (options.given("device")) Options::refuse("device", "set CUDA_VISIBLE_DEVICES instead");
  const auto count = [&](const char* name, int64_t least, int quick_value) {
    const int value = static_cast<int>(options.get_int(name, least, 1'000'000));
    return quick && !options.given(name) ? quick_value : value;
  };
  Settings settings;
  settings.collectives = read_collectives(options);
  settings.table.smallest = static_cast<size_t>(options.get_bytes("b", 1, kLargest));
  settings.table.largest = static_cast<size_t>(options.get_bytes("e", 1, kLargest));
  if (quick && !options.given("e")) settings.table.largest = std::max(settings.table.smallest, size_t{64} << 20);
  if (settings.table.largest < settings.table.smallest) Options::refuse("e", "is less than -b");
  settings.table.factor = static_cast<int>(options.get_int("f", 2, 1 << 20));
  settings.table.iterations = count("n", 1, 5);
  settings.table.warm_up = count("w", 0, 2);
  settings.table.check = options.get_int("c", 0, 1) == 1;
  settings.table.gpus_per_process = static_cast<int>(options.get_int("g", 0, 1024));
  settings.type = find_nccl_type(options.get_string("d", names_of_types()));
  settings.operation = options.get_string("o", {"sum", "prod", "min", "max"});
  settings.timeout_s = static_cast<unsigned>(options.get_int("timeout", 1, 86400));
  return settings;
}

// The exit code: 1 where a result was wrong or could not be written.
int measure_all(Communicators& communicators, Settings& settings, const Watchdog& watchdog) {
  const bool print = communicators.local().front().rank == 0;
  watchdog.expect("list of devices");
  const std::vector<std::string> devices = gather_device_lines(communicators);
  const Environment environment = nccl_environment(communicators.local().front().device);
  settings.table.largest = largest_message(communicators, settings.table.largest, print);
  if (settings.table.largest < settings.table.smallest) communicators.fail("memory", "not even the smallest size fits");
  Bench bench(communicators, settings, watchdog);
  int64_t wrong = 0;
  for (const Collective collective : settings.collectives) {
    if (print) print_header(collective, settings, environment, devices);
    wrong += bench.table(collective, print);
  }
  watchdog.expect("the end");
  communicators.barrier();
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (!written) std::fprintf(stderr, "%s: cannot write the results\n", kProgram);
  if (wrong > 0 && print) std::fprintf(stderr, "%lld wrong elements\n", static_cast<long long>(wrong));
  return wrong > 0 || !written ? 1 : 0;
}

// A launcher that started several processes meant them to meet.
void warn_if_alone_among_many() {
  for (const char* name : {"SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE"})
    if (const std::string count = process_environment(name); !count.empty() && count != "1")
      std::fprintf(stderr, "%s: %s is %s, but TRAINYARD_RENDEZVOUS is not set: this process measures alone\n", kProgram,
                   name, count.c_str());
}

int run(const Options& options) {
  Settings settings = read_settings(options);
  const std::chrono::seconds wait(options.get_int("wait", 1, 86400));
  const int visible = visible_devices();
  const ProcessPlace place = read_process_place();
  const bool alone = place.rendezvous.empty();
  if (alone) warn_if_alone_among_many();
  int& gpus = settings.table.gpus_per_process;
  if (gpus == 0) gpus = alone ? visible : 1;
  const std::vector<int> devices = own_devices(place, gpus, visible);
  const ncclUniqueId id = agree_on_id(place, wait);
  const Watchdog watchdog(settings.timeout_s);
  Communicators communicators(devices, place.rank * gpus, place.world_size * gpus, id, watchdog);
  communicators.barrier();  // everyone has read the file
  if (!alone && place.rank == 0) unlink(place.rendezvous.c_str());
  return measure_all(communicators, settings, watchdog);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = read_options(argc, argv);
  try {
    return run(options);
  } catch (const RendezvousError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
