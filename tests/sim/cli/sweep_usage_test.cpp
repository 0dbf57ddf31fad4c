// What `trainyard sweep` refuses, with which exit code and words.
#include <catch2/catch.hpp>

#include <filesystem>

#include "tests/sim/cli/sweep_process.hpp"

namespace trainyard::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using Words = std::vector<std::string>;

TEST_CASE("nonsense on the command line of sweep is a usage error") {
  const SweepFolder folder;
  check_usage_error({}, "SWEEP is missing");
  check_usage_error({"no-such-sweep"}, "no-such-sweep");
  check_usage_error({folder / "absent.yaml"}, "cannot open");
  check_usage_error({folder.file("empty.yaml", "")}, "empty.yaml");
  check_usage_error({folder.file("binary.yaml", std::string("\0\x01\xff", 3))}, "binary.yaml");
  check_usage_error({"tiny", "extra"}, "too many arguments");
  check_usage_error({"tiny", "--jobs", "0"}, "--jobs must be 1 to");
  check_usage_error({"tiny", "--jobs", "1000000"}, "--jobs must be 1 to");
  check_usage_error({"tiny", "--jobs", "many"}, "many");
  check_usage_error({"tiny", "--top", "0"}, "top");
  check_usage_error({"tiny", "--top", "-3"}, "top");
  check_usage_error({"tiny", "-o", ""}, "--output is empty");
  check_usage_error({"tiny", "--csv", ""}, "--csv is empty");
  check_usage_error({"tiny", "--json", "--csv", "-"}, "standard output");
  check_usage_error({"tiny", "--set", "nonsense"}, "KEY=VALUE");
  check_usage_error({"tiny", "--profile", folder / "absent.yaml"}, "absent.yaml");
  check_usage_error({"tiny", "--quick"}, "--quick");
  const std::string own = folder.file("own.yaml", "model: llama3-8b\n");
  check_usage_error({own, "-o", own}, "overwritten");
  check_usage_error({own, "-o", folder / "a.db", "--csv", folder / "a.db"}, "twice");
}

TEST_CASE("a shard that cannot be is a usage error") {
  const SweepFolder folder;
  for (const char* text : {"2/2", "-1/2", "1", "0/0", "a/b", "1/2/3", "", "0/99999999999999999999"})
    check_usage_error({"tiny", "-o", folder / "r.db", "--shard", text}, "shard");
  check_usage_error({"tiny", "--shard", "0/2"}, "give -o RESULTS.db");
  check_usage_error({"tiny", "--shard", "0/2", "-o", folder / "r.db", "--csv", folder / "r.csv"}, "sweep merge");
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("a table that has no place is refused before the plans are simulated") {
  const SweepFolder folder;
  check_usage_error({"tiny", "-o", folder / "r.db", "--csv", folder / "none/best.csv"}, "no folder");
  CHECK_FALSE(fs::exists(folder / "r.db"));
}

TEST_CASE("stores that are none, or of another sweep, fail with what to do") {
  const SweepFolder folder;
  const std::string text = folder.file("text.db", std::string(5000, 'x'));
  for (const Words& args : {Words{"tiny", "-o", text}, Words{"show", text}, Words{"show", folder / "absent.db"},
                            Words{"tiny", "-o", folder.path()}, Words{"tiny", "-o", folder / "no/such/folder.db"}}) {
    const ProcessResult result = sweep(args);
    INFO(fmt::format("{}: {}", fmt::join(args, " "), result.err));
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, Catch::StartsWith("trainyard sweep: "));
  }
  CHECK(text_of(text) == std::string(5000, 'x'));
  sweep({"tiny", "--top", "1", "-o", folder / "one.db"});
  const ProcessResult other = sweep({"tiny", "--top", "3", "-o", folder / "one.db"});
  CHECK(other.exit_code == 1);
  CHECK_THAT(other.err, Contains("one.db"));
}

TEST_CASE("merge, show and submit refuse nonsense") {
  const SweepFolder folder;
  check_usage_error({"merge"}, "--output is missing");
  check_usage_error({"merge", "-o", folder / "r.db"}, "say which shards");
  check_usage_error({"merge", folder.path(), "-o", folder / "r.db"}, "has no *.shard-I-of-N.db");
  check_usage_error({"merge", folder / "a.db", "-o", folder / "a.db"}, "overwritten");
  check_usage_error({"show"}, "RESULTS.db is missing");
  check_usage_error({"submit", "tiny"}, "--slurm");
  check_usage_error({"submit", "tiny", "--slurm", "--array-size", "0"}, "--array-size must be 1 to");
  check_usage_error({"submit", "no-such-sweep", "--slurm", "--dry-run"}, "no-such-sweep");
  check_usage_error({"submit", "tiny", "--slurm", "--dry-run", "--top", "0"}, "top");
}

TEST_CASE("submit --dry-run prints an array and its merge and submits nothing") {
  const ProcessResult result = sweep({"submit", "tiny", "--slurm", "--array-size", "7", "--dry-run", "--top", "2"});
  INFO(result.err);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Contains("#SBATCH --array=0-6") && Contains("--set=top=2") && Contains("sweep merge"));
}

}  // namespace
}  // namespace trainyard::testing
