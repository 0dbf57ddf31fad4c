// Stragglers of a scenario: read after its number of nodes is known, and part of what a result depends on.
#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>

#include "analysis/inputs_hash.hpp"
#include "sim/base/errors.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

Job job(const std::string& more, const Settings& settings = {}) {
  // Tests run side by side.
  const std::string file = fmt::format("/tmp/trainyard_stragglers_job_test_{}.yaml", getpid());
  std::ofstream(file) << "model: llama3-8b\ncluster: dgx-h100\nnodes: 2\n"
                      << "workload: {sequence_length: 8192, global_batch_size: 8, precision: bf16}\n"
                      << more;
  try {
    Job loaded = load_job(file, settings);
    std::remove(file.c_str());
    return loaded;
  } catch (...) {
    std::remove(file.c_str());
    throw;
  }
}

std::string error(const std::string& more, const Settings& settings = {}) {
  try {
    job(more, settings);
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

const std::string slow = "stragglers: {gpus: [{gpu: 13, speed: 0.8}], jitter: 0.02, seed: 7}\n";

}  // namespace

TEST_CASE("a scenario's stragglers become the cluster's") {
  const Stragglers s = job(slow).cluster.stragglers;
  CHECK(s.gpus == std::vector<SlowGpu>{{13, 0.8}});
  CHECK(s.jitter == 0.02);
  CHECK(s.seed == 7);
  CHECK_FALSE(job("").cluster.stragglers.any());
  CHECK(job("", {{"stragglers.gpus", "[{gpu: 13, speed: 0.8}]"}}).cluster.stragglers.gpus == s.gpus);
  CHECK(job(slow, {{"stragglers.jitter", "0.1"}}).cluster.stragglers.jitter == 0.1);
}

TEST_CASE("a scenario's stragglers must be among its nodes") {
  CHECK_THAT(error("stragglers: {gpus: [{gpu: 16, speed: 0.8}]}\n"),
             Contains(".yaml:5:27: stragglers.gpus[0].gpu is 16, outside 0 to 15"));
  CHECK_THAT(error(slow, {{"nodes", "1"}}), Contains("stragglers.gpus[0].gpu is 13, outside 0 to 7"));
  CHECK_THAT(error("", {{"stragglers.gpu", "[]"}}), Contains("unknown key 'gpu' in stragglers (did you mean 'gpus'?)"));
  CHECK_THAT(error("stragglers: 3\n"), Contains(".yaml:5:13: stragglers must be a mapping"));
}

TEST_CASE("the hash of the inputs knows stragglers, and is that of a healthy cluster without them") {
  const std::string healthy = inputs_hash(job(""));
  CHECK(inputs_hash(job("stragglers: {}\n")) == healthy);
  const std::string first = inputs_hash(job(slow));
  CHECK(first != healthy);
  for (const Settings& change :
       {Settings{{"stragglers.gpus", "[{gpu: 12, speed: 0.8}]"}},
        Settings{{"stragglers.gpus", "[{gpu: 13, speed: 0.9}]"}}, Settings{{"stragglers.jitter", "0.03"}},
        Settings{{"stragglers.seed", "8"}}, Settings{{"stragglers.links", "[{node: 0, nic: 0, bandwidth: 0.5}]"}}})
    CHECK(inputs_hash(job(slow, change)) != first);
  CHECK(inputs_hash(job("", {{"stragglers.links", "[{gpu: 0, nvlink: 0.5}]"}})) !=
        inputs_hash(job("", {{"stragglers.links", "[{gpu: 0, pcie: 0.5}]"}})));
}
