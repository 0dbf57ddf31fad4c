#include "sim/cli/sweep_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <system_error>

#include "analysis/sweep/run_sweep.hpp"
#include "sim/base/output_files.hpp"
#include "sim/cli/stop_signal.hpp"
#include "sim/cli/sweep_input.hpp"
#include "sim/cli/sweep_output.hpp"
#include "sim/cli/sweep_progress.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

CommandSyntax syntax() {
  CommandSyntax s(
      "sweep SWEEP [-o RESULTS.db] [options]\n"
      "       trainyard sweep merge | show | submit, each with --help",
      "Predicts every plan and placement of a model on a cluster: the best, the Pareto front of step time against\n"
      "memory, and what decides. SWEEP is a name or a YAML file. Exit code 3 says that no plan is feasible and fits,\n"
      "130 that it was interrupted; what was finished is kept in RESULTS.db.",
      "trainyard sweep gpt3-175b-64xa100 -o results.db\n"
      "trainyard sweep my-sweep.yaml --set space.tp=[4,8] --set 'where=tp*cp <= 8' --top 20 --csv best.csv\n"
      "srun --ntasks 16 trainyard sweep my-sweep.yaml -o results.db --shard auto");
  add_sweep_options(s);
  add_answer_options(s);
  s.option()("shard", po::value<std::string>()->value_name("I/N|auto"),
             "do one of N parts (the first is 0), or the one that Slurm or MPI gave this process, and keep it beside "
             "RESULTS.db for `sweep merge`")("quiet", "no progress on standard error");
  return s;
}

struct RunOptions {
  SweepChoice choice;
  std::optional<std::string> output;
  AnswerOutput answer;
  Shard shard;
  bool quiet = false;
};

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

RunOptions run_options(const po::variables_map& given) {
  RunOptions options;
  options.answer = answer_output(given);
  options.output = output_of(given);
  options.quiet = given.count("quiet") != 0;
  if (const std::optional<std::string> shard = text_of(given, "shard")) options.shard = shard_from(*shard, environment);
  if (options.shard.count > 1 && !options.output)
    throw po::error("a shard is of no use without a store: give -o RESULTS.db, the same to every shard");
  if (options.shard.count > 1 && (options.answer.csv || options.answer.report))
    throw po::error("a shard has no answer to write: give --csv and --report to `trainyard sweep merge`");
  options.choice = sweep_choice(given);
  std::vector<std::string> written = options.answer.files();
  if (options.output) written.push_back(*options.output);
  require_separate_files({options.choice.file}, written);
  return options;
}

// Where results go that nobody asked to keep.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_((fs::temp_directory_path() / "trainyard-sweep-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr)
      throw StoreError(fmt::format("cannot make a folder for temporary results in {} (set TMPDIR, or give -o)",
                                   fs::temp_directory_path().string()));
  }
  ~TemporaryFolder() {
    std::error_code none;
    fs::remove_all(path_, none);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const char* name) const { return (fs::path(path_) / name).string(); }

 private:
  std::string path_;
};

// One run of a sweep or a shard, from the open store to what is printed.
class SweepCall {
 public:
  SweepCall(const RunOptions& options, std::ostream& out, std::ostream& err)
      : options_(options), out_(out), err_(err), sweep_(load_sweep(options.choice)) {
    if (!options.output) temporary_.emplace();
    path_ = options.output ? shard_path(*options.output, options.shard) : temporary_->file("results.db");
    run_.threads = options.choice.jobs;
    run_.prune = options.choice.prune;
    run_.shard = options.shard;
  }

  int operator()() {
    ResultStore store = ResultStore::open(path_, store_identity(sweep_, run_, options_.choice.profile));
    const bool shard = options_.shard.count > 1;
    if (const std::optional<std::string> known = store.answer(); known && !shard) return print(*known, store);
    const Routes routes(sweep_.job.cluster);
    ProgressDisplay display(err_, progress_kind(err_, options_.quiet), progress_style(err_));
    if (!run_batches(routes, store, display)) return report_interrupt(store);
    if (shard) return report_shard(store);
    display.show("simulating the best plans again in more detail");
    const std::optional<SweepAnswer> answer = make_answer(sweep_, routes, store, stop_.flag());
    display.clear();
    if (!answer) return report_interrupt(store);
    const std::string text = answer_json(*answer);
    store.set_answer(text);
    return print(text, store);
  }

 private:
  bool run_batches(const Routes& routes, ResultStore& store, ProgressDisplay& display) {
    run_.stop = &stop_.flag();
    run_.progress = [&](const SweepProgress& now) {
      plans_ = now.plans - now.excluded;
      display.show(now);
    };
    display.show("looking for good plans to measure the others against");
    const bool finished = run_sweep(sweep_, routes, run_, store);
    display.clear();
    return finished;
  }

  int report_interrupt(const ResultStore& store) const {
    const ResultStore::Finished done = store.finished();
    const std::string kept = options_.output
                                 ? fmt::format("{} of {} batches are in {}; the same command goes on from there",
                                               done.batches, done.of, path_)
                                 : std::string("nothing was kept; -o RESULTS.db keeps what is finished");
    err_ << fmt::format("trainyard sweep: interrupted; {}\n", kept);
    return interrupted_exit_code;
  }

  int report_shard(const ResultStore& store) const {
    const SweepCounts counts = store.counts();
    const RunFigures run = figures();
    if (options_.answer.json) {
      const nlohmann::ordered_json status = {
          {"shard", options_.shard.index},       {"shards", options_.shard.count}, {"store", path_},
          {"enumerated", counts.total()},        {"evaluated", counts.evaluated},  {"wall_time_s", run.wall_time.value},
          {"plans_per_s", plans_per_second(run)}};
      out_ << status.dump(2) << '\n';
    } else {
      out_ << fmt::format("shard {} of {} is done: {} plans, {} simulated, in {}\n", options_.shard.index,
                          options_.shard.count, counts.total(), counts.evaluated, path_);
      out_ << fmt::format("when all are: trainyard sweep merge {} -o {}\n", fs::absolute(path_).parent_path().string(),
                          *options_.output);
    }
    return 0;
  }

  RunFigures figures() const {
    return {.wall_time = Seconds(std::chrono::duration<double>(Clock::now() - start_).count()), .plans = plans_};
  }
  int print(const std::string& answer, const ResultStore& store) const {
    return print_answer(answer, store, options_.answer, figures(), out_);
  }

  const RunOptions& options_;
  std::ostream& out_;
  std::ostream& err_;
  Clock::time_point start_ = Clock::now();
  StopSignal stop_;
  Sweep sweep_;
  SweepRun run_;
  std::optional<TemporaryFolder> temporary_;
  std::string path_;  // of the store
  std::int64_t plans_ = 0;
};

}  // namespace

int sweep_run(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  const std::optional<po::variables_map> given = syntax().parse(args, out);
  if (!given) return 0;
  const RunOptions options = run_options(*given);
  return SweepCall(options, out, err)();
}

}  // namespace trainyard
