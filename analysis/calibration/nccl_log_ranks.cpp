#include "analysis/calibration/nccl_log_ranks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <set>
#include <vector>

#include "models/collective_cost.hpp"

namespace trainyard {
namespace {

struct CollectiveWord {
  std::string_view word;  // letters only
  std::optional<CollectiveKind> kind;
};
constexpr std::array words = {CollectiveWord{"allreduce", CollectiveKind::all_reduce},
                              CollectiveWord{"allgather", CollectiveKind::all_gather},
                              CollectiveWord{"reducescatter", CollectiveKind::reduce_scatter},
                              CollectiveWord{"alltoallv", std::nullopt},
                              CollectiveWord{"alltoall", CollectiveKind::all_to_all},
                              CollectiveWord{"broadcast", CollectiveKind::broadcast},
                              CollectiveWord{"sendrecv", CollectiveKind::send_receive},
                              CollectiveWord{"sendreceive", CollectiveKind::send_receive},
                              CollectiveWord{"hypercube", std::nullopt},
                              CollectiveWord{"reduce", std::nullopt},
                              CollectiveWord{"gather", std::nullopt},
                              CollectiveWord{"scatter", std::nullopt}};
// As people shorten them in the names of files.
constexpr std::array short_words = {
    CollectiveWord{"ar", CollectiveKind::all_reduce},     CollectiveWord{"ag", CollectiveKind::all_gather},
    CollectiveWord{"rs", CollectiveKind::reduce_scatter}, CollectiveWord{"a2a", CollectiveKind::all_to_all},
    CollectiveWord{"bcast", CollectiveKind::broadcast},   CollectiveWord{"sendrecv", CollectiveKind::send_receive}};

constexpr double tolerance_of_rate = 0.05;  // between size / time and algbw: the test averages both over its iterations
constexpr double digits_needed = 10;        // figures of fewer roundings say nothing about the factor
constexpr std::int64_t most_ranks = 1'000'000;
constexpr std::string_view operation_hint = "say which with --operation all_reduce, all_gather, alltoall …";

std::string letters_of(std::string_view word) {
  std::string letters;
  for (const char c : word)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return letters;
}

const CollectiveWord* find_word(std::string_view word) {
  const std::string letters = letters_of(word);
  const auto* found =
      std::find_if(words.begin(), words.end(), [&](const CollectiveWord& w) { return w.word == letters; });
  return found == words.end() ? nullptr : found;
}

template <class Visit>
void for_each_cell(const NcclRow& row, Visit visit) {
  if (row.out_of_place) visit(*row.out_of_place);
  if (row.in_place) visit(*row.in_place);
}

void check_rate(const NcclRow& row, const NcclCell& cell) {
  if (cell.time.value <= 0) throw InputError(row.where, "the time is 0", "a measured time is above 0");
  const double shortest = std::max(cell.time.value - cell.time.rounding, 1e-3);
  const double slowest = row.size / (cell.time.value + cell.time.rounding) * 1e-3;  // GB/s of bytes per µs
  const double fastest = row.size / shortest * 1e-3;
  const PrintedNumber& printed = cell.algorithm_bandwidth;
  if (printed.value + printed.rounding < slowest * (1 - tolerance_of_rate) ||
      printed.value - printed.rounding > fastest * (1 + tolerance_of_rate))
    throw InputError(
        row.where,
        fmt::format("algbw {} GB/s is not size / time, {:.4g} GB/s", printed.value, row.size / cell.time.value * 1e-3),
        "the row is edited or cut");
}

bool says_factor(const NcclCell& cell) {
  return cell.algorithm_bandwidth.value >= digits_needed * cell.algorithm_bandwidth.rounding;
}

FactorRange factor_of(const NcclCell& cell) {
  const PrintedNumber& a = cell.algorithm_bandwidth;
  const PrintedNumber& b = cell.bus_bandwidth;
  return {std::max(b.value - b.rounding, 0.0) / (a.value + a.rounding),
          (b.value + b.rounding) / (a.value - a.rounding)};
}

// Of a file's name, cut at everything that is neither letter nor digit.
std::vector<std::string> name_words(const std::string& file) {
  std::vector<std::string> result(1);
  for (const char c : file.substr(file.find_last_of('/') + 1)) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      result.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else
      result.emplace_back();
  }
  return result;
}

std::optional<CollectiveKind> kind_in_name(const std::string& file) {
  const std::string letters = letters_of(file.substr(file.find_last_of('/') + 1));
  for (const CollectiveWord& w : words)
    if (w.kind && letters.find(w.word) != std::string::npos) return w.kind;
  for (const std::string& part : name_words(file))
    for (const CollectiveWord& w : short_words)
      if (part == w.word) return w.kind;
  return std::nullopt;
}

// Whether any number of ranks gives such a factor: 2(n-1)/n from 1, (n-1)/n from 1/2, or 1.
bool possible(CollectiveKind kind, const FactorRange& factor) {
  switch (kind) {
    case CollectiveKind::all_reduce:
      return factor.high >= 1 && factor.low < 2;
    case CollectiveKind::all_gather:
    case CollectiveKind::reduce_scatter:
    case CollectiveKind::all_to_all:
      return factor.high >= 0.5 && factor.low < 1;
    case CollectiveKind::broadcast:
    case CollectiveKind::send_receive:
      return factor.low <= 1 && factor.high >= 1;
  }
  return false;
}

double element_bytes(std::string_view type) {
  if (type.starts_with("half") || type.starts_with("bf")) return 2;
  if (type.starts_with("double") || type.find("64") != std::string_view::npos) return 8;
  if (type.starts_with("float") || type.find("32") != std::string_view::npos) return 4;
  return 1;  // int8, uint8, fp8
}

bool counts_per_rank(CollectiveKind kind) {
  return kind == CollectiveKind::all_gather || kind == CollectiveKind::reduce_scatter ||
         kind == CollectiveKind::all_to_all;
}

// Gathers, scatters and all-to-all print the elements of one rank's share beside the whole size.
std::optional<int> ranks_by_count(const NcclTable& table) {
  const NcclRow& row = table.rows.back();
  if (row.count <= 0) return std::nullopt;
  const double ranks = row.size / (row.count * element_bytes(row.type));
  if (ranks < 1.5 || ranks > 1e6 || ranks != std::floor(ranks)) return std::nullopt;
  return static_cast<int>(ranks);
}

std::optional<CollectiveKind> guessed_kind(const NcclTable& table, const FactorRange& factor, const std::string& file) {
  if (factor.low > 1) return CollectiveKind::all_reduce;  // the only factor above 1
  if (const auto named = kind_in_name(file); named && possible(*named, factor)) return named;
  const std::string& reduction = table.rows.front().reduction;
  if (factor.high < 1 && !reduction.empty() && reduction != "none" && ranks_by_count(table))
    return CollectiveKind::reduce_scatter;
  return std::nullopt;
}

// n of busbw / algbw = f; infinite from f = 2 (1) on.
double ranks_with(CollectiveKind kind, double factor) {
  const double limit = kind == CollectiveKind::all_reduce ? 2 : 1;
  return factor >= limit ? std::numeric_limits<double>::infinity() : limit / (limit - factor);
}

std::optional<int> ranks_by_factor(const NcclTable& table, CollectiveKind kind, const FactorRange& factor) {
  const double low = std::ceil(ranks_with(kind, factor.low) - 1e-6);
  const double high = std::floor(ranks_with(kind, factor.high) + 1e-6);
  if (low == high && low <= most_ranks) return static_cast<int>(low);
  if (low > high)
    throw InputError(
        table.rows.back().where,
        fmt::format("busbw / algbw is {:.4f}, which no number of ranks gives for {}", factor.high, name(kind)),
        std::string(operation_hint));
  return std::nullopt;
}

struct ListedRanks {
  std::int64_t ranks = 0;  // 0 = the list does not say
  std::int64_t nodes = 0;
};
// The ranks of the first group: with NCCL_TESTS_SPLIT the collective runs inside each.
ListedRanks listed(const NcclHeading& heading) {
  if (heading.ranks.empty()) return {};
  std::set<std::int64_t> numbers, devices;
  std::set<std::string> hosts;
  const int group = heading.ranks.front().group;
  std::int64_t highest = 0;
  for (const NcclRank& r : heading.ranks) {
    highest = std::max<std::int64_t>(highest, r.rank);
    devices.insert(r.device);
    if (r.group != group) continue;
    numbers.insert(r.rank);
    hosts.insert(r.host);
  }
  const bool complete = !heading.ranks_elided && std::ssize(heading.ranks) == highest + 1;
  if (complete || heading.ranks_per_entry > 1)
    return {std::ssize(numbers) * heading.ranks_per_entry, std::ssize(hosts)};
  // Parts of a list: the last rank is kept, and its highest device says how many a node has.
  const std::int64_t per_node = *devices.rbegin() + 1;
  return {highest + 1, per_node > 1 && (highest + 1) % per_node == 0 ? (highest + 1) / per_node : 0};
}

}  // namespace

