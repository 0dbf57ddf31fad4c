// Published outputs of nccl-tests against the times that collective_cost predicts for the same machine: an index beside
// the tables says what each ran on. No constant belongs to a table.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>

#include "analysis/calibration/measurements_file.hpp"
#include "analysis/validation/csv_table.hpp"
#include "models/collective_cost.hpp"
#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

namespace fs = std::filesystem;
const fs::path folder = fs::path(TRAINYARD_SOURCE_DIR) / "../shared/data/nccl_runs";

constexpr double small_below = 1e6;  // bytes: latency
constexpr double large_from = 16e6;  // bytes: bandwidth

bool matches(const std::string& text, const char* pattern) {
  return std::regex_search(text, std::regex(pattern, std::regex::icase));
}

struct Rule {
  const char* pattern;
  const char* profile;
  double nvlink;  // GB/s per GPU and direction; 0 where it does not apply
  bool multicast;
};
constexpr Rule gpus[] = {{"gb[23]00", "gb200-186gb", 900, true},    {"b200", "b200-sxm-180gb", 900, true},
                         {"h200", "h200-sxm-141gb", 450, true},     {"h100|h800", "h100-sxm-80gb", 450, true},
                         {"a100.*40", "a100-sxm-40gb", 300, false}, {"a100", "a100-sxm-80gb", 300, false},
                         {"v100", "v100-sxm2-32gb", 150, false}};
constexpr Rule networks[] = {{"efa.*x100g", "efa-v1", 0, false},   {"efav2", "efa-v2", 0, false},
                             {"efav3", "efa-v3", 0, false},        {"efa", "efa", 0, false},
                             {"tcpxo", "tcpxo", 0, false},         {"tcpx", "tcpx", 0, false},
                             {"slingshot", "slingshot", 0, false}, {"\\bib\\b|infiniband", "infiniband", 0, false},
                             {"roce", "roce", 0, false},           {"ethernet|tcp", "ethernet", 0, false}};

template <std::size_t N>
const Rule* rule_for(const Rule (&rules)[N], const std::string& text) {
  for (const Rule& rule : rules)
    if (matches(text, rule.pattern)) return &rule;
  return nullptr;
}

// GB/s of a node: "8x400G" or "(3200 Gb/s)".
double node_rate(const std::string& text) {
  std::smatch found;
  if (std::regex_search(text, found, std::regex("(\\d+)x(\\d+)G")))
    return std::stod(found[1]) * std::stod(found[2]) / 8;
  if (std::regex_search(text, found, std::regex("(\\d+) ?Gb/s"))) return std::stod(found[1]) / 8;
  return 0;
}

struct Machine {
  std::string device;
  std::string network = "single-node";
  std::vector<Tier> tiers;
  int ranks = 0, nodes = 1;
  int ranks_of_thread = 1;  // nccl-tests' -g
  std::string why_not;      // the table cannot be mapped
};

// A row of the index by the names of its columns.
struct Row {
  const CsvTable& table;
  const CsvRecord& record;
  std::string text(std::string_view column) const {
    const auto at = table.column(column);
    return at ? record.fields.at(*at) : std::string();
  }
};

int leading_number(const std::string& text) { return text.empty() ? 0 : std::atoi(text.c_str()); }

Machine machine_of(const Row& row) {
  Machine m;
  const std::string inside = row.text("intra_link");
  m.nodes = leading_number(row.text("nodes"));
  const int per_node = leading_number(row.text("gpus_per_node"));
  m.ranks = m.nodes * per_node;
  const Rule* gpu = rule_for(gpus, row.text("gpu_model"));
  if (!gpu) return m.why_not = "no device profile of this GPU", m;
  m.device = gpu->profile;
  const bool rack = matches(inside, "nvl72");
  const bool switched = gpu->multicast && !matches(inside, "all-to-all|mesh");
  m.tiers = {{rack ? m.ranks : per_node, LinkClass::nvlink, BytesPerSecond(gpu->nvlink * 1e9), {}, switched}};
  if (m.nodes == 1 || rack) return m;
  const Rule* network = rule_for(networks, row.text("inter_network"));
  const double rate = node_rate(row.text("inter_network"));
  if (!network || rate <= 0) return m.why_not = "no network or no rate stated", m;
  m.network = network->profile;
  m.tiers.push_back({m.nodes, LinkClass::net, BytesPerSecond(rate * 1e9 / per_node)});
  return m;
}

