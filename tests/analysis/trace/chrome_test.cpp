#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "analysis/trace/chrome_trace.hpp"
#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

using nlohmann::json;

json events_of(const Job& job, const SimulatedStep& step, const char* ranks = "stages") {
  std::string out;
  write_chrome_trace([&](std::string_view text) { out += text; }, job, step, shown_ranks(ranks, step, "test"));
  return json::parse(out).at("traceEvents");
}

TEST_CASE("Trace Event Format: slices of a thread are serial in whole nanoseconds") {
  const json events = events_of(testing::hand_built_job(), testing::hand_built_step());
  std::map<std::pair<int, int>, std::int64_t> free_from;
  int slices = 0;
  for (const json& event : events) {
    if (event.at("ph") != "X") continue;
    ++slices;
    const auto ns = [&](const char* key) { return std::llround(event.at(key).get<double>() * 1000); };
    std::int64_t& end = free_from[{event.at("pid"), event.at("tid")}];
    CHECK(ns("ts") >= end);
    CHECK(ns("dur") >= 0);
    end = ns("ts") + ns("dur");
  }
  CHECK(slices > 18);  // the instructions, idle times and the critical path
}

TEST_CASE("Trace Event Format: slices are serial for viewers that add in binary fractions, too") {
  // 24880.123 + 22.979 is 24903.102000000003 in doubles: of these slices every eighteenth would end after the next begins.
  const Job job = load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/llama3-70b-64xh100.yaml");
  const SimulatedStep step = simulate_step(job, Routes(job.cluster));
  std::map<int, double> free_from;
  std::size_t slices = 0, overlaps = 0, torn = 0;
  for (const json& event : events_of(job, step)) {
    if (event.at("ph") != "X") continue;
    ++slices;
    const double begin = event.at("ts"), duration = event.at("dur"), nanoseconds = duration * 1000;
    double& end = free_from[event.at("tid")];
    overlaps += begin < end;
    torn += std::abs(nanoseconds - std::round(nanoseconds)) > 1e-3;  // an ulp of a step's 17 s in ns is 4e-6
    end = begin + duration;
  }
  CHECK(slices > 8000);
  CHECK(overlaps == 0);
  CHECK(torn == 0);
}

TEST_CASE("Trace Event Format: no thread is a process's main thread, none stands in two processes") {
  std::map<int, int> process_of;
  for (const json& event : events_of(testing::hand_built_job(), testing::hand_built_step())) {
    if (event.at("ph") != "X") continue;
    CHECK(event.at("pid").get<int>() > 0);
    CHECK(event.at("tid") != event.at("pid"));
    const auto [known, added] = process_of.try_emplace(event.at("tid").get<int>(), event.at("pid").get<int>());
    CHECK(known->second == event.at("pid"));
  }
}

TEST_CASE("Trace Event Format: every arrow has one beginning and one end, bound to the slice around it") {
  std::multiset<std::string> begun, ended;
  for (const json& event : events_of(testing::hand_built_job(), testing::hand_built_step())) {
    if (event.at("ph") == "s") begun.insert(event.at("id").get<std::string>());
    if (event.at("ph") != "f") continue;
    ended.insert(event.at("id").get<std::string>());
    CHECK(event.at("bp") == "e");
  }
  CHECK(begun == ended);
  CHECK(begun.size() == 4);  // F0 F1 down, B0 B1 up
  CHECK(std::set<std::string>(begun.begin(), begun.end()).size() == 4);
}

TEST_CASE("Trace Event Format: names with quotes, backslashes and control characters stay valid JSON") {
  Job job = testing::hand_built_job();
  job.model.name = "a \"quoted\" \\ name\n\x01";
  const json events = events_of(job, testing::hand_built_step());
  bool found = false;
  for (const json& event : events)
    if (event.at("ph") == "M" && event.at("name") == "process_name")
      found = found || event.at("args").at("name").get<std::string>().find(job.model.name) != std::string::npos;
  CHECK(found);
}

TEST_CASE("Trace Event Format: bytes that are no UTF-8 are replaced") {
  Job job = testing::hand_built_job();
  job.model.name = "\xff \xc3 \xe2\x82 caf\xc3\xa9";
  bool found = false;
  for (const json& event : events_of(job, testing::hand_built_step()))
    if (event.at("ph") == "M" && event.at("name") == "process_name")
      found = found || event.at("args").at("name").get<std::string>().find(
                           "\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd "
                           "caf\xc3\xa9") != std::string::npos;
  CHECK(found);
}

}  // namespace
}  // namespace trainyard
