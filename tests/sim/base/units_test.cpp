#include "sim/base/units.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

using namespace trainyard;

TEST_CASE("network rates are read in bits and memory rates in bytes") {
  CHECK(parse_bandwidth("400Gbps").value == 50e9);  // 400e9 bit/s / 8
  CHECK(parse_bandwidth("50 GB/s").value == 50e9);
  CHECK(parse_bandwidth("3.35TB/s").value == 3.35e12);
}

TEST_CASE("binary and decimal sizes differ") {
  CHECK(parse_bytes("80GiB").value == 80.0 * 1073741824.0);
  CHECK(parse_bytes("80GB").value == 80e9);
  CHECK(parse_bytes("0").value == 0);
}

TEST_CASE("durations and throughputs are read with their unit") {
  CHECK(parse_duration("25us").value == Approx(25e-6));
  CHECK(parse_duration("1.5 ms").value == Approx(1.5e-3));
  CHECK(parse_throughput("989.4TFLOPS").value == Approx(989.4e12));
}

TEST_CASE("nonsense quantities are refused") {
  for (const char* text : {"", "GiB", "80", "-1GiB", "nanGiB", "infGiB", "80Gib", "1e400GB", "80 GB extra"})
    CHECK_THROWS_AS(parse_bytes(text), std::invalid_argument);
  CHECK_THROWS_AS(parse_bandwidth("400GB"), std::invalid_argument);
  CHECK_THROWS_AS(parse_duration("5"), std::invalid_argument);
}

TEST_CASE("dimensions combine as physics does") {
  CHECK((1_GB / 50_GBps).value == Approx(0.02));
  CHECK((Flops(2e12) / 1_TFLOPS).value == Approx(2.0));
  CHECK((50_GBps * 2_s).value == Approx(100e9));
}

TEST_CASE("quantities print with a fitting unit") {
  CHECK(to_text(80_GiB) == "80.00 GiB");
  CHECK(to_text(Bytes(4)) == "4 B");
  CHECK(to_text(Bytes(0.5)) == "0.500 B");
  CHECK(to_text(Bytes(1024)) == "1.000 KiB");
  CHECK(to_text(13.4_ms) == "13.40 ms");
  CHECK(to_text(50_GBps) == "50.00 GB/s");
  CHECK(to_text(Seconds(0)) == "0 ns");
}
