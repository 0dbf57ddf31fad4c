#include <catch2/catch.hpp>

#include "analysis/sweep/slurm_script.hpp"
#include "sim/base/errors.hpp"

namespace trainyard::testing {
namespace {

using Catch::Contains;
using Catch::StartsWith;

const SlurmSweep example = {.binary = "/opt/trainyard",
                            .sweep_file = "/home/me/sweep.yaml",
                            .output = "/scratch/me/results.db",
                            .array_size = 3,
                            .sweep_arguments = {"--set=where=tp*cp <= 8"},
                            .sbatch_options = {"--partition=cpu", "--time=30"}};

TEST_CASE("the array has a task per shard that may be queued again and stops before its time limit") {
  const std::string script = array_script(example);
  CHECK_THAT(script, StartsWith("#!/bin/bash\n#SBATCH "));
  for (const char* line :
       {"#SBATCH --array=0-2\n", "#SBATCH --requeue\n", "#SBATCH --signal=B:TERM@60\n", "#SBATCH --partition=cpu\n",
        "#SBATCH --time=30\n", "--shard=\"$SLURM_ARRAY_TASK_ID/3\"", "'/opt/trainyard' sweep '/home/me/sweep.yaml'",
        "-o '/scratch/me/results.db'", "'--set=where=tp*cp <= 8'"})
    CHECK_THAT(script, Contains(line));
}

TEST_CASE("a user's options come after the script's, so that they count") {
  SlurmSweep sweep = example;
  sweep.sbatch_options = {"--ntasks=2"};
  const std::string script = array_script(sweep);
  CHECK(script.find("--ntasks=1") < script.find("--ntasks=2"));
}

TEST_CASE("a task uses the cores that Slurm gave it unless it is told otherwise") {
  CHECK_THAT(array_script(example), Contains("--jobs=\"${SLURM_CPUS_ON_NODE:-1}\""));
  SlurmSweep sweep = example;
  sweep.sweep_arguments = {"--jobs=4"};
  CHECK_THAT(array_script(sweep), Contains("'--jobs=4'") && !Contains("SLURM_CPUS_ON_NODE"));
}

TEST_CASE("the merge names the shards of this array and no others") {
  const std::string script = merge_script(example);
  CHECK_THAT(script, Contains("exec '/opt/trainyard' sweep merge -o '/scratch/me/results.db' \\\n"
                              "  '/scratch/me/results.shard-0-of-3.db' \\\n"
                              "  '/scratch/me/results.shard-1-of-3.db' \\\n"
                              "  '/scratch/me/results.shard-2-of-3.db'\n"));
  CHECK_THAT(script, Contains("#SBATCH --partition=cpu\n") && !Contains("--array"));
}

TEST_CASE("a merge of very many shards takes the folder") {
  SlurmSweep sweep = example;
  sweep.array_size = 10'000;
  CHECK_THAT(merge_script(sweep), Contains("-o '/scratch/me/results.db' '/scratch/me'\n"));
}

TEST_CASE("any path is one word") {
  CHECK(shell_word("plain") == "'plain'");
  CHECK(shell_word("it's $HOME `x` \"y\"\n\\") == "'it'\\''s $HOME `x` \"y\"\n\\'");
  CHECK(shell_word("") == "''");
  SlurmSweep sweep = example;
  sweep.output = "/tmp/a b'; rm -rf ~; '.db";
  CHECK_THAT(array_script(sweep), Contains("-o '/tmp/a b'\\''; rm -rf ~; '\\''.db'"));
}

TEST_CASE("options that would break out of their line or break the jobs are refused") {
  for (const char* option :
       {"", "-", "partition=cpu", "--comment=a\nrm -rf /", "--comment=\x01", "--array=0-99", "--array", "-a0-3",
        "--dependency=after:1", "-d", "--wrap=x", "--parsable", "--kill-on-invalid-dep=no"}) {
    CAPTURE(option);
    CHECK_THROWS_AS(check_sbatch_options({"--time=30", option}), InputError);
  }
  CHECK_NOTHROW(
      check_sbatch_options({"--partition=cpu", "-A", "--account=physics", "--comment=\"two words\"", "-t 30"}));
}

}  // namespace
}  // namespace trainyard::testing
