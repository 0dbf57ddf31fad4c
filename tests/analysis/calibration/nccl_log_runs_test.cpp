// Published outputs of nccl-tests against what is known of each: nodes, ranks and highest bus bandwidth.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <map>

#include "analysis/calibration/measurements_file.hpp"
#include "models/collective_cost.hpp"

using namespace trainyard;

namespace {

namespace fs = std::filesystem;
const fs::path folder = fs::path(TRAINYARD_SOURCE_DIR) / "../shared/data/nccl_runs";

struct Known {
  CollectiveKind kind;
  int ranks;
  int nodes;  // 1 where the output has no list of devices
  std::size_t samples;
  double bus_bandwidth;  // GB/s, the highest of the output
};
constexpr auto AR = CollectiveKind::all_reduce;
constexpr auto AG = CollectiveKind::all_gather;
constexpr auto RS = CollectiveKind::reduce_scatter;
constexpr auto A2A = CollectiveKind::all_to_all;
constexpr auto BC = CollectiveKind::broadcast;

// Samples: two per row of data, less a slow first one.
const std::map<std::string, Known> runs = {
    {"003", {AR, 16, 1, 58, 78.33}},   {"005", {AR, 16, 1, 12, 437.89}}, {"007", {AR, 128, 1, 5, 369.86}},
    {"012", {AG, 16, 1, 20, 71.35}},   {"013", {AG, 16, 1, 52, 188.9}},  {"014", {AG, 16, 1, 48, 335.67}},
    {"016", {AG, 64, 1, 46, 45.65}},   {"017", {AR, 16, 1, 60, 188.7}},  {"020", {AR, 8, 1, 64, 480.16}},
    {"022", {AR, 72, 18, 10, 846.82}}, {"029", {AR, 16, 1, 61, 468.46}}, {"030", {AR, 8, 2, 50, 123.11}},
    {"034", {AG, 8, 1, 58, 230.07}},   {"035", {AR, 8, 1, 64, 235.26}},  {"036", {A2A, 8, 1, 58, 226.16}},
    {"037", {BC, 8, 1, 64, 234.7}},    {"039", {RS, 8, 1, 58, 231.52}},  {"043", {AR, 8, 1, 12, 458.66}},
    {"051", {AR, 16, 2, 8, 189.6}},    {"054", {AR, 64, 8, 2, 240.18}},  {"055", {AR, 64, 8, 2, 320.92}},
    {"056", {AR, 64, 8, 2, 329.81}},   {"057", {AR, 64, 8, 2, 323.75}},  {"058", {AR, 64, 8, 2, 240.18}},
    {"064", {AR, 16, 2, 63, 469.21}},  {"066", {AR, 64, 8, 28, 321.03}}, {"070", {A2A, 16, 2, 48, 41.9}},
    {"071", {AG, 2, 1, 52, 3.84}},     {"072", {BC, 2, 1, 56, 11.09}},   {"079", {AR, 4, 1, 4, 685.27}},
    {"080", {AR, 8, 2, 4, 842.11}},    {"081", {AR, 64, 16, 4, 930.6}},  {"083", {A2A, 4, 1, 4, 680.7}},
    {"085", {A2A, 64, 16, 4, 666.92}}, {"087", {AR, 8, 1, 2, 135.5}}};

const std::map<std::string, std::string> refusals = {{"011", ":5: time 'XXXXX' is masked"},
                                                     {"033", ":8: nothing says how many ranks took part"},
                                                     {"075", ":9: one rank communicates with nobody"}};

bool present() {
  if (fs::exists(folder)) return true;
  WARN("skipped: there are no published outputs beside the source tree");
  return false;
}

double highest_bus_bandwidth(const Measurements& m) {
  double best = 0;
  for (const CollectiveSample& s : m.collectives)
    best = std::max(best, bus_factor(s.kind, s.ranks) * (s.size / s.time).value / 1e9);
  return best;
}

}  // namespace

TEST_CASE("Published nccl-tests outputs are read as what they are known to be, or refused for their reason") {
  if (!present()) return;
  std::size_t seen = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".txt") continue;
    ++seen;
    const std::string number = entry.path().filename().string().substr(0, 3);
    CAPTURE(entry.path().filename().string());
    if (const auto refused = refusals.find(number); refused != refusals.end()) {
      CHECK_THROWS_WITH(read_measurements_file(entry.path().string(), {}), Catch::Contains(refused->second));
      continue;
    }
    const auto known = runs.find(number);
    REQUIRE(known != runs.end());
    const Known& k = known->second;
    const Measurements m = read_measurements_file(entry.path().string(), {});
    CHECK(m.collectives.size() == k.samples);
    CHECK(m.collectives.at(0).kind == k.kind);
    CHECK(m.collectives.at(0).ranks == k.ranks);
    CHECK(m.collectives.at(0).nodes == k.nodes);
    // Times are printed with four significant digits and more: half a digit of the fourth is 0.05 %.
    CHECK(highest_bus_bandwidth(m) == Approx(k.bus_bandwidth).epsilon(5e-4).margin(0.005));
  }
  CHECK(seen == runs.size() + refusals.size());
}

TEST_CASE("A send-receive without ranks is read once they are said") {
  if (!present()) return;
  MeasurementChoices eight;
  eight.ranks = 8;
  const Measurements m = read_measurements_file((folder / "033-a100-8-sendrecv.txt").string(), eight);
  CHECK(m.collectives.size() == 8);
  CHECK(highest_bus_bandwidth(m) == Approx(195.56).epsilon(5e-4));
}
