#include <catch2/catch.hpp>
#include <sstream>

#include "analysis/comparison.hpp"
#include "analysis/memory_text.hpp"
#include "analysis/report_text.hpp"
#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

using Catch::Contains;
using testing::hand_built_job;
using testing::hand_built_step;

constexpr TextStyle plain{.colour = false, .width = 100, .unicode = true};

std::string report(const SimulatedStep& step = hand_built_step(), const TextStyle& style = plain) {
  return report_text(hand_built_job(), step, style);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("the headline gives time, throughput, utilisation with its convention, and memory") {
  const std::string text = report();
  CHECK_THAT(text, Contains("step time     10.00 ms (p10–p90 9.50–10.80 ms)"));
  CHECK_THAT(text, Contains("4096 tokens/s/GPU"));
  CHECK_THAT(text, Contains("412.3 TFLOP/s/GPU · MFU 41.7 % · HFU 44.0 % · counted as palm"));
  CHECK_THAT(text, Contains("fits: 10.0 of 76.0 GiB on stage 1"));  // 3 + 7 GiB
  CHECK_THAT(text, Contains("tp 4 · pp 2 · dp 2 · mbs 1 · gbs 4 · gpipe · ddp"));
}

TEST_CASE("the breakdown shows shares that sum to the step and leaves out what is zero") {
  const std::string text = report();
  CHECK_THAT(text, Contains("52.5 %"));  // 5.25 of 10 ms
  CHECK_THAT(text, Contains("100.0 %"));
  CHECK_THAT(text, !Contains("exposed context parallel"));
}

TEST_CASE("stages and memory rows that look alike share a line") {
  const std::string text = report();
  CHECK_THAT(text, Contains("0–1     8      16"));
  SimulatedStep step = hand_built_step();
  step.result.memory.stages[1] = step.result.memory.stages[0];
  step.result.memory.stages[1].stage = 1;
  CHECK_THAT(memory_section(step.result.memory, plain), Contains("▸   0–1"));
}

TEST_CASE("the report draws what every stage does when, and who holds its memory") {
  const std::string text = report();
  CHECK_THAT(text, Contains("What each pipeline stage does when"));
  CHECK_THAT(text, Contains("│  40.0 %"));  // stage 0 waits from 2 to 6 of 10 ms
  // The pipeline stands above the table of its stages, the bars of memory below that of its owners.
  CHECK(text.find("╷  bubble") < text.find("Pipeline stages"));
  CHECK(text.find("╌ reserved") > text.find("peak in the backward of micro-batch 0"));
}

TEST_CASE("the diagnosis proposes the first experiment with its effect and tells what does not fit") {
  const std::string text = report();
  CHECK_THAT(text, Contains("bound by      pipeline"));
  CHECK_THAT(text, Contains("--set plan.gbs=16  10.00 ms → 16.00 ms  (+60.0 %)"));
  CHECK_THAT(text, Contains("--set plan.mbs=4   does not fit in memory"));
}

TEST_CASE("a plan over memory says by how much") {
  SimulatedStep step = hand_built_step();
  step.result.memory.limit = 8_GiB;
  step.result.memory.fits = false;
  CHECK_THAT(report(step), Contains("does not fit: 10.0 of 8.0 GiB on stage 1, 2.0 GiB too much"));
}

TEST_CASE("no line is wider than the terminal, at 80 and at 100 columns") {
  for (const int width : {80, 100})
    for (const std::string& line :
         lines_of(report(hand_built_step(), {.colour = false, .width = width, .unicode = true}))) {
      INFO(line);
      CHECK(columns(line) <= static_cast<std::size_t>(width));
    }
}

TEST_CASE("without UTF-8 the report is plain ASCII and keeps its columns") {
  const std::string text = report(hand_built_step(), {.colour = false, .width = 100, .unicode = false});
  for (const char c : text) CHECK(static_cast<unsigned char>(c) < 128);
  CHECK_THAT(text, !Contains("?"));
}

TEST_CASE("colour is escape sequences around the same text") {
  std::string coloured = report(hand_built_step(), {.colour = true, .width = 100, .unicode = true});
  CHECK_THAT(coloured, Contains("\x1b["));
  std::string stripped;
  for (std::size_t i = 0; i < coloured.size(); ++i) {
    if (coloured[i] == '\x1b')
      i = coloured.find('m', i);
    else
      stripped += coloured[i];
  }
  CHECK(stripped == report());
}

TEST_CASE("no line ends in spaces") {
  for (const std::string& line : lines_of(report())) CHECK((line.empty() || line.back() != ' '));
}

TEST_CASE("problems name their axis and reason, and what is merely not supported") {
  const std::string text = problems_text(
      "seven",
      {{"tp", "64 heads are not divisible by tensor_model_parallel_size 7", false}, {"ep", "expert parallelism", true}},
      plain);
  CHECK_THAT(text, Contains("seven: the plan cannot run"));
  CHECK_THAT(text, Contains("  tp        64 heads are not divisible"));
  CHECK_THAT(text, Contains("expert parallelism (not supported by trainyard)"));
}

TEST_CASE("a comparison shows both sides, the difference and the verdict") {
  const Job job = hand_built_job();
  const SimulatedStep a = hand_built_step();
  SimulatedStep b = hand_built_step();
  b.result.step_time = 8_ms;
  b.result.breakdown.bubble = 1_ms;
  const std::string text = compare_text({&job, &a}, {&job, &b}, plain);
  CHECK_THAT(text, Contains("pipeline bubble"));
  CHECK_THAT(text, Contains("−2.00 ms"));
  CHECK_THAT(text, Contains("−20.0 %"));  // 8 of 10 ms
  CHECK_THAT(text, Contains("B is 1.25× as fast as A"));
}

TEST_CASE("wrapping breaks at spaces and keeps words whole") {
  CHECK(wrapped("aa bb cc", 5, "  ") == "aa bb\n  cc");
  CHECK(wrapped("unbreakable", 4, "") == "unbreakable");
}

TEST_CASE("a table too wide first cuts its elastic texts, then leaves out its optional columns") {
  TextTable table({{"axis", Align::left}, {"of", Align::left, true, 6}, {"calls"}});
  table.add({"dp", "all the gradients", "12"});
  CHECK(table.text({.colour = false, .width = 24, .unicode = true}) ==
        "  axis  of         calls\n  dp    all the …     12\n");
  CHECK(table.text({.colour = false, .width = 14, .unicode = true}) == "  axis  calls\n  dp       12\n");
}

TEST_CASE("a bar resolves eighths of a column") {
  CHECK(bar(0.5, 4) == "██");
  CHECK(bar(0.0, 4).empty());
  CHECK(bar(2.0, 2) == "██");
  CHECK(bar(1.0 / 16, 2) == "▏");  // an eighth of one of two columns
}

}  // namespace
}  // namespace trainyard