std::optional<CollectiveKind> collective_from(std::string_view word) {
  const CollectiveWord* found = find_word(word);
  return found == nullptr ? std::nullopt : found->kind;
}
bool is_collective_word(std::string_view word) { return find_word(word) != nullptr; }

FactorRange factor_of(const NcclTable& table) {
  FactorRange range{0, std::numeric_limits<double>::infinity()};
  for (const NcclRow& row : table.rows) {
    if (row.size <= 0) continue;
    for_each_cell(row, [&](const NcclCell& cell) {
      check_rate(row, cell);
      if (!says_factor(cell)) return;
      const FactorRange here = factor_of(cell);
      if (here.high < 0.25)
        throw InputError(row.where, "the bus bandwidth is 0: one rank communicates with nobody",
                         "run it on several GPUs");
      if (here.low > range.high || here.high < range.low)
        throw InputError(
            row.where,
            fmt::format("busbw {} is not algbw {} times the factor of the rows above, {:.4f}", cell.bus_bandwidth.value,
                        cell.algorithm_bandwidth.value, (range.low + range.high) / 2),
            "rows of different runs are mixed, or edited");
      range = {std::max(range.low, here.low), std::min(range.high, here.high)};
    });
  }
  return range;
}

std::optional<CollectiveKind> kind_of(const NcclTable& table, const FactorRange& factor, const std::string& file,
                                      const MeasurementChoices& choices) {
  const SourceLocation& where = table.rows.front().where;
  const std::string& said = choices.operation.empty() ? table.heading.operation : choices.operation;
  std::optional<CollectiveKind> kind;
  if (!said.empty()) {
    if (!is_collective_word(said))
      throw InputError(where, fmt::format("the collective '{}' is not known", said), std::string(operation_hint));
    kind = collective_from(said);
    if (!kind) return std::nullopt;
  } else {
    kind = guessed_kind(table, factor, file);
    if (!kind) throw InputError(where, "nothing says which collective this table is of", std::string(operation_hint));
  }
  if (!possible(*kind, factor))
    throw InputError(
        table.rows.back().where,
        fmt::format("busbw / algbw is {:.4f}, which {} has with no number of ranks", factor.high, name(*kind)),
        "busbw is 2(n-1)/n of algbw for all-reduce, (n-1)/n for gathers and scatters, 1 for broadcast");
  return kind;
}

