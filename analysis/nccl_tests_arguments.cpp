#include "analysis/nccl_tests_arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace trainyard {
namespace {

constexpr std::array types = {ElementType{"int8", 1},     ElementType{"uint8", 1},  ElementType{"int32", 4},
                              ElementType{"uint32", 4},   ElementType{"int64", 8},  ElementType{"uint64", 8},
                              ElementType{"half", 2},     ElementType{"float", 4},  ElementType{"double", 8},
                              ElementType{"bfloat16", 2}, ElementType{"f8e4m3", 1}, ElementType{"f8e5m2", 1}};

struct Unit {
  char letter;
  std::int64_t bytes;
};
constexpr std::array units = {Unit{'G', std::int64_t{1} << 30}, Unit{'M', std::int64_t{1} << 20},
                              Unit{'K', std::int64_t{1} << 10}};

constexpr double largest_size = 1e15;        // bytes; no GPU holds a petabyte
constexpr std::int64_t alignment = 16;       // bytes of a rank's share
constexpr std::int64_t kept_free = 1 << 30;  // bytes that the test leaves to everything else on the GPU

// 1 for no unit, 0 for a unit that nccl-tests does not know.
std::int64_t unit_bytes(std::string_view text) {
  if (text.empty()) return 1;
  const auto letter = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  const auto* unit = std::find_if(units.begin(), units.end(), [letter](const Unit& u) { return u.letter == letter; });
  const std::string_view rest = text.substr(1);
  const bool spelled = rest.empty() || rest == "B" || rest == "b" || rest == "iB";
  return unit == units.end() || !spelled ? 0 : unit->bytes;
}

bool counts_per_rank(CollectiveKind kind) {
  return kind == CollectiveKind::all_gather || kind == CollectiveKind::reduce_scatter ||
         kind == CollectiveKind::all_to_all;
}

}  // namespace

std::span<const ElementType> element_types() { return types; }

std::optional<ElementType> element_type(std::string_view name) {
  const auto* found = std::find_if(types.begin(), types.end(), [name](const ElementType& t) { return t.name == name; });
  return found == types.end() ? std::nullopt : std::optional(*found);
}

std::string_view nccl_tests_name(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::all_reduce:
      return "all_reduce";
    case CollectiveKind::all_gather:
      return "all_gather";
    case CollectiveKind::reduce_scatter:
      return "reduce_scatter";
    case CollectiveKind::all_to_all:
      return "alltoall";
    case CollectiveKind::broadcast:
      return "broadcast";
    case CollectiveKind::send_receive:
      return "sendrecv";
  }
  return "?";
}

std::optional<std::int64_t> parse_message_size(std::string_view text) {
  double number = 0;
  const char* const end_of_text = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), end_of_text, number);
  if (error != std::errc{}) return std::nullopt;
  const double bytes = number * static_cast<double>(unit_bytes({end, static_cast<std::size_t>(end_of_text - end)}));
  if (!(bytes >= 1 && bytes <= largest_size)) return std::nullopt;  // also what is not a number
  return static_cast<std::int64_t>(bytes);
}

std::string message_size_text(std::int64_t bytes) {
  for (const Unit& unit : units)
    if (bytes >= unit.bytes && bytes % unit.bytes == 0) return fmt::format("{}{}", bytes / unit.bytes, unit.letter);
  return fmt::format("{}", bytes);
}

std::int64_t size_count(const SizeRange& range) {
  if (range.first > range.last) return 0;
  if (range.factor <= 1) return (range.last - range.first) / range.step + 1;
  std::int64_t count = 1;
  for (std::int64_t size = range.first; size <= range.last / range.factor; size *= range.factor) ++count;
  return count;
}

std::vector<std::int64_t> sizes_of(const SizeRange& range) {
  const auto count = static_cast<std::size_t>(size_count(range));
  std::vector<std::int64_t> sizes;
  sizes.reserve(count);
  std::int64_t size = range.first;
  while (sizes.size() < count) {
    sizes.push_back(size);
    if (sizes.size() < count) size = range.factor > 1 ? size * range.factor : size + range.step;
  }
  return sizes;
}

MessageSize message_size(CollectiveKind kind, std::int64_t requested, const ElementType& type, int ranks) {
  const std::int64_t elements = requested / type.bytes;
  if (!counts_per_rank(kind)) return {elements * type.bytes, elements};
  const std::int64_t unit = alignment / type.bytes;
  const std::int64_t share = elements / ranks / unit * unit;
  return {share * ranks * type.bytes, share};
}

NcclTestsArguments fitting(NcclTestsArguments arguments, Bytes gpu_memory) {
  const std::int64_t buffers = arguments.check ? 3 : 2;
  const std::int64_t room = std::max<std::int64_t>(static_cast<std::int64_t>(gpu_memory.value) - kept_free, buffers);
  SizeRange& sizes = arguments.sizes;
  arguments.limited = sizes.last > room / buffers;
  sizes.last = std::min(sizes.last, room / buffers);
  sizes.first = std::min(sizes.first, sizes.last);
  return arguments;
}

}  // namespace trainyard
