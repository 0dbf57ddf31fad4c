// Sizes as nccl-tests reads, steps, rounds and limits them.
#include "analysis/nccl_tests_arguments.hpp"

#include <catch2/catch.hpp>

namespace trainyard::testing {
namespace {

using Sizes = std::vector<std::int64_t>;

constexpr std::int64_t mebibyte = std::int64_t{1} << 20;

TEST_CASE("sizes are read in powers of 1024, and what is no size is refused") {
  CHECK(parse_message_size("8") == 8);
  CHECK(parse_message_size("32K") == 32768);
  CHECK(parse_message_size("1.5m") == 1572864);
  CHECK(parse_message_size("8GB") == 8589934592);
  CHECK(parse_message_size("2GiB") == 2147483648);
  for (const char* text : {"", "0", "-1", "nan", "inf", "1e99", "8T", "8Kx", "0x10", "G", "8 K", "0.5", "2000000G"})
    CHECK_FALSE(parse_message_size(text));
}

TEST_CASE("a size is written as it may be read") {
  for (const std::int64_t bytes : Sizes{1, 768, 1024, 1536, 32768, mebibyte, 8589934592})
    CHECK(parse_message_size(message_size_text(bytes)) == bytes);
  CHECK(message_size_text(8589934592) == "8G");
}

TEST_CASE("sizes step by the factor where it is above 1, else by bytes") {
  CHECK(sizes_of({8, 100, 2, 1}) == Sizes{8, 16, 32, 64});
  CHECK(sizes_of({8, 100, 1, 40}) == Sizes{8, 48, 88});
  CHECK(sizes_of({8, 8, 2, 1}) == Sizes{8});
  CHECK(size_count({9, 8, 2, 1}) == 0);
}

TEST_CASE("a size whose successor would overflow is the last") {
  CHECK(sizes_of({8, 1'000'000'000'000'000, 1'000'000'000, 1}) == Sizes{8, 8'000'000'000});
}

TEST_CASE("a rank's share is rounded down to 16 bytes in gathers, scatters and all-to-all") {
  // 1001 bytes are 250 floats, 15 for each of 16 ranks, 12 in units of 16 bytes: 12 x 16 x 4 bytes.
  for (const CollectiveKind kind :
       {CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_to_all})
    CHECK(message_size(kind, 1001, {"float", 4}, 16) == MessageSize{768, 12});
  CHECK(message_size(CollectiveKind::all_gather, 64, {"float", 4}, 16) == MessageSize{0, 0});
}

TEST_CASE("other collectives take whole elements") {
  CHECK(message_size(CollectiveKind::all_reduce, 1001, {"float", 4}, 16) == MessageSize{1000, 250});
  CHECK(message_size(CollectiveKind::broadcast, 1001, {"double", 8}, 16) == MessageSize{1000, 125});
  CHECK(message_size(CollectiveKind::send_receive, 1001, {"int8", 1}, 16) == MessageSize{1001, 1001});
}

TEST_CASE("messages are cut to a third of the memory beside 1 GiB, or to half where nothing is checked") {
  NcclTestsArguments arguments;
  arguments.sizes = {8, 64 * 1024 * mebibyte, 2, 1};
  const NcclTestsArguments checked = fitting(arguments, 31_GiB);
  CHECK(checked.limited);
  CHECK(checked.sizes.last == 10 * 1024 * mebibyte);
  arguments.check = false;
  CHECK(fitting(arguments, 31_GiB).sizes.last == 15 * 1024 * mebibyte);
  arguments.sizes.last = mebibyte;
  CHECK(fitting(arguments, 31_GiB) == arguments);
}

}  // namespace
}  // namespace trainyard::testing