RankLayoutOfRun ranks_of(const NcclTable& table, CollectiveKind kind, const FactorRange& factor,
                         const MeasurementChoices& choices) {
  const SourceLocation& where = table.rows.back().where;
  const ListedRanks list = listed(table.heading);
  if (list.ranks > most_ranks)
    throw InputError(where, fmt::format("its list of ranks is of {}, more than {}", list.ranks, most_ranks),
                     "the heading is edited");
  std::optional<int> ranks;
  if (list.ranks > 0) ranks = static_cast<int>(list.ranks);
  if (!ranks && counts_per_rank(kind)) ranks = ranks_by_count(table);
  if (!ranks && kind != CollectiveKind::broadcast && kind != CollectiveKind::send_receive)
    ranks = ranks_by_factor(table, kind, factor);
  if (choices.ranks > 0 && ranks && *ranks != choices.ranks)
    throw InputError(where, fmt::format("the table is of {} ranks, not of {}", *ranks, choices.ranks),
                     "leave --ranks out or give the other file");
  if (choices.ranks > 0) ranks = choices.ranks;
  if (!ranks) throw InputError(where, "nothing says how many ranks took part", "say it with --ranks N");
  if (*ranks < 2) throw InputError(where, "one rank communicates with nobody", "run it on several GPUs");
  const double expected = bus_factor(kind, *ranks);
  if (expected < factor.low * (1 - 1e-6) || expected > factor.high * (1 + 1e-6))
    throw InputError(where,
                     fmt::format("busbw / algbw is {:.4f} to {:.4f}, but {} over {} ranks has {:.4f}", factor.low,
                                 factor.high, name(kind), *ranks, expected),
                     "another collective or another number of ranks, or the figures are edited");
  const int nodes = choices.nodes > 0 ? choices.nodes : static_cast<int>(list.nodes);
  if (nodes > *ranks)
    throw InputError(where, fmt::format("{} ranks cannot lie on {} nodes", *ranks, nodes), "see --nodes");
  return {*ranks, nodes};
}

}  // namespace trainyard
