// `trainyard sweep merge` and `trainyard sweep show`: answers from stores that were written before.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <ostream>

#include "analysis/sweep/run_sweep.hpp"
#include "analysis/version.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/output_files.hpp"
#include "sim/cli/sweep_command.hpp"
#include "sim/cli/sweep_input.hpp"
#include "sim/cli/sweep_output.hpp"
#include "sim/cli/sweep_shard_files.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

constexpr int most_files = 1024;
constexpr int unfinished_exit_code = 1;

// Words without a dash are read one by one.
std::string file_option(int i) { return fmt::format("FILE {}", i + 1); }

CommandSyntax merge_syntax() {
  CommandSyntax s(
      "sweep merge FOLDER|FILE... -o RESULTS.db [options]",
      "Joins the stores of all shards of a sweep and prints the answer: the same, byte for byte, as that of\n"
      "one process. Of a FOLDER every *.shard-I-of-N.db is taken.",
      "trainyard sweep merge . -o results.db\n"
      "trainyard sweep merge results.shard-*-of-4.db -o results.db --json");
  for (int i = 0; i < most_files; ++i) s.positional(file_option(i), false);
  s.option()("output,o", po::value<std::string>()->value_name("RESULTS.db"), "the store of the whole sweep");
  add_answer_options(s);
  return s;
}

CommandSyntax show_syntax() {
  CommandSyntax s(
      "sweep show RESULTS.db [options]",
      "Prints the answer that a finished sweep left in its store. Exit code 1 says that it is not finished.",
      "trainyard sweep show results.db --csv best.csv");
  s.positional("RESULTS.db", true);
  add_answer_options(s);
  return s;
}

std::vector<std::string> stores_of(const po::variables_map& given, const std::string& output) {
  std::vector<std::string> files;
  for (int i = 0; i < most_files && given.count(file_option(i)) != 0; ++i) {
    const std::string word = given[file_option(i)].as<std::string>();
    if (!fs::is_directory(word)) {
      files.push_back(word);
      continue;
    }
    const std::vector<std::string> inside = shard_files(word, output);
    files.insert(files.end(), inside.begin(), inside.end());
  }
  if (files.empty()) throw po::error("say which shards: a folder or their files");
  return files;
}

// The sweep as it was run; the files it names may have changed since.
Sweep sweep_of(const StoreIdentity& identity) {
  if (identity.version != version())
    throw StoreError(
        fmt::format("the sweep was run by trainyard {}, this is {}: merge with that one", identity.version, version()));
  std::optional<std::string> profile;
  if (!identity.profile_file.empty()) profile = identity.profile_file;
  Sweep sweep = load_sweep_text(identity.sweep_text, identity.sweep_file, profile);
  const SweepRun run{.prune = pruned(identity), .shard = {}};
  if (store_identity(sweep, run, profile).sweep_hash != identity.sweep_hash)
    throw StoreError(fmt::format(
        "files that {} reads have changed since the sweep was run: restore them, or sweep again", identity.sweep_file));
  return sweep;
}

std::string answer_of(const std::string& path) {
  const StoreIdentity identity = ResultStore::read(path).identity();
  const Sweep sweep = sweep_of(identity);
  const Routes routes(sweep.job.cluster);
  ResultStore store = ResultStore::open(path, identity);
  const std::string answer = answer_json(make_answer(sweep, routes, store));
  store.set_answer(answer);
  return answer;
}

int report_unfinished(const std::string& path, const ResultStore& store, std::ostream& err) {
  const StoreIdentity identity = store.identity();
  const ResultStore::Finished done = store.finished();
  err << fmt::format("{}: {} of {} batches are done, {} plans simulated", path, done.batches, done.of, store.plans());
  if (identity.shards > 1 && done.batches == done.of)
    err << fmt::format("; shard {} of {}: `trainyard sweep merge` joins them all\n", identity.shard, identity.shards);
  else
    err << "; the command that began it goes on from there\n";
  return unfinished_exit_code;
}

}  // namespace

int sweep_merge(const std::vector<std::string>& args, std::ostream& out, std::ostream&) {
  const std::optional<po::variables_map> given = merge_syntax().parse(args, out);
  if (!given) return 0;
  const AnswerOutput output = answer_output(*given);
  const std::optional<std::string> path = output_of(*given);
  if (!path) throw po::error("--output is missing");
  const std::vector<std::string> shards = stores_of(*given, *path);
  std::vector<std::string> written = output.files();
  written.push_back(*path);
  require_separate_files(shards, written);
  merge_stores(shards, *path);
  const std::string answer = answer_of(*path);
  return print_answer(answer, ResultStore::read(*path), output, std::nullopt, out);
}

int sweep_show(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  const std::optional<po::variables_map> given = show_syntax().parse(args, out);
  if (!given) return 0;
  const AnswerOutput output = answer_output(*given);
  const std::string path = (*given)["RESULTS.db"].as<std::string>();
  require_separate_files({path}, output.files());
  const ResultStore store = ResultStore::read(path);
  const std::optional<std::string> answer = store.answer();
  return answer ? print_answer(*answer, store, output, std::nullopt, out) : report_unfinished(path, store, err);
}

}  // namespace trainyard
