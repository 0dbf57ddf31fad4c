#include "analysis/calibration/nccl_log_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace trainyard {
namespace {

using Words = std::vector<std::string_view>;

std::optional<int> integer(std::string_view word) {
  int value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::string_view after(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  return at == std::string_view::npos ? std::string_view{} : line.substr(at + key.size());
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

bool part_of_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// "#  Rank  0 Group  0 Pid 1006102 on host device  0 [0000:19:00] NVIDIA H100 80GB HBM3"; older versions have no Group.
std::optional<NcclRank> rank_line(std::string_view line) {
  const Words words = words_of(line);
  NcclRank rank;
  bool numbered = false, placed = false;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::optional<int> number = integer(words[i + 1]);
    if (words[i] == "Rank" && number) numbered = (rank.rank = *number) >= 0;
    if (words[i] == "Group" && number) rank.group = *number;
    if (words[i] == "on") rank.host = words[i + 1];
    if (words[i] == "device" && number) placed = (rank.device = *number) >= 0;
  }
  if (!numbered || !placed || rank.host.empty()) return std::nullopt;
  rank.name = trimmed(after(after(line, " device "), "]"));
  return rank;
}

// "NCCL version 2.26.2+cuda12.8"
void read_version(std::string_view line, MeasuredMachine& machine) {
  const std::string_view version = trimmed(after(line, "NCCL version "));
  if (version.empty() || std::isdigit(static_cast<unsigned char>(version.front())) == 0) return;
  const std::size_t plus = std::min(version.find('+'), version.find(' '));
  machine.nccl = version.substr(0, plus);
  const std::string_view cuda = after(version, "+cuda");
  if (!cuda.empty()) machine.cuda = cuda.substr(0, cuda.find(' '));
}

void read_library_code(std::string_view line, MeasuredMachine& machine) {
  const std::string_view code = after(line, "nccl-library=");
  if (const auto number = integer(code.substr(0, code.find(' ')))) machine.nccl = nccl_version_text(*number);
}

// "# device: NVIDIA H200" and the like, which the project's own microbenchmark writes.
void read_remark(std::string_view line, NcclHeading& heading) {
  std::string_view text = trimmed(line);
  if (text.empty() || text.front() != '#') return;
  text = trimmed(text.substr(1));
  const auto take = [&](std::string_view key, std::string& out) {
    if (text.starts_with(key)) out = trimmed(text.substr(key.size()));
  };
  take("collective:", heading.operation);
  take("device:", heading.machine.device);
  take("driver:", heading.machine.driver);
  take("nccl:", heading.machine.nccl);
  take("date:", heading.machine.date);
}

int count_of(const Words& words, std::string_view wanted) {
  return static_cast<int>(std::count(words.begin(), words.end(), wanted));
}

}  // namespace

std::vector<std::string_view> words_of(std::string_view line) {
  Words words;
  constexpr std::string_view blanks = " \t\r";
  for (std::size_t at = line.find_first_not_of(blanks); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(blanks, end);
  }
  return words;
}

std::string operation_named_in(std::string_view line) {
  const std::size_t end = line.rfind("_perf");
  if (end == std::string_view::npos) return {};
  std::size_t begin = end;
  while (begin > 0 && part_of_name(line[begin - 1])) --begin;
  return std::string(line.substr(begin, end - begin));
}

std::string nccl_version_text(int code) {
  if (code <= 0) return {};
  // NCCL_VERSION in nccl.h: X*1000 + Y*100 + Z up to 2.8, X*10000 + Y*100 + Z since.
  const int major_unit = code < 10000 ? 1000 : 10000;
  return fmt::format("{}.{}.{}", code / major_unit, code % major_unit / 100, code % 100);
}

bool names_columns(std::string_view line) {
  const Words words = words_of(line);
  return count_of(words, "count") > 0 && count_of(words, "type") > 0 && count_of(words, "busbw") > 0;
}

bool opens_run(std::string_view line) {
  const std::string_view text = trimmed(line);
  return line.find("Collective test starting") != std::string_view::npos ||
         line.find("nThread ") != std::string_view::npos || line.find("Using devices") != std::string_view::npos ||
         text.starts_with("# collective:") ||
         (!operation_named_in(line).empty() && line.find("concluded") == std::string_view::npos);
}

void read_heading_line(std::string_view line, NcclHeading& heading) {
  if (const std::optional<NcclRank> rank = rank_line(line)) {
    heading.ranks.push_back(*rank);
    return;
  }
  if (line.find("Using devices") != std::string_view::npos) {
    heading.ranks.clear();
    heading.ranks_elided = false;
  }
  if (trimmed(line) == "..." && !heading.ranks.empty()) heading.ranks_elided = true;
  if (names_columns(line)) {
    const Words words = words_of(line);
    heading.columns_of_figures = count_of(words, "busbw");
    heading.per_iteration = count_of(words, "i_min") > 0;
  }
  if (const std::string operation = operation_named_in(line); !operation.empty()) heading.operation = operation;
  read_version(line, heading.machine);
  read_library_code(line, heading.machine);
  read_remark(line, heading);
}

}  // namespace trainyard
