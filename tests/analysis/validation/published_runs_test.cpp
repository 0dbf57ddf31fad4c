// The shipped tables: every row is read, and becomes a job or a named reason.
#include <catch2/catch.hpp>

#include <map>

#include "analysis/validation/row_to_job.hpp"
#include "analysis/validation/run_table.hpp"
#include "analysis/validation/shipped_presets.hpp"

using namespace trainyard;

namespace {

const std::string published = std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/published/";

}  // namespace

TEST_CASE("the shipped training runs are read, group by group") {
  std::map<std::string, int> rows;
  int oom = 0, timed = 0;
  for (const PublishedRun& run : read_runs(published + "training_runs.csv")) {
    ++rows[run.split_group];
    oom += run.outcome == Outcome::oom;
    timed += run.measured_step_time().has_value();
  }
  CHECK(rows == std::map<std::string, int>{{"aleph_alpha", 173},
                                           {"dgxc_h100", 280},
                                           {"frontier_papers", 6},
                                           {"korthikanti", 9},
                                           {"mcore_h100", 9},
                                           {"megatron_sc21", 22},
                                           {"mpt_fsdp", 216},
                                           {"nemo_2407", 44},
                                           {"nemo_longseq", 17},
                                           {"simumax_b200", 43},
                                           {"vtrain_multi", 109},
                                           {"vtrain_single", 1440},
                                           {"zero_bubble", 83}});
  CHECK(oom == 83);
  // all but the 83 OOM rows, 9 mcore_h100, 17 nemo_longseq and 3 frontier_papers rows, which publish FLOP/s only
  CHECK(timed == 2451 - 83 - 29);
}

TEST_CASE("every shipped row becomes a job, but for two whose table contradicts itself") {
  const MappingRules rules = shipped_mapping_rules();
  const Presets presets = shipped_presets();
  std::map<std::string, std::string> skipped;
  for (const char* table : {"training_runs.csv", "memory_runs.csv"})
    for (const PublishedRun& run : read_runs(published + table)) {
      const auto result = job_of(run, rules, presets);
      const Skipped* reason = std::get_if<Skipped>(&result);
      // A stack without a profile is the profiles' matter, not the mapping's.
      if (reason && !reason->reason.starts_with("no profile for ")) skipped[run.id] = reason->reason;
    }
  CHECK(skipped ==
        std::map<std::string, std::string>{{"nls-0011", "global batch 8 is smaller than micro-batch 1 x dp 16"},
                                           {"nls-0013", "global batch 4 is smaller than micro-batch 1 x dp 16"}});
}
