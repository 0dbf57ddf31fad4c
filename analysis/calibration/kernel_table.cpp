#include "analysis/calibration/kernel_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <set>
#include <span>
#include <vector>

#include "analysis/calibration/nccl_log_ranks.hpp"

namespace trainyard {
namespace {

using Words = std::vector<std::string_view>;

// m n k of a GEMM must fit into 63 bits together.
constexpr std::int64_t largest_extent = 2'000'000;
constexpr double largest_size = 1e15;   // bytes
constexpr double shortest_time = 1e-3;  // µs: below any clock of a GPU
constexpr double longest_time = 1e10;   // µs, three hours
constexpr double seconds_per_microsecond = 1e-6;

constexpr std::array<std::string_view, 5> gemm_columns = {"dtype", "m", "n", "k", "latency_us"};
constexpr std::array<std::string_view, 7> attention_columns = {"kernel",   "batch",    "seq_len",   "heads",
                                                               "kv_heads", "head_dim", "latency_us"};
constexpr std::array<std::string_view, 7> collective_columns = {"gpu",  "nccl",  "operation", "dtype",
                                                                "gpus", "bytes", "latency_us"};

void split(std::string_view line, Words& fields) {
  fields.clear();
  while (true) {
    const std::size_t comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return;
    line.remove_prefix(comma + 1);
  }
}

// The next line without its end (LF or CRLF); `text` keeps what follows.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view first_line(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // byte order mark
  return take_line(text);
}

bool has_columns(const Words& header, std::span<const std::string_view> wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](std::string_view column) {
    return std::find(header.begin(), header.end(), column) != header.end();
  });
}

// One row, its fields in the order of the wanted columns.
class Row {
 public:
  Row(const Words& fields, const std::vector<std::size_t>& places, const SourceLocation& where)
      : fields_(fields), places_(places), where_(where) {}

  const SourceLocation& where() const { return where_; }
  std::string_view text(std::size_t column) const { return fields_[places_[column]]; }

  [[noreturn]] void fail(std::size_t column, const std::string& what) const {
    SourceLocation at = where_;
    at.column = 1;
    for (std::size_t i = 0; i < places_[column]; ++i) at.column += static_cast<int>(fields_[i].size()) + 1;
    throw InputError(at, fmt::format("'{}' {}", text(column), what), "every row is one measurement");
  }

  std::int64_t extent(std::size_t column) const {
    std::int64_t value = 0;
    const std::string_view word = text(column);
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size() || value < 1 || value > largest_extent)
      fail(column, fmt::format("is not a whole number from 1 to {}", largest_extent));
    return value;
  }

  double number(std::size_t column, double low, double high) const {
    double value = 0;
    const std::string_view word = text(column);
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size() || !(value >= low && value <= high))
      fail(column, fmt::format("is not a number from {:g} to {:g}", low, high));
    return value;
  }

  Seconds latency(std::size_t column) const {
    return Seconds(number(column, shortest_time, longest_time) * seconds_per_microsecond);
  }

 private:
  const Words& fields_;
  const std::vector<std::size_t>& places_;
  const SourceLocation& where_;
};

// Calls visit(Row) for every row of a table with these columns.
template <class Visit>
void for_each_row(std::string_view text, const std::string& file, std::span<const std::string_view> wanted,
                  Visit visit) {
  Words fields;
  split(first_line(text), fields);
  std::vector<std::size_t> places;
  for (const std::string_view column : wanted)
    places.push_back(static_cast<std::size_t>(std::find(fields.begin(), fields.end(), column) - fields.begin()));
  const std::size_t columns = fields.size();
  take_line(text);
  SourceLocation where{file, 1, 0};
  while (!text.empty()) {
    ++where.line;
    const std::string_view line = take_line(text);
    if (line.empty()) continue;
    split(line, fields);
    if (fields.size() != columns)
      throw InputError(where, fmt::format("{} fields where the header has {}", fields.size(), columns),
                       "the row is cut or edited");
    visit(Row(fields, places, where));
  }
}

