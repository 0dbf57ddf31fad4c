#include <catch2/catch.hpp>
#include <sstream>

#include "analysis/memory_text.hpp"
#include "analysis/pipeline_picture.hpp"
#include "tests/support/hand_built_step.hpp"

namespace trainyard {
namespace {

using Catch::Contains;

constexpr TextStyle narrow{.colour = false, .width = 39, .unicode = true};

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

PipelinePicture picture() { return pipeline_picture(testing::hand_built_step()); }

PipelinePicture stages(int count) {
  PipelinePicture p;
  p.end = 10_ms;
  for (int s = 0; s < count; ++s) p.rows.push_back({s, 1, {{Seconds(0), 10_ms, BarKind::forward, 0}}});
  return p;
}

TEST_CASE("a stage is a line: upper half forward, lower half backward, blank bubble") {
  // 39 columns less 19 are 20 cells of 0.5 ms. Stage 0: F0 0-1, F1 1-2, nothing until 6, B0 -7.5, B1 -9, waiting -10.
  // Numbers stand where a bar has a cell on both sides of them: three cells.
  const std::vector<std::string> lines = lines_of(pipeline_text(picture(), narrow));
  REQUIRE(lines.size() >= 3);
  CHECK(lines[0] == "  stage  ╷0           10.00 ms╷  bubble");
  CHECK(lines[1] == "      0  │▀▀▀▀        ▄0▄▄1▄░░│  40.0 %");  // 4 of 10 ms
  CHECK(lines[2] == "      1  │   ▀▀▀1▀▄0▄▄1▄    ░░│  35.0 %");  // 1.5 + 2 of 10 ms
}

TEST_CASE("without UTF-8 a stage is a line of letters") {
  TextStyle ascii = narrow;
  ascii.unicode = false;
  const std::string text = pipeline_text(picture(), ascii);
  CHECK_THAT(text, Contains("|FFFF........B0BB1B~~|"));
  CHECK_THAT(finished(text, ascii), !Contains("?"));
}

TEST_CASE("kinds that alternate faster than columns fill as many of them as their share") {
  // 100 forwards of 1 and backwards of 2 in 20 columns: a third, or 6 to 7, are forwards.
  PipelinePicture fast;
  fast.rows.resize(1);
  for (int i = 0; i < 100; ++i) {
    const double at = 3.0 * i;
    fast.rows[0].bars.push_back({Seconds(at), Seconds(at + 1), BarKind::forward, i});
    fast.rows[0].bars.push_back({Seconds(at + 1), Seconds(at + 3), BarKind::backward, i});
  }
  fast.end = Seconds(300);
  TextStyle ascii = narrow;
  ascii.unicode = false;
  const std::string line = lines_of(pipeline_text(fast, ascii)).at(1);
  const auto forwards = std::count(line.begin(), line.end(), 'F');
  CHECK(forwards >= 6);
  CHECK(forwards <= 7);
}

TEST_CASE("the legend names what occurs") {
  const std::string text = pipeline_text(picture(), {.colour = false, .width = 100, .unicode = true});
  CHECK_THAT(text, Contains("▀ forward · ▄ backward · ░ waiting for communication · blank: bubble"));
  CHECK_THAT(text, !Contains("optimizer"));
}

TEST_CASE("sixteen stages are all drawn, of more every k-th and the last") {
  const TextStyle style{.colour = false, .width = 80, .unicode = true};
  CHECK(lines_of(pipeline_text(stages(16), style)).size() == 18);  // head, 16, legend
  const std::string forty = pipeline_text(stages(40), style);      // 0, 3, … 39
  CHECK(lines_of(forty).size() == 16);
  CHECK_THAT(forty, Contains("14 of 40 stages"));
  CHECK_THAT(pipeline_text(stages(41), style), Contains("     40  │"));
}

TEST_CASE("pictures are as wide as the style and coloured only if it says so") {
  for (const int width : {60, 80, 100, 120}) {
    TextStyle style{.colour = false, .width = width, .unicode = true};
    const std::string text =
        pipeline_text(picture(), style) + memory_bars(testing::hand_built_step().result.memory, style);
    for (const std::string& line : lines_of(text)) {
      INFO(line);
      CHECK(columns(line) <= static_cast<std::size_t>(width));
    }
    CHECK_THAT(text, !Contains("\x1b"));
    style.colour = true;
    CHECK_THAT(pipeline_text(picture(), style), Contains("\x1b["));
  }
}

TEST_CASE("a picture of nothing is no text") {
  CHECK(pipeline_text({}, narrow).empty());
  CHECK(memory_bars({}, narrow).empty());
}

MemoryLedger ledger_of(std::vector<Bytes> owners, Bytes reserved) {
  MemoryLedger ledger;
  ledger.limit = 40_GiB;
  StageMemory stage;
  for (std::size_t o = 0; o < owners.size(); ++o) {
    stage.at_peak[o] = owners[o];
    stage.allocated += owners[o];
  }
  stage.reserved = reserved;
  ledger.stages = {stage};
  return ledger;
}

TEST_CASE("a memory bar shows owners one after the other, the reserve and the limit") {
  // 40 columns less 20 are 20 cells of 2 GiB: 4, 4, 8 and 8 GiB, 4 more reserved, the limit behind the 20th.
  const TextStyle style{.colour = false, .width = 40, .unicode = true};
  const std::string text = memory_bars(ledger_of({4_GiB, 4_GiB, 8_GiB, 8_GiB}, 28_GiB), style);
  CHECK(lines_of(text)[0] == "      0  │██▓▓▒▒▒▒░░░░╌╌      ┃    24.0");
  CHECK_THAT(text, Contains("limit 40.0 GiB"));
  TextStyle ascii = style;
  ascii.unicode = false;
  CHECK_THAT(memory_bars(ledger_of({4_GiB, 4_GiB, 8_GiB, 8_GiB}, 28_GiB), ascii), Contains("|WWGGOOOOaaaa..      !"));
}

TEST_CASE("a stage over the limit reaches beyond it") {
  // 80 GiB are the 20 cells: the limit is the 11th.
  const TextStyle style{.colour = false, .width = 40, .unicode = true};
  const std::string text = memory_bars(ledger_of({80_GiB}, 80_GiB), style);
  CHECK(lines_of(text)[0] == "      0  │██████████┃█████████     80.0");
}

}  // namespace
}  // namespace trainyard
