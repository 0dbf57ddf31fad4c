// The lines that nccl-tests 2.17 prints (src/common.cu), with comments for what it cannot know.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "analysis/collective_table.hpp"
#include "analysis/version.hpp"

namespace trainyard {
namespace {

constexpr int most_listed_ranks = 64;     // more are elided between the first and the last node
constexpr int most_grouped_ranks = 1024;  // several communicators are listed whole or not at all
constexpr std::size_t most_named_links = 4;
constexpr double noticeable = 1.01;  // slowdown

double microseconds(Seconds t) { return t.value * 1e6; }
double gigabytes(BytesPerSecond rate) { return rate.value * 1e-9; }

// A name from a user's file stays inside its comment.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, '?');
  return text;
}

// Seven columns: two decimals up to 9999.99, one up to 99999.9, then none.
std::string time_text(Seconds t) {
  const double us = microseconds(t);
  const int decimals = us < 1e4 ? 2 : us < 1e5 ? 1 : 0;
  return fmt::format("{:7.{}f}", us, decimals);
}

std::string figures(const CollectiveTable& table, const CollectiveRow& row, bool in_place) {
  const bool exchange =
      table.test.kind == CollectiveKind::all_to_all || table.test.kind == CollectiveKind::send_receive;
  const bool checked = table.test.arguments.check && !(in_place && exchange);  // what these tests check
  return fmt::format("  {}  {:6.2f}  {:6.2f}  {:>6}", time_text(row.time), gigabytes(algorithm_bandwidth(row)),
                     gigabytes(table.bus_bandwidth(row)), checked ? "0" : "N/A");
}

bool reduces(CollectiveKind kind) {
  return kind == CollectiveKind::all_reduce || kind == CollectiveKind::reduce_scatter ||
         kind == CollectiveKind::send_receive;  // which prints the operation although it reduces nothing
}

std::string row_text(const CollectiveTable& table, const CollectiveRow& row) {
  const NcclTestsArguments& a = table.test.arguments;
  const int root = table.test.kind == CollectiveKind::broadcast ? a.root : -1;
  return fmt::format("{:>12}  {:>12}  {:>8}  {:>6}  {:>6}{}{}\n", row.size.bytes, row.size.count, a.type.name,
                     reduces(table.test.kind) ? std::string_view(a.reduction) : "none", root,
                     figures(table, row, false), figures(table, row, true));
}

std::string start_text(const CollectiveTable& table) {
  const NcclTestsArguments& a = table.test.arguments;
  const bool factor = a.sizes.factor > 1;
  const std::string limit =
      a.limited ? fmt::format("#\n# Reducing maxBytes to {} due to memory limitation\n", a.sizes.last) : "";
  return fmt::format(
      "# trainyard {}: simulated, not measured\n{}"
      "# Collective test starting: {}_perf\n"
      "# nThread {} nGpus {} minBytes {} maxBytes {} step: {}({}) warmup iters: {} iters: {} agg iters: 1 validation: "
      "{} "
      "graph: 0\n#\n",
      version(), limit, nccl_tests_name(table.test.kind), a.threads, a.gpus_of_thread, a.sizes.first, a.sizes.last,
      factor ? a.sizes.factor : a.sizes.step, factor ? "factor" : "bytes", a.warmup_iterations, a.iterations,
      a.check ? 1 : 0);
}

std::string rank_text(const CollectiveTable& table, int rank) {
  const int per_node = table.test.gpus_per_node;
  return fmt::format("#  Rank {:2} Group {:2} Pid      0 on {:>10} device {:2} [simulated] {}\n", rank,
                     table.group_of(rank), fmt::format("node-{}", rank / per_node), rank % per_node,
                     one_line(table.device));
}

// nccl-tests lists all; its readers, ours too, take "..." for ranks that were cut out.
std::string devices_text(const CollectiveTable& table) {
  const int ranks = table.ranks(), per_node = table.test.gpus_per_node;
  if (table.test.groups > 1 && ranks > most_grouped_ranks) return {};
  std::string text = "# Using devices\n";
  const bool whole = table.test.groups > 1 || ranks <= std::max(most_listed_ranks, 2 * per_node);
  for (int r = 0; r < (whole ? ranks : per_node); ++r) text += rank_text(table, r);
  if (whole) return text;
  text += "...\n";
  for (int r = ranks - per_node; r < ranks; ++r) text += rank_text(table, r);
  return text;
}

std::string plural(int n, std::string_view what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

std::string machine_text(const CollectiveTable& t) {
  const CollectiveTest& test = t.test;
  const std::string rule = test.order == GroupOrder::strided ? fmt::format("rank mod {}", test.groups)
                                                             : fmt::format("rank / {}", t.group_size());
  std::string text =
      fmt::format("#\n# cluster {}: {} of {}; profiles {}, {}\n", one_line(t.cluster), plural(t.nodes, "node"),
                  plural(test.gpus_per_node, "GPU"), one_line(t.device), one_line(t.network));
  text += test.groups == 1 ? fmt::format("# one communicator of {} ranks\n", t.group_size())
                           : fmt::format(
                                 "# {} communicators of {} ranks at the same time, number = {}; times are of the "
                                 "slowest\n",
                                 test.groups, t.group_size(), rule);
  if (t.slow_gpus) text += "# slow GPUs and jitter change kernels beside a collective, none of which runs here\n";
  return text;
}

bool same_way(const CollectiveRow& a, const CollectiveRow& b) {
  const CollectiveCost &x = a.alone, &y = b.alone;
  return x.algorithm == y.algorithm && x.protocol == y.protocol && x.channels == y.channels &&
         x.slowest_link == y.slowest_link && x.measured == y.measured;
}

std::string way_text(const CollectiveCost& cost) {
  std::string text(cost.algorithm);
  if (!cost.protocol.empty()) text += fmt::format(", {}", cost.protocol);
  if (cost.channels > 0) text += fmt::format(", {}", plural(cost.channels, "channel"));
  text += fmt::format(", over {}", name(cost.slowest_link));
  return text + (cost.measured ? ", measured curve" : "");
}

// One line per range of sizes that go the same way.
std::string algorithms_text(const CollectiveTable& table) {
  std::string text;
  for (auto first = table.rows.begin(); first != table.rows.end();) {
    const auto end =
        std::find_if(first, table.rows.end(), [&](const CollectiveRow& r) { return !same_way(*first, r); });
    const std::string from = message_size_text(first->size.bytes), to = message_size_text((end - 1)->size.bytes);
    if (first->size.bytes > 0) text += fmt::format("#   {:>6} to {:>6}  {}\n", from, to, way_text(first->alone));
    first = end;
  }
  return text.empty() ? "# no row moves any byte: give larger sizes\n" : "# algorithm, protocol by size\n" + text;
}

std::string error_text(const CollectiveTable& table) {
  const bool curves = std::any_of(table.rows.begin(), table.rows.end(), [](const auto& r) { return r.alone.measured; });
  if (curves && !table.curve_residual.empty()) return fmt::format("# error of the curves: {}\n", table.curve_residual);
  return "# error of the formulas: in the median of published tables at most 6 % from 16M on, 12 % below 1M\n";
}

// The largest of those that lose most.
const CollectiveRow& worst_row(const CollectiveTable& table) {
  return *std::max_element(table.rows.rbegin(), table.rows.rend(),
                           [](const auto& a, const auto& b) { return a.slowdown() < b.slowdown(); });
}

std::string slowdown_text(const CollectiveTable& table) {
  const CollectiveRow& worst = worst_row(table);
  if (worst.slowdown() < noticeable)
    return table.test.groups > 1 ? "# the communicators do not slow each other down\n" : "";
  const auto first = std::find_if(table.rows.begin(), table.rows.end(),
                                  [](const CollectiveRow& r) { return r.slowdown() >= noticeable; });
  return fmt::format("# slower than one alone on healthy links from {} on: {:.2f} times as long at {}\n",
                     message_size_text(first->size.bytes), worst.slowdown(), message_size_text(worst.size.bytes));
}

std::string link_text(const LinkPressure& link, int groups) {
  const std::string health = link.health < 1 ? fmt::format(", at {:.0f} % of its width", 100 * link.health) : "";
  return fmt::format("#   {} ({}){}: {} of {} communicators want{} {:.1f} of {:.1f} GB/s\n", link.link,
                     name(link.link_class), health, link.communicators, groups, link.communicators == 1 ? "s" : "",
                     gigabytes(link.wanted), gigabytes(link.carries));
}

std::string contention_text(const CollectiveTable& table) {
  if (table.rows.empty()) return {};
  std::string text = slowdown_text(table);
  if (table.links.empty()) return text;
  text += "# short or degraded links\n";
  for (std::size_t i = 0; i < std::min(most_named_links, table.links.size()); ++i)
    text += link_text(table.links[i], table.test.groups);
  return text;
}

std::string titles_text() {
  return fmt::format(
      "#\n# {0:>10}  {0:>12}  {0:>8}  {0:>6}  {0:>6}           out-of-place                       in-place          \n"
      "# {1:>10}  {2:>12}  {3:>8}  {4:>6}  {5:>6}  {6:>7}  {7:>6}  {8:>6}  {9:>6}  {6:>7}  {7:>6}  {8:>6}  {9:>6}\n"
      "# {10:>10}  {11:>12}  {0:>8}  {0:>6}  {0:>6}  {12:>7}  {13:>6}  {13:>6}  {0:>6}  {12:>7}  {13:>6}  {13:>6}  "
      "{0:>6}\n",
      "", "size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong", "(B)", "(elements)", "(us)",
      "(GB/s)");
}

}  // namespace

std::string collective_text(const CollectiveTable& table) {
  std::string text = start_text(table) + devices_text(table) + machine_text(table) + algorithms_text(table) +
                     contention_text(table) + error_text(table) + "# in place is predicted as out of place\n" +
                     titles_text();
  for (const CollectiveRow& row : table.rows) text += row_text(table, row);
  text += "# Out of bounds values : 0 OK\n";
  text += fmt::format("# Avg bus bandwidth    : {:g} \n#\n", gigabytes(table.mean_bus_bandwidth()));
  return text + fmt::format("# Collective test concluded: {}_perf\n#\n", nccl_tests_name(table.test.kind));
}

}  // namespace trainyard
