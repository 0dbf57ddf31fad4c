// A world in which step times follow from two constants, to test what is learnt about them.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "analysis/adaptation/adaptation_rows.hpp"
#include "tests/analysis/validation/fake_presets.hpp"

namespace trainyard::adaptation_test {

inline constexpr double derate_spread = 0.3;

// Profiles whose only adaptable constants are the device's training_derate and the network's collective_efficiency.
inline Presets two_constant_presets() {
  Presets presets = validation_test::fake_presets();
  presets.profile = [](const std::string& device, const std::string& network,
                       const std::string& stack) -> std::optional<Profile> {
    Profile profile;
    profile.device.name = device;
    profile.device.training_derate = 1.0;
    profile.device.provenance = {{"training_derate", "1.0", "made up", 1, {}, derate_spread, 0, device}};
    profile.network.name = network;
    profile.network.collective_efficiency = 0.5;
    profile.network.provenance = {{"collective_efficiency", "0.5", "made up", 1, {}, derate_spread, 0, network}};
    profile.stack.name = stack;
    profile.stack.attention = AttentionKernel::flash3;
    profile.stack.step_time_p10 = 0.9;
    profile.stack.step_time_p90 = 1.1;
    return profile;
  };
  return presets;
}

// Compute of 1 s per 64 sequences, communication of 0.1 s per pipeline stage.
inline double seconds_of(const Job& job) {
  return job.plan.global_batch_size / 64.0 / job.profile.device.training_derate +
         0.05 * job.plan.pipeline_parallel / job.profile.network.collective_efficiency;
}

inline std::variant<Prediction, Skipped> two_constant_prediction(const Job& job) {
  return Prediction{.step_time = Seconds(seconds_of(job)), .peak_memory = 1_GiB};
}

// Runs of one source, measured where the derate is `derate` and everything takes `factor` times as long.
inline std::vector<PublishedRun> runs_of(const std::string& group, const std::string& source, double derate,
                                         double factor, int count = 6) {
  std::vector<PublishedRun> runs;
  for (int i = 0; i < count; ++i) {
    PublishedRun run = validation_test::complete_run();
    run.id = group + std::to_string(i);
    run.split_group = group;
    run.source = source;
    run.tier = "A";
    run.global_batch = 64 * (i + 1);
    const auto mapped = validation_test::mapped(run);
    Job job = mapped.job;
    job.profile = *two_constant_presets().profile("d", "n", "s");
    job.profile.device.training_derate = derate;
    run.step_time = Seconds(factor * seconds_of(job));
    runs.push_back(run);
  }
  return runs;
}

inline AdaptationProblem problem_of(const std::vector<std::vector<PublishedRun>>& sources) {
  std::vector<PublishedRun> all;
  for (const std::vector<PublishedRun>& runs : sources) all.insert(all.end(), runs.begin(), runs.end());
  return adaptation_problem(all, shipped_mapping_rules(), two_constant_presets());
}

}  // namespace trainyard::adaptation_test
