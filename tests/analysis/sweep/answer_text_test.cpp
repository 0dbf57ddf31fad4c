// The answer of a sweep for people, and as a table.
#include <catch2/catch.hpp>

#include <algorithm>
#include <sstream>

#include "analysis/sweep/answer_text_plans.hpp"
#include "tests/analysis/sweep/built_answer.hpp"

namespace trainyard {
namespace {

using Catch::Contains;
using testing::answer_without_plans;
using testing::built_answer;

std::size_t widest(const std::string& text) {
  std::istringstream lines(text);
  std::size_t most = 0;
  for (std::string line; std::getline(lines, line);) most = std::max(most, columns(line));
  return most;
}

TEST_CASE("the headline says which plan of how many, its time, its MFU and its memory") {
  const std::string text = answer_text(built_answer(), {});
  // 1 204 312 less the 4 312 that are excluded or repeat another
  CHECK_THAT(text, Contains("best of       1 200 000 plans"));
  CHECK_THAT(text, Contains("tp 8 · pp 8 · vpp 3"));
  // p10 and p90 are 0.9 and 1.1 of 12.25 s.
  CHECK_THAT(text, Contains("12.250 s (p10–p90 11.025–13.475 s)"));
  CHECK_THAT(text, Contains("51.3 %"));
  CHECK_THAT(text, Contains("61.5 of 77.5 GiB"));
}

TEST_CASE("the text says what became of every plan, with reasons") {
  const std::string text = answer_text(built_answer(), {});
  for (const char* words : {"excluded, or the same plan", "cannot run", "heads are", "600 000", "do not fit in memory",
                            "cross the same links", "provably neither among the best", "simulated"})
    CHECK_THAT(text, Contains(words));
  CHECK(text.find("heads are") < text.find("layers do"));  // the commonest reason first
}

TEST_CASE("plans that tie with the first are marked and counted") {
  const std::string text = answer_text(built_answer(), {});
  CHECK_THAT(text, Contains("1 of the next 2: of measured plans predicted less than 9 % apart, only 73 %"));
  CHECK_THAT(text, Contains("\n=    2  12.750") && Contains("\n     3  14.500"));
}

TEST_CASE("of the plans that tie the one with least memory is named, also where only the front has it") {
  SweepAnswer answer = built_answer();
  CHECK_THAT(answer_text(answer, {}), !Contains("least memory"));  // the one that ties needs as much
  answer.pareto.push_back({5, "tp 8 · pp 8 · dp 1 · 1f1b · zero1 · recompute full", Seconds(12.5), 20_GiB, 21_GiB});
  // 12.5 / 12.25 - 1
  CHECK_THAT(answer_text(answer, {}), Contains("least memory  20.00 GiB in 12.50 s (+2.0 %): tp 8 · pp 8 · dp 1"));
  answer.pareto.back().step_time = Seconds(1.1 * 12.25);
  CHECK_THAT(answer_text(answer, {}), !Contains("least memory"));
}

TEST_CASE("of the plans that tie the one that cuts the model along the fewest axes is named") {
  SweepAnswer answer = built_answer();
  answer.best[1].line = "tp 8 · pp 1 · dp 8 · mbs 1";
  CHECK_THAT(answer_text(answer, {}), Contains("fewest axes   61.50 GiB in 12.75 s (+4.1 %): tp 8 · pp 1"));
}

TEST_CASE("where nothing ties nothing is said of ties") {
  SweepAnswer answer = built_answer();
  answer.best[1].ties = false;
  answer.best[1].step_time = Seconds(13.5);
  CHECK_THAT(answer_text(answer, {}), !Contains("ties with"));
}

TEST_CASE("a long reason is continued under itself") {
  SweepAnswer answer = built_answer();
  answer.counts.infeasible_reasons = {{std::string(50, 'a') + " " + std::string(50, 'b'), 900'000}};
  CHECK_THAT(answer_text(answer, {.width = 80}), Contains("    900 000             " + std::string(50, 'a') + "\n" +
                                                          std::string(24, ' ') + std::string(50, 'b')));
}

TEST_CASE("the text has front, runner-up, placement, sensitivity, arguments and warnings") {
  const std::string text = answer_text(built_answer(), {});
  for (const char* words :
       {"Pareto front", "recompute full", "Why the next plan loses", "pipeline bubble 0.42 s longer",
        "dp-tp-cp-ep-pp scatter", "50.0 % of the step", "NIC bandwidth x 2", "no plan fits", "does not fit",
        "--tensor-model-parallel-size 8 \\\n--pipeline-model-parallel-size 8\n", "a warning about", "0123456789abcdef"})
    CHECK_THAT(text, Contains(words));
}

TEST_CASE("no line but the arguments is wider than the style") {
  SweepAnswer answer = built_answer();
  answer.launch.clear();
  answer.best[1].line += " · sequence_parallel · recompute selective · overlap_grad_reduce · overlap_param_gather";
  for (const int width : {80, 100})
    CHECK(widest(answer_text(answer, {.width = width})) <= static_cast<std::size_t>(width));
}

TEST_CASE("without colour there is no escape sequence, and ASCII where the terminal has no UTF-8") {
  CHECK_THAT(answer_text(built_answer(), {}), !Contains("\x1b"));
  CHECK_THAT(answer_text(built_answer(), {.colour = true}), Contains("\x1b["));
  const std::string ascii = answer_text(built_answer(), {.unicode = false});
  CHECK(std::all_of(ascii.begin(), ascii.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

TEST_CASE("where nothing fits the text says how far the closest plan is off") {
  const std::string text = answer_text(answer_without_plans(), {});
  CHECK_THAT(text, Contains("none of 12 plans fits in memory"));
  // 93.2 - 77.5
  CHECK_THAT(text, Contains("93.2 of 77.5 GiB, 15.7 GiB too much"));
  CHECK_THAT(text, !Contains("The best plans"));
}

TEST_CASE("an answer of nothing at all can be printed") {
  CHECK_THAT(answer_text(SweepAnswer{}, {}), Contains("none of 0 plans can run"));
}

TEST_CASE("a long front is thinned evenly and keeps its ends") {
  SweepAnswer answer = built_answer();
  answer.pareto.clear();
  for (int i = 0; i < 101; ++i)
    answer.pareto.push_back({i, "dp " + std::to_string(1000 + i), Seconds(12.0 + i), 40_GiB, 41_GiB});
  const std::string text = answer_text(answer, {});
  CHECK_THAT(text, Contains("20 of 101 plans"));
  CHECK_THAT(text, Contains("dp 1000\n"));
  CHECK_THAT(text, Contains("dp 1100\n"));
}

TEST_CASE("words that all plans of a table share are said once") {
  const std::vector<PlanRow> rows = {{{"1"}, "tp 8 · pp 2 · zero1"}, {{"2"}, "tp 4 · pp 2 · zero1"}};
  CHECK(plan_table({{"rank"}}, rows, {}) ==
        "  all: pp 2 · zero1\n"
        "  rank  plan\n"
        "     1  tp 8\n"
        "     2  tp 4\n");
}

TEST_CASE("a plan that has nothing of its own is a dash, a lone one keeps its words") {
  CHECK_THAT(plan_table({{"rank"}}, {{{"1"}, "tp 8 · pp 2"}, {{"2"}, "tp 8 · pp 2 · zero1"}}, {}),
             Contains("   1  –\n"));
  CHECK_THAT(plan_table({{"rank"}}, {{{"1"}, "tp 8 · pp 2"}}, {}), Contains("   1  tp 8 · pp 2\n"));
}

TEST_CASE("a remark in the place of a plan is not shared") {
  const std::vector<PlanRow> rows = {{{"1"}, "the same plan"}, {{"2"}, "the same plan"}};
  CHECK_THAT(plan_table({{"rank"}}, rows, {}), !Contains("all:") && Contains("   2  the same plan\n"));
}

TEST_CASE("what the rows share with another plan is said once, whatever the remarks are") {
  const std::vector<PlanRow> rows = {{{"1"}, "the same plan"}, {{"2"}, "tp 4 · pp 2 · zero1"}};
  CHECK(plan_table({{"rank"}}, rows, {}, "tp 8 · pp 2 · zero1") ==
        "  all: pp 2 · zero1\n"
        "  rank  plan\n"
        "     1  the same plan\n"
        "     2  tp 4\n");
}

TEST_CASE("a plan's words are broken between settings, not inside one") {
  const std::vector<PlanRow> rows = {{{"1"}, "tp 1 · dp 22 · pp 333 · mbs 4"}};
  // 30 columns less 8 of the rank: "tp 1 · dp 22 · pp 333 ·" would be 23.
  CHECK(plan_table({{"rank"}}, rows, {.width = 30}) ==
        "  rank  plan\n"
        "     1  tp 1 · dp 22 ·\n"
        "        pp 333 · mbs 4\n");
}

// Fields of a record by RFC 4180.
std::vector<std::string> fields(const std::string& record) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (std::size_t i = 0; i < record.size(); ++i) {
    const char c = record[i];
    if (quoted && c == '"' && i + 1 < record.size() && record[i + 1] == '"')
      out.back() += record[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      out.emplace_back();
    else
      out.back() += c;
  }
  return out;
}

std::vector<std::vector<std::string>> records(const std::string& csv) {
  std::istringstream lines(csv);
  std::vector<std::vector<std::string>> out;
  for (std::string line; std::getline(lines, line);) out.push_back(fields(line));
  return out;
}

TEST_CASE("the CSV has a header, the best and the front, all of one width") {
  const auto table = records(answer_csv(built_answer()));
  REQUIRE(table.size() == 1 + 3 + 2);
  for (const auto& row : table) CHECK(row.size() == table.front().size());
  CHECK(table[0][4] == "step_time_s");
  CHECK(table[1][0] == "best");
  CHECK(table[1][4] == "12.25");
  CHECK(table[1][2] == "17");
  CHECK(table[3][8].empty());  // no fluid engine
  CHECK(table[5][0] == "pareto");
  CHECK(table[5][11] == "32212254720");  // 30 × 2^30
}

TEST_CASE("quotes and commas in a field survive the CSV") {
  const std::string csv = answer_csv(built_answer());
  CHECK_THAT(csv, Contains("\"tp=8,\"\"quoted\"\"\""));
  CHECK(records(csv)[1].back() == "tp=8,\"quoted\"");
}

TEST_CASE("an answer without plans is a header alone") {
  CHECK(records(answer_csv(answer_without_plans())).size() == 1);
}

}  // namespace
}  // namespace trainyard
