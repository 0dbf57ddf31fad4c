#include "analysis/report/report.hpp"
#include "analysis/report/step_data_json.hpp"
#include "analysis/report/step_report_sections.hpp"

#include <nlohmann/json.hpp>

#include "analysis/pipeline_picture.hpp"
#include "tests/analysis/report/report_pages.hpp"
#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

using testing::hand_built_job;
using testing::hand_built_step;
using testing::parsed_page;
using testing::ParsedPage;

constexpr std::size_t largest_report = 3 * 1000 * 1000;  // bytes; what a mail still takes

struct Simulated {
  Job job;
  SimulatedStep step;
};
Simulated simulated(const std::string& scenario, Granularity granularity = Granularity::block) {
  Job job = load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + scenario + ".yaml", {});
  SimulatedStep step = simulate_step(job, Routes(job.cluster), granularity);
  return {std::move(job), std::move(step)};
}

TEST_CASE("a step's report has its sections, and its headline the numbers of the step") {
  const Simulated s = simulated("llama3-70b-64xh100");
  const ParsedPage page = parsed_page(step_report_html(s.job, s.step));
  std::vector<std::string> ids;
  for (const pugi::xml_node section : page.all("//main/section")) ids.push_back(section.attribute("id").value());
  CHECK(ids == std::vector<std::string>{"timeline", "breakdown", "diagnosis", "memory", "communication", "inputs",
                                        "provenance"});
  const StepResult& r = s.step.result;
  CHECK(page.text("//h1") == fmt::format("llama3-70b: {:.3f} s per step", r.step_time.value));
  CHECK(page.text("//dl[@class='tiles']/div[2]/dd") == fmt::format("{:.0f}", r.tokens_per_second_per_gpu));
  CHECK(page.text("//dl[@class='tiles']/div[3]/dd[1]") == fmt::format("{:.1f} %", r.mfu * 100));
  CHECK(page.text("//dl[@class='tiles']/div[4]/dd[1]") == fmt::format("{:.1f} GiB", in_gib(r.memory.peak())));
  CHECK(page.all("//p[@class='verdict']").size() == 1);
  CHECK(page.all("//figure[not(.//svg)]").empty());
}

TEST_CASE("reports of shipped scenarios are well-formed and under 3 MB, at any granularity") {
  for (const char* scenario : {"deepseek-v3-2048xh200", "llama3-8b-64xh100-fsdp2", "mixtral-8x7b-64xh100"}) {
    INFO(scenario);
    const Simulated s = simulated(scenario);
    const std::string html = step_report_html(s.job, s.step);
    parsed_page(html);
    CHECK(html.size() < largest_report);
  }
  const Simulated s = simulated("llama3-70b-64xh100", Granularity::operator_);
  CHECK(step_report_html(s.job, s.step).size() < largest_report);
}

TEST_CASE("equal inputs give equal bytes, however long the prediction took") {
  const Job job = hand_built_job();
  SimulatedStep step = hand_built_step();
  const std::string first = step_report_html(job, step);
  step.result.wall_time = 17_s;
  CHECK(step_report_html(job, step) == first);
}

TEST_CASE("a model, a cluster or a warning with markup in it stays text") {
  const std::string hostile = "<script>alert(1)</script>\"'&";
  Job job = hand_built_job();
  job.name = job.model.name = job.cluster.name = job.profile.device.name = hostile;
  job.profile.stack.provenance.push_back({hostile, hostile, hostile, 1, hostile});
  SimulatedStep step = hand_built_step();
  step.result.warnings = {hostile};
  step.result.diagnosis.evidence = {hostile};
  step.result.diagnosis.experiments = {{hostile, hostile, 1_ms, true}};
  const std::string html = step_report_html(job, step);
  const ParsedPage page = parsed_page(html);
  CHECK(html.find("<script>alert") == std::string::npos);
  CHECK(page.text("//p[@class='warning']") == hostile);
  CHECK(page.text("//section[@id='diagnosis']//li") == hostile);
}

