#include "analysis/job/job_report.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/analysis/job/published_jobs.hpp"

namespace trainyard {
namespace {

using Catch::Contains;
using nlohmann::json;

const JobHeading heading{"llama3-405b-16k", "llama3-405b", "meta-h100", {"one NIC is far from its GPU"}};

JobRequest request() {
  JobRequest r;
  r.step = testing::llama3_405b();
  r.reliability = load_reliability("meta-llama3-h100");
  r.tokens = 15.6e12;
  r.price_per_gpu_hour = 2;
  r.replicas = 100;
  return r;
}
JobRequest hopeless() {
  JobRequest r = request();
  r.mttf = 10_s;
  return r;
}
std::string text_of(const JobRequest& r, const TextStyle& style = {}) {
  return job_text(heading, r, simulate_job(r), style);
}
json json_of(const JobRequest& r) { return json::parse(job_json(heading, r, simulate_job(r))); }

TEST_CASE("the object has every key, with units") {
  const json object = json_of(request());
  for (const char* key : {"schema_version",
                          "finishes",
                          "gpus",
                          "tokens",
                          "steps",
                          "step",
                          "mttf_s",
                          "restart_s",
                          "checkpoint",
                          "duration_days",
                          "duration_p10_days",
                          "duration_p50_days",
                          "duration_p90_days",
                          "expected_duration_days",
                          "goodput",
                          "ettr",
                          "times_s",
                          "failures",
                          "gpu_hours",
                          "cost",
                          "intervals",
                          "experiments",
                          "next_experiment",
                          "seed",
                          "replicas",
                          "reliability",
                          "version"}) {
    INFO(key);
    CHECK(object.contains(key));
  }
  CHECK(object["schema_version"] == 1);
  CHECK(object["checkpoint"]["mode"] == "two_stage");
  CHECK(object["reliability"]["name"] == "meta-llama3-h100");
  CHECK(object["next_experiment"] == object["experiments"][0]);
}

TEST_CASE("the six parts of the time sum to the duration") {
  const json object = json_of(request());
  CHECK(object["times_s"].size() == 6);
  double sum = 0;
  for (const json& part : object["times_s"]) sum += part.get<double>();
  CHECK(sum / 86400 == Approx(object["duration_days"].get<double>()).epsilon(1e-7));
}

TEST_CASE("the same request gives the same bytes") {
  const JobRequest r = request();
  CHECK(job_json(heading, r, simulate_job(r)) == job_json(heading, r, simulate_job(r)));
}

TEST_CASE("a job that never finishes has a reason and no duration") {
  const json object = json_of(hopeless());
  CHECK(object["finishes"] == false);
  CHECK_THAT(object["why_not"].get<std::string>(), Contains("leaves no progress"));
  CHECK_FALSE(object.contains("duration_days"));
  CHECK_FALSE(object.contains("cost"));
  const std::string text = text_of(hopeless());
  CHECK_THAT(text, Contains("never finishes") && Contains("leaves no progress"));
  CHECK_THAT(text, !Contains("duration"));
}

TEST_CASE("what does not apply is null") {
  JobRequest r = request();
  r.never_fails = true;
  r.price_per_gpu_hour.reset();
  const json object = json_of(r);
  CHECK(object["mttf_s"].is_null());
  CHECK(object["cost"].is_null());
  CHECK(object["checkpoint"]["young_interval_s"].is_null());
  CHECK(object["failures"] == 0);
}

TEST_CASE("the text answers days, goodput, cost, where the time goes and what next") {
  const std::string text = text_of(request());
  for (const char* part :
       {"llama3-405b-16k", "16384 GPUs", "15.6 T tokens", "duration", "p10–p90", "goodput", "GPU-hours", "cost",
        "one in 3.09 h", "Where the time goes", "lost work", "waiting for nodes", "What another interval costs",
        "--set reliability.", "one NIC is far from its GPU"}) {
    INFO(part);
    CHECK_THAT(text, Contains(part));
  }
  CHECK(text.back() == '\n');
}

TEST_CASE("the text keeps to 80 columns and to ASCII where asked") {
  TextStyle style;
  style.width = 80;
  style.unicode = false;
  const std::string text = text_of(request(), style);
  CHECK(std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80U; }));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(line.size() <= 80);
  }
}

}  // namespace
}  // namespace trainyard
