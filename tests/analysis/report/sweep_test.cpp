#include "analysis/report/report.hpp"
#include "analysis/report/sweep_data_json.hpp"
#include "analysis/report/sweep_report_sections.hpp"

#include <nlohmann/json.hpp>

#include "tests/analysis/report/report_pages.hpp"
#include "tests/analysis/sweep/built_answer.hpp"

namespace trainyard {
namespace {

using testing::answer_without_plans;
using testing::built_answer;
using testing::parsed_page;
using testing::ParsedPage;

EvaluatedPlan plan(PlanIndex index, const std::string& key, double seconds, Bytes peak = 10_GiB) {
  return {.index = index, .key = key, .step_time = Seconds(seconds), .peak = peak, .reserved = peak, .mfu = 0.4};
}

std::vector<EvaluatedPlan> four_plans() {
  return {plan(90, "tp=1 pp=2 mbs=1 order=tp-dp", 4), plan(91, "tp=2 pp=2 mbs=1 order=tp-dp", 3),
          plan(92, "tp=10 pp=2 mbs=1 order=tp-dp", 5), plan(93, "tp=2 pp=4 mbs=1 order=tp-dp", 2)};
}

TEST_CASE("a sweep's report has its sections and every best plan") {
  const SweepAnswer answer = built_answer();
  const std::string html = sweep_report_html(answer, four_plans());
  const ParsedPage page = parsed_page(html);
  for (const char* id : {"best", "arguments", "pareto", "settings", "counts"}) {
    INFO(id);
    CHECK(page.all(fmt::format("//main/section[@id='{}']", id)).size() == 1);
  }
  CHECK(page.all("//section[@id='best']//tbody/tr").size() == answer.best.size());
  CHECK(page.all("//section[@id='arguments']//pre").size() == answer.launch.size());
  CHECK(sweep_report_html(answer, four_plans()) == html);
}

TEST_CASE("settings and launch arguments are to be copied as they are") {
  const SweepAnswer answer = built_answer();
  const ParsedPage page = parsed_page(sweep_report_html(answer));
  const auto rows = page.all("//section[@id='best']//tbody/tr//button");
  REQUIRE(rows.size() == answer.best.size());
  CHECK(std::string(rows[0].attribute("data-copy").value()) == set_options(answer.best[0].settings));
  const auto launch = page.all("//section[@id='arguments']//button");
  REQUIRE(launch.size() == answer.launch.size());
  for (std::size_t i = 0; i < launch.size(); ++i)
    CHECK(std::string(launch[i].attribute("data-copy").value()) == answer.launch[i].text);
}

TEST_CASE("settings are quoted for a shell") {
  CHECK(set_options({"plan.tp=8", "plan.placement={devices: [0, 1]}"}) ==
        "--set 'plan.tp=8' --set 'plan.placement={devices: [0, 1]}'");
  CHECK(set_options({"plan.rank_order=a'b"}) == "--set 'plan.rank_order=a'\\''b'");
  CHECK(set_options({}).empty());
}

TEST_CASE("a sweep without a plan that fits says why, and draws nothing") {
  const ParsedPage page = parsed_page(sweep_report_html(answer_without_plans()));
  CHECK(page.all("//p[@class='verdict bad']").size() == 1);
  CHECK(page.all("//section[@id='best']").empty());
  CHECK(page.all("//section[@id='counts']").size() == 1);
  parsed_page(sweep_report_html(SweepAnswer{}));
}

TEST_CASE("names with markup in them stay text") {
  const std::string hostile = "<script>alert(1)</script>\"'&";
  SweepAnswer answer = built_answer();
  answer.name = answer.model = answer.cluster = hostile;
  for (RankedPlan& best : answer.best) best.line = hostile;
  for (ParetoPlan& p : answer.pareto) p.line = hostile;
  answer.warnings = {hostile};
  const std::string html =
      sweep_report_html(answer, {plan(90, "tp=" + hostile + " pp=1", 4), plan(91, "tp=2 pp=2", 3)});
  const ParsedPage page = parsed_page(html);
  CHECK(html.find("<script>alert") == std::string::npos);
  CHECK(page.text("//p[@class='warning']") == hostile);
}

TEST_CASE("settings that differ are found in the plans' keys, numbers in their order") {
  const std::vector<SweptSetting> settings = swept_settings(four_plans());
  REQUIRE(settings.size() == 2);  // mbs and order are the same in all
  CHECK(settings[0] == SweptSetting{"tp", {"1", "2", "10"}, {0, 1, 2, 1}});
  CHECK(settings[1] == SweptSetting{"pp", {"2", "4"}, {0, 0, 0, 1}});
  CHECK(swept_settings({}).empty());
  // A plan whose key lacks a setting has a value of its own.
  CHECK(swept_settings({plan(1, "tp=1", 1), plan(2, "", 1)})[0].values == std::vector<std::string>{"1", "–"});
}

TEST_CASE("the chart of the Pareto front shows a plan once, in the unit of its axis") {
  SweepAnswer answer = built_answer();
  std::vector<EvaluatedPlan> simulated = four_plans();
  simulated.push_back(plan(answer.pareto.front().index, "tp=1", 1));  // on the front, too
  const auto data = nlohmann::json::parse(sweep_chart_data(answer, simulated, swept_settings(simulated)));
  CHECK(data["pareto"]["plans"].size() == 4);
  CHECK(data["pareto"]["front"].size() == answer.pareto.size());
  CHECK(data["pareto"]["front"][0][0].get<double>() == Approx(in_gib(answer.pareto[0].peak)).margin(1e-5));
  CHECK(data["axes"]["plans"].size() == 5);
}

TEST_CASE("what became of the plans adds up in the report") {
  const SweepAnswer answer = built_answer();
  const ParsedPage page = parsed_page(sweep_report_html(answer));
  std::string total = page.text("//section[@id='counts']//tr[@class='whole']/td[1]");
  std::erase(total, ' ');
  CHECK(total == fmt::format("{}", answer.counts.total()));
}

}  // namespace
}  // namespace trainyard