GemmSample gemm(const Row& row) {
  struct Word {
    std::string_view word;
    DataType type;
    bool block_scaled;
  };
  constexpr std::array words = {Word{"bfloat16", DataType::bf16, false}, Word{"bf16", DataType::bf16, false},
                                Word{"half", DataType::fp16, false},     Word{"float16", DataType::fp16, false},
                                Word{"fp16", DataType::fp16, false},     Word{"tf32", DataType::tf32, false},
                                Word{"fp8", DataType::fp8, false},       Word{"fp8_block", DataType::fp8, true},
                                Word{"nvfp4", DataType::nvfp4, false}};
  const auto* word = std::find_if(words.begin(), words.end(), [&](const Word& w) { return w.word == row.text(0); });
  if (word == words.end()) row.fail(0, "is no known type of operands");
  GemmSample sample;
  sample.gemm.m = row.extent(1);
  sample.gemm.n = row.extent(2);
  sample.gemm.k = row.extent(3);
  sample.gemm.type = word->type;
  sample.block_scaled = word->block_scaled;
  sample.time = row.latency(4);
  sample.where = row.where();
  return sample;
}

AttentionSample attention(const Row& row) {
  AttentionSample sample;
  sample.kernel = row.text(0);
  if (sample.kernel.empty()) row.fail(0, "names no kernel");
  sample.attention.sequences = row.extent(1);
  sample.attention.length = row.extent(2);
  sample.attention.heads = row.extent(3);
  sample.kv_heads = row.extent(4);
  sample.attention.d_qk = row.extent(5);
  sample.attention.d_v = sample.attention.d_qk;
  sample.time = row.latency(6);
  sample.where = row.where();
  return sample;
}

// `bytes` is NCCL's S for every operation. Were it the share of one rank, 8 x H100 would all-gather 8 x 537 MB in
// 1.40 ms: 7/8 x 4295 MB / 1.40 ms = 2684 GB/s of bus bandwidth where NVLink 4 carries 450. As S it is 336 GB/s, beside
// 336 of the reduce-scatter of the same row; the all-to-all's 537 MB in 1.49 ms are 315 GB/s, and 2520 otherwise.
CollectiveSample collective(const Row& row) {
  CollectiveSample sample;
  sample.device = row.text(0);
  sample.nccl = row.text(1);
  const std::optional<CollectiveKind> kind = collective_from(row.text(2));
  if (!kind) row.fail(2, "is no collective of a training step");
  sample.kind = *kind;
  sample.type = row.text(3);
  const std::int64_t ranks = row.extent(4);
  if (ranks < 2) row.fail(4, "ranks communicate with nobody");
  sample.ranks = static_cast<int>(ranks);
  sample.size = Bytes(row.number(5, 1, largest_size));
  sample.time = row.latency(6);
  sample.where = row.where();
  return sample;
}

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// Keeps the rows of one GPU.
void choose_device(Measurements& all, const std::string& file, const std::string& wish) {
  std::set<std::string> known;
  for (const CollectiveSample& s : all.collectives) known.insert(s.device);
  if (known.size() > 1 && wish.empty())
    throw InputError({file, 0, 0}, fmt::format("holds rows of {} GPUs", known.size()),
                     fmt::format("choose with --device {}", fmt::join(known, " | ")));
  if (!wish.empty())
    std::erase_if(all.collectives, [&](const CollectiveSample& s) { return !same_word(s.device, wish); });
  if (all.collectives.empty())
    throw InputError({file, 0, 0}, fmt::format("holds no rows of '{}'", wish),
                     fmt::format("there are {}", fmt::join(known, ", ")));
  all.machines.emplace_back();
  all.machines.back().device = all.collectives.front().device;
}

}  // namespace

bool is_kernel_table(std::string_view text) {
  Words header;
  split(first_line(text), header);
  return has_columns(header, gemm_columns) || has_columns(header, attention_columns) ||
         has_columns(header, collective_columns);
}

Measurements read_kernel_table(std::string_view text, const std::string& file, const MeasurementChoices& choices) {
  Words header;
  split(first_line(text), header);
  Measurements all;
  const auto rows = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  if (has_columns(header, collective_columns)) {
    for_each_row(text, file, collective_columns, [&](const Row& row) { all.collectives.push_back(collective(row)); });
    if (!all.collectives.empty()) choose_device(all, file, choices.device);
  } else if (has_columns(header, attention_columns)) {
    all.attentions.reserve(rows);
    for_each_row(text, file, attention_columns, [&](const Row& row) { all.attentions.push_back(attention(row)); });
  } else {
    all.gemms.reserve(rows);
    for_each_row(text, file, gemm_columns, [&](const Row& row) { all.gemms.push_back(gemm(row)); });
  }
  if (all.collectives.empty() && all.attentions.empty() && all.gemms.empty())
    throw InputError({file, 1, 0}, "holds a header and no rows", "every row is one measurement");
  return all;
}

}  // namespace trainyard