TEST_CASE("every constant of device, network and stack is there with value, source and residual") {
  const Simulated s = simulated("llama3-70b-64xh100");
  const ParsedPage page = parsed_page(step_report_html(s.job, s.step));
  std::vector<std::vector<std::string>> shown;
  for (const pugi::xml_node row : page.all("//section[@id='provenance']//tbody/tr")) {
    std::vector<std::string> cells;
    for (const pugi::xml_node cell : row.children())
      cells.emplace_back(cell.child("code") ? cell.child("code").text().get() : cell.text().get());
    shown.push_back(cells);
  }
  std::size_t at = 0;
  const Profile& profile = s.job.profile;
  for (const auto* part : {&profile.device.provenance, &profile.network.provenance, &profile.stack.provenance})
    for (const Provenance& p : *part) {
      REQUIRE(at < shown.size());
      const std::vector<std::string>& cells = shown[at++];
      INFO(p.constant);
      REQUIRE(cells.size() == 6);
      CHECK(cells[0] == p.constant);
      CHECK(cells[1] == p.value);
      CHECK(cells[2] == p.source);
      CHECK(cells[4] == (p.residual.empty() ? "–" : p.residual));
    }
  CHECK(at == shown.size());
  CHECK(at > 100);  // the shipped profiles have 129
}

TEST_CASE("a plan that does not fit says so first") {
  SimulatedStep step = hand_built_step();
  step.result.memory.fits = false;
  const ParsedPage page = parsed_page(step_report_html(hand_built_job(), step));
  CHECK(page.text("//p[@class='verdict bad']").find("does not fit") != std::string::npos);
}

TEST_CASE("experiments are listed with their effect and a setting to copy") {
  SimulatedStep step = hand_built_step();  // 10 ms
  step.result.diagnosis.experiments = {{"vpp: 1 -> 2", "--set plan.vpp=2", 9_ms, true},
                                       {"tp: 1 -> 2", "--set plan.tp=2", 0_s, false}};
  const ParsedPage page = parsed_page(step_report_html(hand_built_job(), step));
  const std::string rows = "//section[@id='diagnosis']//tbody/tr";
  REQUIRE(page.all(rows).size() == 2);
  CHECK(page.text(rows + "[1]/th") == "vpp: 1 → 2");
  CHECK(page.text(rows + "[1]/td[1]") == "9.00");
  CHECK(page.text(rows + "[1]/td[2]") == "−10.0 %");  // 9 ms / 10 ms - 1
  CHECK(std::string(page.one(rows + "[1]//button").attribute("data-copy").value()) == "--set plan.vpp=2");
  CHECK(page.text(rows + "[2]/td[1]") == "does not fit");
}

TEST_CASE("the chart of the timeline has every bar of the picture, and coarser levels of long ones") {
  const auto few = nlohmann::json::parse(step_chart_data(hand_built_job(), hand_built_step()))["timeline"];
  const PipelinePicture picture = pipeline_picture(hand_built_step());
  REQUIRE(few["levels"].size() == 1);
  CHECK(few["unit"] == "ms");
  CHECK(few["end"].get<double>() == Approx(10));
  std::size_t bars = 0;
  for (const PipelineRow& row : picture.rows) bars += row.bars.size();
  CHECK(few["levels"][0].size() == bars);
  CHECK(few["levels"][0][0] == nlohmann::json({0, 0.0, 1.0, 0, 0, 0, -1}));  // F0 of stage 0: 0 to 1 ms

  const Simulated s = simulated("llama3-70b-64xh100");
  const auto many = nlohmann::json::parse(step_chart_data(s.job, s.step))["timeline"];
  REQUIRE(many["levels"].size() > 1);
  CHECK(many["levels"][0].size() <= 350 * 4);  // bars of a level x stages
  CHECK(many["levels"].back().size() <= 20000);
  for (const auto& level : many["levels"]) {
    std::map<int, double> length;
    for (const auto& bar : level) length[bar[0].get<int>()] += bar[2].get<double>();
    // Touching bars from 0 to the end: 1e-5 each of rounding.
    for (const auto& [row, sum] : length)
      CHECK(sum == Approx(many["end"].get<double>()).margin(1e-5 * static_cast<double>(level.size())));
  }
}

TEST_CASE("rows that say the same are one row") {
  const std::vector<std::vector<HtmlCell>> rows = {{{"0"}, {"a"}}, {{"1"}, {"b"}}, {{"2"}, {"b"}}, {{"3"}, {"a"}}};
  const auto out = folded(rows);
  REQUIRE(out.size() == 3);
  CHECK(out[1][0].text == "1–2");
  CHECK(out[2][0].text == "3");
}

}  // namespace
}  // namespace trainyard