struct Point {
  double bytes = 0;
  double error = 0;  // predicted over measured time - 1
};
struct Table {
  std::string file;
  std::vector<Point> points;
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}
std::vector<double> absolute_errors(const std::vector<Point>& points, double from, double below) {
  std::vector<double> errors;
  for (const Point& p : points)
    if (p.bytes >= from && p.bytes < below) errors.push_back(std::fabs(p.error));
  return errors;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// From the first line that nccl-tests prints: "# nThread 1 nGpus 8 minBytes …".
int ranks_of_thread(const std::string& text) {
  std::smatch found;
  return std::regex_search(text, found, std::regex("nGpus (\\d{1,4})")) ? std::stoi(found[1]) : 1;
}

std::optional<Table> compared(const Row& row) {
  Machine m = machine_of(row);
  const std::string file = row.text("file");
  m.ranks_of_thread = ranks_of_thread(read_file(folder / file));
  if (!m.why_not.empty()) {
    fmt::print("{:40} not mapped: {}\n", file, m.why_not);
    return std::nullopt;
  }
  MeasurementChoices choices;
  choices.nodes = m.nodes;
  choices.ranks = m.ranks;
  const DeviceProfile device = load_device_profile(m.device);
  const NetworkProfile network = load_network_profile(m.network);
  Table table{file, {}};
  for (const CollectiveSample& s : read_measurements_file((folder / file).string(), choices).collectives) {
    if (s.size.value <= 0) continue;
    const CollectiveCost cost = collective_cost(s.kind, s.size, m.tiers, device, network);
    const Seconds time = std::max(cost.time, launch_time(s.kind, m.ranks, m.ranks_of_thread));
    table.points.push_back({s.size.value, time / s.time - 1});
    if (std::getenv("TRAINYARD_NCCL_POINTS") && !s.in_place)
      fmt::print("  {:>12.0f} B {:10.1f} us measured {:10.1f} us predicted {:+6.1f} % {} {} {}\n", s.size.value,
                 s.time.value * 1e6, time.value * 1e6, 100 * table.points.back().error, cost.algorithm, cost.protocol,
                 cost.measured ? "curve" : "");
  }
  return table;
}

struct Errors {
  double large = 0;  // median |error| of bus bandwidth
  double small = 0;  // of latency
};
Errors errors_of(const std::vector<Point>& points) {
  constexpr double endless = 1e18;
  return {median(absolute_errors(points, large_from, endless)), median(absolute_errors(points, 0, small_below))};
}

// Tables that the reader refuses for their content, as its own test names them.
bool refused(const std::string& file) {
  for (const char* number : {"011", "075"})
    if (file.starts_with(number)) return true;
  return false;
}

std::vector<Table> compared_tables() {
  const fs::path index_file = folder / "INDEX.csv";
  const CsvTable index = parse_csv(read_file(index_file), index_file.string());
  std::vector<Table> tables;
  for (const CsvRecord& record : index.records) {
    const Row row{index, record};
    if (refused(row.text("file"))) continue;
    if (auto table = compared(row)) tables.push_back(std::move(*table));
  }
  return tables;
}

}  // namespace

TEST_CASE("published nccl-tests tables are predicted within 6 % from 16 MB on and 12 % below 1 MB, in the median") {
  if (!fs::exists(folder / "INDEX.csv")) {
    WARN("skipped: there are no published outputs beside the source tree");
    return;
  }
  std::vector<Point> all;
  for (const Table& table : compared_tables()) {
    const Errors e = errors_of(table.points);
    fmt::print("{:40} {:3} points, median |error| {:5.1f} % from 16 MB on, {:5.1f} % below 1 MB\n", table.file,
               table.points.size(), 100 * e.large, 100 * e.small);
    all.insert(all.end(), table.points.begin(), table.points.end());
  }
  const Errors e = errors_of(all);
  fmt::print("{:40} {:3} points, median |error| {:5.1f} % from 16 MB on, {:5.1f} % below 1 MB\n", "all tables",
             all.size(), 100 * e.large, 100 * e.small);
  CHECK(all.size() > 500);
  CHECK(e.large <= 0.06);
  CHECK(e.small <= 0.12);
}
