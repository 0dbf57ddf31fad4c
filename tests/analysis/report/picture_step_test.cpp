#include "analysis/report/picture_step.hpp"

#include <catch2/catch.hpp>

#include "tests/support/hand_built_step.hpp"
#include "tests/support/picture_checks.hpp"

namespace trainyard {
namespace {

using testing::check_inside;
using testing::number;
using testing::parsed;
using testing::ParsedPicture;
using testing::says;

constexpr double two_decimals = 0.011;

struct Simulated {
  Job job;
  SimulatedStep step;
};
Simulated simulated(const std::string& scenario, Granularity granularity = Granularity::block) {
  Job job = load_job(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/" + scenario + ".yaml", {});
  SimulatedStep step = simulate_step(job, Routes(job.cluster), granularity);
  return {std::move(job), std::move(step)};
}

// The rectangles with a tooltip, which are data, by their tooltip.
std::vector<std::pair<std::string, pugi::xml_node>> named(const ParsedPicture& p) {
  std::vector<std::pair<std::string, pugi::xml_node>> result;
  for (const pugi::xml_node r : p.drawn("rect"))
    if (r.child("title")) result.emplace_back(r.child("title").text().get(), r);
  return result;
}

std::vector<std::string> all_pictures(const Simulated& s, double width) {
  const auto loads = link_loads(s.job, s.step);
  const auto curves = memory_curves(s.step.program, s.step.timeline, s.job.profile);
  const PictureFrame frame{"p", width};
  return {pipeline_svg(pipeline_picture(s.step), frame),
          breakdown_svg(s.step.result, frame),
          overlap_svg(s.step.result, frame),
          memory_svg(s.step.result.memory, frame),
          memory_curves_svg(curves, s.step.timeline.makespan, s.step.result.memory.limit, frame),
          heat_map_svg(link_heat_map(s.step.result, loads), frame),
          topology_load_svg(s.job.cluster, loads, frame)};
}

TEST_CASE("pictures of shipped scenarios are well-formed and lie inside their frame, on a phone, too") {
  for (const char* scenario : {"llama3-70b-64xh100", "deepseek-v3-2048xh200", "llama3-8b-64xh100-fsdp2",
                               "mixtral-8x7b-64xh100", "gpt3-175b-64xa100"}) {
    const Simulated s = simulated(scenario);
    for (const double width : {340.0, 960.0, 1200.0}) {
      const std::vector<std::string> pictures = all_pictures(s, width);
      for (std::size_t p = 0; p < pictures.size(); ++p) {
        INFO(scenario << " picture " << p << " at " << width);
        const ParsedPicture picture = parsed(pictures[p], "p");
        CHECK(picture.width == width);
        check_inside(picture);
        CHECK(pictures[p].size() < 250000);
      }
      CHECK(pictures == all_pictures(s, width));
    }
  }
}

TEST_CASE("a pipeline's bars are as long as their time") {
  // 640 units: 64 left for the stage, 64 right for the bubble, so 512 for 10 ms; F0 is 1 ms, B0 1.5 ms long. Equal
  // kinds of a row are one path.
  const ParsedPicture p = parsed(pipeline_svg(pipeline_picture(testing::hand_built_step()), {"p", 640}), "p");
  check_inside(p);
  std::vector<std::string> paths;
  for (const pugi::xml_node path : p.drawn("path")) paths.push_back(path.attribute("d").value());
  REQUIRE(paths.size() >= 4);
  const std::string top = paths[0].substr(paths[0].find(' ') + 1, paths[0].find('h') - paths[0].find(' ') - 1);
  CHECK(paths[0] == "M64 " + top + "h51.2v28h-51.2zM115.2 " + top + "h51.2v28h-51.2z");
  CHECK(paths[1] == "M371.2 " + top + "h76.8v28h-76.8zM448 " + top + "h76.8v28h-76.8z");
  CHECK(paths[2] == "M524.8 " + top + "h51.2v28h-51.2z");    // the all-reduce, 9 to 10 ms
  CHECK(paths[3] == "M166.4 " + top + "h204.8v28h-204.8z");  // bubble, 2 to 6 ms
  CHECK(says(p, "40.0 %"));
  CHECK(says(p, "10 ms"));
}

TEST_CASE("a coarse pipeline says the bubble of the fine one") {
  const Simulated s = simulated("llama3-70b-64xh100");
  const ParsedPicture p = parsed(pipeline_svg(pipeline_picture(s.step), {"p", 340}), "p");
  CHECK(says(p, "4.5 %"));  // stage 0, as in the stage table of the text report
}

TEST_CASE("the parts of the breakdown fill the bar in proportion") {
  const SimulatedStep step = testing::hand_built_step();
  const ParsedPicture p = parsed(breakdown_svg(step.result, {"p", 502}), "p");
  check_inside(p);
  // 500 units are 10 ms: GEMM 4, attention 0.75, memory-bound 0.5, exposed pp 0.5, dp 1, bubble 3, optimizer 0.25 ms,
  // then what is hidden: 2 - 0.5 ms of pipeline transfers.
  const std::vector<std::pair<std::string, double>> expected = {{"GEMM: 4.000 ms", 200},
                                                                {"attention: 750.0 us", 37.5},
                                                                {"memory-bound kernels: 500.0 us", 25},
                                                                {"exposed pipeline transfers: 500.0 us", 25},
                                                                {"exposed data parallel: 1.000 ms", 50},
                                                                {"pipeline bubble: 3.000 ms", 150},
                                                                {"optimizer: 250.0 us", 12.5},
                                                                {"hidden pipeline transfers: 1.500 ms", 75}};
  const auto parts = named(p);
  REQUIRE(parts.size() == expected.size());
  double at = 1;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    CHECK(parts[i].first == expected[i].first);
    CHECK(number(parts[i].second, "width") == Approx(expected[i].second).margin(two_decimals));
    if (i + 1 < parts.size()) CHECK(number(parts[i].second, "x") == Approx(at).margin(two_decimals));
    at += expected[i].second;
  }
}

TEST_CASE("hidden and exposed communication are bars of one scale") {
  const ParsedPicture p = parsed(overlap_svg(testing::hand_built_step().result, {"p", 644}), "p");
  check_inside(p);
  // 500 units are the 2 ms of pipeline transfers, 0.5 of them exposed; the all-reduce is exposed for all of its 1 ms.
  const auto bars = named(p);
  REQUIRE(bars.size() == 4);
  CHECK(number(bars[0].second, "width") == Approx(375).margin(two_decimals));
  CHECK(number(bars[1].second, "width") == Approx(125).margin(two_decimals));
  CHECK(number(bars[2].second, "width") == 0);
  CHECK(number(bars[3].second, "width") == Approx(250).margin(two_decimals));
  CHECK(says(p, "2.000 ms busy, 500.0 us exposed (25.0 %)"));
}

TEST_CASE("memory bars are as long as their owners, up to the limit") {
  // 894 - 134 = 760 units are the limit of 76 GiB. Stage 1: 3 weights, 1 gradients, 4 optimizer, 2 activations, then
  // 5 % reserve of 10 GiB.
  const ParsedPicture p = parsed(memory_svg(testing::hand_built_step().result.memory, {"p", 894}), "p");
  check_inside(p);
  const auto bars = named(p);
  REQUIRE(bars.size() == 10);
  const std::vector<double> gib = {3, 1, 4, 2, 0.5};
  for (std::size_t i = 0; i < gib.size(); ++i)
    CHECK(number(bars[5 + i].second, "width") == Approx(10 * gib[i]).margin(two_decimals));
  CHECK(says(p, "limit 76.0 GiB"));
  CHECK(says(p, "10.0 GiB"));
}

TEST_CASE("memory over time never exceeds its plot and has the peak marked") {
  const Simulated s = simulated("llama3-70b-64xh100");
  const auto curves = memory_curves(s.step.program, s.step.timeline, s.job.profile);
  const ParsedPicture p =
      parsed(memory_curves_svg(curves, s.step.timeline.makespan, s.step.result.memory.limit, {"p", 960}), "p");
  CHECK(says(p, "stage 0 · peak 50.1 GiB"));
  std::size_t marks = 0;
  for (const pugi::xml_node path : p.drawn("path"))
    if (std::string(path.attribute("d").value()).find("l-4 -7h8z") != std::string::npos) ++marks;
  CHECK(marks == curves.size());
}

TEST_CASE("the heat map has a cell per communication and kind of link that carries it") {
  const Simulated s = simulated("llama3-70b-64xh100");
  const auto loads = link_loads(s.job, s.step);
  const HeatMap map = link_heat_map(s.step.result, loads);
  CHECK(map.rows.size() == s.step.result.communication.size());
  CHECK(map.columns == std::vector<std::string>{"NVLink", "PCIe", "NIC"});
  REQUIRE(map.cells.size() == map.rows.size() * map.columns.size());
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    const bool tensor = s.step.result.communication[r].axis == Axis::tp;
    CHECK(map.cells[3 * r + 2].empty == tensor);  // tensor parallelism stays inside the node
    for (std::size_t c = 0; c < 3; ++c) CHECK((map.cells[3 * r + c].shade >= 0 && map.cells[3 * r + c].shade <= 1));
  }
}

TEST_CASE("nodes that are loaded alike are drawn once") {
  const Simulated s = simulated("llama3-8b-64xh100-fsdp2");  // one stage: all eight nodes do the same
  const ParsedPicture p = parsed(topology_load_svg(s.job.cluster, link_loads(s.job, s.step), {"p", 960}), "p");
  CHECK(says(p, "nodes 0–7 (× 8, loaded alike)"));
  CHECK_FALSE(says(p, "node 1"));
  // A wire for each of 8 GPUs to the NVSwitch, 8 to NICs, and 8 NICs to the fabric.
  CHECK(p.drawn("line").size() == 24);
}

TEST_CASE("what users named is text, not markup") {
  Simulated s = simulated("llama3-8b-64xh100-fsdp2");
  const std::string name = "<script>alert(1)</script>\"'&\x01\xff";
  s.job.cluster.node.gpus.assign(8, name);
  s.job.cluster.fabric.network = name;
  const auto loads = link_loads(s.job, s.step);
  const std::string text = topology_load_svg(s.job.cluster, loads, {"p", 2000});
  CHECK(text.find("<script") == std::string::npos);
  CHECK(text.find('\x01') == std::string::npos);
  CHECK(says(parsed(text, "p"), "<script>alert(1)</script>\"'&?"));
}

TEST_CASE("where there is nothing to draw there is no picture") {
  const PictureFrame frame;
  CHECK(pipeline_svg({}, frame).empty());
  CHECK(breakdown_svg({}, frame).empty());
  CHECK(overlap_svg({}, frame).empty());
  CHECK(memory_svg({}, frame).empty());
  CHECK(memory_curves_svg({}, 1_s, 1_GiB, frame).empty());
  CHECK(heat_map_svg({}, frame).empty());
  CHECK(topology_load_svg(testing::hand_built_job().cluster, {}, frame).empty());
}

}  // namespace
}  // namespace trainyard
