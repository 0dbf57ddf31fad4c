#include "analysis/validation/run_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include "analysis/validation/csv_table.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

struct TextColumn {
  std::string_view name;
  std::string PublishedRun::*cell;
};
constexpr TextColumn text_columns[] = {
    {"id", &PublishedRun::id},
    {"source", &PublishedRun::source},
    {"split_group", &PublishedRun::split_group},
    {"tier", &PublishedRun::tier},
    {"hardware", &PublishedRun::hardware},
    {"network", &PublishedRun::network},
    {"model", &PublishedRun::model},
    {"model_label", &PublishedRun::model_label},
    {"precision", &PublishedRun::precision},
    {"zero_stage_or_fsdp", &PublishedRun::sharding},
    {"recompute", &PublishedRun::recompute},
    {"recompute_detail", &PublishedRun::recompute_detail},
    {"flash_attention", &PublishedRun::flash_attention},
    {"schedule", &PublishedRun::schedule},
    {"comm_overlap", &PublishedRun::comm_overlap},
    {"software", &PublishedRun::software},
    {"date", &PublishedRun::date},
    {"notes", &PublishedRun::notes},
};

// `most` is far above anything built, and low enough that products of the columns stay exact in 64 bits.
struct CountColumn {
  std::string_view name;
  std::optional<std::int64_t> PublishedRun::*cell;
  std::int64_t most;
};
constexpr CountColumn count_columns[] = {
    {"gpus", &PublishedRun::gpus, 1'000'000},
    {"gpus_per_node", &PublishedRun::gpus_per_node, 1024},
    {"layers", &PublishedRun::layers, 10'000},
    {"hidden", &PublishedRun::hidden, 1'000'000},
    {"ffn_hidden", &PublishedRun::ffn_hidden, 10'000'000},
    {"heads", &PublishedRun::heads, 100'000},
    {"kv_heads", &PublishedRun::kv_heads, 100'000},
    {"head_dim", &PublishedRun::head_dim, 100'000},
    {"vocab", &PublishedRun::vocab, 100'000'000},
    {"seq_len", &PublishedRun::seq_len, 100'000'000},
    {"moe_experts", &PublishedRun::moe_experts, 100'000},
    {"moe_topk", &PublishedRun::moe_topk, 10'000},
    {"moe_ffn", &PublishedRun::moe_ffn, 10'000'000},
    {"global_batch", &PublishedRun::global_batch, 100'000'000},
    {"micro_batch", &PublishedRun::micro_batch, 1'000'000},
    {"grad_accum", &PublishedRun::grad_accum, 10'000'000},
    {"tp", &PublishedRun::tp, 1'000'000},
    {"pp", &PublishedRun::pp, 10'000},
    {"vpp", &PublishedRun::vpp, 10'000},
    {"cp", &PublishedRun::cp, 1'000'000},
    {"ep", &PublishedRun::ep, 1'000'000},
    {"etp", &PublishedRun::etp, 1'000'000},
    {"dp", &PublishedRun::dp, 10'000'000},
};

struct FlagColumn {
  std::string_view name;
  std::optional<bool> PublishedRun::*cell;
};
constexpr FlagColumn flag_columns[] = {
    {"gated_mlp", &PublishedRun::gated_mlp},
    {"sp", &PublishedRun::sp},
    {"optimizer_offload", &PublishedRun::optimizer_offload},
    {"cuda_graph", &PublishedRun::cuda_graph},
};

constexpr double least = 1e-9;  // of any number: seconds, tokens per second, GiB

constexpr std::string_view required_columns[] = {"id", "hardware", "gpus", "seq_len", "tp", "pp"};

// One record, cell by cell.
class RowReader {
 public:
  RowReader(const CsvTable& table, const CsvRecord& record) : table_(table), record_(record) {}

  std::string text(std::string_view name) const {
    const auto column = table_.column(name);
    return column ? record_.fields[*column] : std::string();
  }

  std::optional<double> number(std::string_view name, double most) const {
    const std::string cell = text(name);
    if (cell.empty()) return std::nullopt;
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value))
      fail(name, fmt::format("'{}' is not a number", cell));
    if (value <= 0) fail(name, fmt::format("{} is not positive", cell), "leave the cell empty if it was not published");
    if (value < least) fail(name, fmt::format("{} is implausibly small (at least {})", cell, least));
    if (value > most) fail(name, fmt::format("{} is implausibly large (at most {})", cell, most));
    return value;
  }

  std::optional<std::int64_t> count(std::string_view name, std::int64_t most) const {
    const std::optional<double> value = number(name, static_cast<double>(most));  // so that "8.0" counts as 8
    if (!value) return std::nullopt;
    if (*value != std::floor(*value)) fail(name, fmt::format("{} is not a whole number", text(name)));
    return static_cast<std::int64_t>(*value);
  }

  std::optional<bool> flag(std::string_view name) const {
    const std::string word = lower(text(name));
    if (word.empty() || word == "unknown") return std::nullopt;
    if (word == "true" || word == "yes" || word == "1") return true;
    if (word == "false" || word == "no" || word == "0") return false;
    fail(name, fmt::format("'{}' is neither True nor False", text(name)));
  }

  std::optional<Outcome> outcome() const {
    const std::string word = lower(text("outcome"));
    if (word.empty()) return std::nullopt;
    if (word == "ok") return Outcome::ok;
    if (word == "oom") return Outcome::oom;
    if (word == "error") return Outcome::error;
    fail("outcome", fmt::format("'{}' is not an outcome", text("outcome")), "ok, oom, error or empty");
  }

  [[noreturn]] void fail(std::string_view column, const std::string& message, std::string hint = {}) const {
    throw InputError({table_.file, record_.line, 0}, fmt::format("column {}: {}", column, message), std::move(hint));
  }

 private:
  static std::string lower(std::string word) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return word;
  }

  const CsvTable& table_;
  const CsvRecord& record_;
};

void check_columns(const CsvTable& table) {
  std::string missing;
  for (const std::string_view name : required_columns)
    if (!table.column(name)) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", name);
  if (missing.empty()) return;
  throw InputError({table.file, 1, 0}, fmt::format("required columns are missing: {}", missing),
                   "the columns are those of scenarios/published/training_runs.csv");
}

PublishedRun run_from(const RowReader& row, int line) {
  PublishedRun run;
  run.line = line;
  for (const TextColumn& column : text_columns) run.*column.cell = row.text(column.name);
  for (const CountColumn& column : count_columns) run.*column.cell = row.count(column.name, column.most);
  for (const FlagColumn& column : flag_columns) run.*column.cell = row.flag(column.name);
  if (run.id.empty()) row.fail("id", "is empty");
  if (run.split_group.empty()) run.split_group.assign(1, '-');
  run.outcome = row.outcome();
  if (const auto seconds = row.number("step_time_s", 1e9)) run.step_time = Seconds(*seconds);
  run.tokens_per_second_per_gpu = row.number("tokens_per_s_per_gpu", 1e12);
  run.peak_memory_gib = row.number("peak_mem_gib", 1e6);
  return run;
}

}  // namespace

std::optional<Seconds> PublishedRun::measured_step_time() const {
  if (outcome && *outcome != Outcome::ok) return std::nullopt;
  if (step_time) return step_time;
  if (!tokens_per_second_per_gpu || !global_batch || !seq_len || !gpus) return std::nullopt;
  const double tokens = static_cast<double>(*global_batch) * static_cast<double>(*seq_len);
  return Seconds(tokens / (*tokens_per_second_per_gpu * static_cast<double>(*gpus)));
}

std::vector<PublishedRun> parse_runs(std::string_view csv, const std::string& file) {
  const CsvTable table = parse_csv(csv, file);
  check_columns(table);
  std::vector<PublishedRun> runs;
  std::map<std::string, int> first_line;
  for (const CsvRecord& record : table.records) {
    const RowReader row(table, record);
    PublishedRun run = run_from(row, record.line);
    const auto [seen, fresh] = first_line.emplace(run.id, record.line);
    if (!fresh) row.fail("id", fmt::format("'{}' occurs twice (first on line {})", run.id, seen->second));
    runs.push_back(std::move(run));
  }
  return runs;
}

std::vector<PublishedRun> read_runs(const std::string& file) {
  if (file == "-") return parse_runs(std::string(std::istreambuf_iterator<char>(std::cin), {}), "standard input");
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  if (stream) text << stream.rdbuf();
  if (!stream || std::filesystem::is_directory(file)) throw InputError({file, 0, 0}, "cannot be read");
  return parse_runs(text.str(), file);
}

}  // namespace trainyard
