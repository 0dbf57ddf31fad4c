#include "analysis/trace/kineto_trace.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "analysis/trace/kineto_events.hpp"
#include "analysis/trace/kineto_head_json.hpp"
#include "analysis/trace/trace_file.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view tail = "\n  ]\n}\n";

void make_folder(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error || !fs::is_directory(directory, error))
    throw InputError({directory, 0, 0},
                     fmt::format("no folder can be made here{}{}", error ? ": " : "", error.message()),
                     "--trace-kineto takes a folder, for one file per rank");
}

// What the files of all ranks share.
class KinetoTraces {
 public:
  KinetoTraces(const Job& job, const SimulatedStep& step)
      : job_(job), step_(step), groups_(job, step), memory_(memory_curves(step.program, step.timeline, job.profile)) {}

  void write(const ShownRank& rank, int steps, const TextSink& sink) const {
    const int device = device_of(rank.rank);
    sink(kineto_head(job_, step_, {rank.rank, device, groups_.used(rank.rank, rank.kind)}));
    const StageMemoryCurve* memory = rank.kind < memory_.size() ? &memory_[rank.kind] : nullptr;
    write_kineto_events({&job_, &step_, &groups_, rank, device, memory}, steps, sink);
    sink(tail);
  }

 private:
  int device_of(RankId rank) const {
    if (rank.index() >= step_.layout.device.size()) return 0;
    return job_.cluster.local_index(step_.layout.device[rank.index()]);
  }

  const Job& job_;
  const SimulatedStep& step_;
  ProcessGroups groups_;
  std::vector<StageMemoryCurve> memory_;  // [kind]
};

}  // namespace

void write_kineto_traces(const std::string& directory, const Job& job, const SimulatedStep& step,
                         const std::vector<ShownRank>& ranks, int steps) {
  make_folder(directory);
  const KinetoTraces traces(job, step);
  for (const ShownRank& rank : ranks) {
    const fs::path file = fs::path(directory) / fmt::format("rank-{}.json.gz", rank.rank.value);
    write_trace_file(file.string(), true, [&](const TextSink& sink) { traces.write(rank, steps, sink); });
  }
}

void write_kineto_trace(std::ostream& out, const Job& job, const SimulatedStep& step, const ShownRank& rank,
                        int steps) {
  KinetoTraces(job, step).write(rank, steps, [&](std::string_view text) { out << text; });
}

}  // namespace trainyard
