// What the command line of nccl-tests says: sizes, steps and element types, as it reads, steps and rounds them.
// Source: nccl-tests 2.17 to 2.19, src/common.cu (parsesize, TimeTest) and getCollByteCount of each test.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/operators.hpp"
#include "sim/base/units.hpp"

namespace trainyard {

struct ElementType {
  std::string_view name = "float";
  int bytes = 4;
  friend bool operator==(const ElementType&, const ElementType&) = default;
};
std::span<const ElementType> element_types();                    // all that nccl-tests knows
std::optional<ElementType> element_type(std::string_view name);  // nullopt if it is none of them

std::string_view nccl_tests_name(CollectiveKind kind);  // "all_reduce", "alltoall", "sendrecv" …

// Bytes of "8", "32K", "1.5M", "8G" or "8GB": powers of 1024. nullopt for anything else, for less than 1 byte and for
// more than a petabyte.
std::optional<std::int64_t> parse_message_size(std::string_view text);
std::string message_size_text(std::int64_t bytes);  // the same back: "8", "32K", "8G", else the bytes

// From `first` to at most `last` bytes, by `factor` where that is above 1, else by `step`.
struct SizeRange {
  std::int64_t first = 8;
  std::int64_t last = std::int64_t{8} << 30;
  std::int64_t factor = 2;
  std::int64_t step = std::int64_t{1} << 20;
  friend bool operator==(const SizeRange&, const SizeRange&) = default;
};
std::int64_t size_count(const SizeRange& range);  // of a range whose numbers are above 0
std::vector<std::int64_t> sizes_of(const SizeRange& range);

// A row's size and count: bytes of NCCL's message, and the elements that the column "count" shows.
struct MessageSize {
  std::int64_t bytes = 0;
  std::int64_t count = 0;
  friend bool operator==(const MessageSize&, const MessageSize&) = default;
};
// What a test of `ranks` ranks makes of a requested size: gathers, scatters and all-to-all count one rank's share,
// rounded down to 16 bytes; the others whole elements.
MessageSize message_size(CollectiveKind kind, std::int64_t requested, const ElementType& type, int ranks);

struct NcclTestsArguments {
  SizeRange sizes;
  ElementType type;
  std::string reduction = "sum";
  int root = 0;
  int threads = 1;            // of a process: -t
  int gpus_of_thread = 1;     // -g
  int warmup_iterations = 1;  // these two are only printed: a prediction has no spread
  int iterations = 20;
  bool check = true;     // of the results
  bool limited = false;  // sizes.last is what fits into memory, not what was asked for
  friend bool operator==(const NcclTestsArguments&, const NcclTestsArguments&) = default;
};

// The range cut, as the test cuts it, to messages that fit beside their receive buffer, the expected result if results
// are checked, and 1 GiB for everything else.
NcclTestsArguments fitting(NcclTestsArguments arguments, Bytes gpu_memory);

}  // namespace trainyard
