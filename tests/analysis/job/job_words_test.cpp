#include "analysis/job/job_words.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "analysis/job/job_simulation.hpp"

namespace trainyard {
namespace {

TEST_CASE("token counts take K, M, B and T in either case, or none") {
  CHECK(parse_token_count("15T") == 15e12);
  CHECK(parse_token_count("300B") == 300e9);
  CHECK(parse_token_count("4.5 M") == 4.5e6);
  CHECK(parse_token_count("100k") == 100e3);
  CHECK(parse_token_count("1e12") == 1e12);
  CHECK(parse_token_count(" 7b ") == 7e9);
}

TEST_CASE("nonsense is no token count") {
  for (const char* text : {"", "T", "15G", "15TT", "-3B", "nan", "inf", "1e400", "0", "0.5", "15T tokens", "2000T"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_token_count(text), std::invalid_argument);
  }
  CHECK_THROWS_WITH(parse_token_count("15G"), Catch::Contains("unknown suffix 'G'") && Catch::Contains("15T"));
}

TEST_CASE("durations reach from microseconds to days") {
  CHECK(parse_long_duration("30min") == Seconds(1800));
  CHECK(parse_long_duration("1.5 h") == Seconds(5400));
  CHECK(parse_long_duration("2d") == Seconds(172800));
  CHECK(parse_long_duration("45s") == Seconds(45));
  CHECK(parse_long_duration("250ms") == Seconds(0.25));
  CHECK(parse_long_duration("0") == Seconds(0));
}

TEST_CASE("nonsense is no duration") {
  for (const char* text : {"", "30", "min", "-5s", "nan s", "infh", "3 weeks", "1000001d", "1e300d", "1e308d"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_long_duration(text), std::invalid_argument);
  }
}

TEST_CASE("a checkpoint interval is a rule's name or a duration above zero") {
  CHECK(parse_interval("young").rule == IntervalRule::young);
  CHECK(parse_interval("daly").rule == IntervalRule::daly);
  CHECK(parse_interval("optimal").rule == IntervalRule::optimal);
  CHECK(parse_interval("30min") == IntervalChoice{IntervalRule::given, Seconds(1800)});
  CHECK_THROWS_AS(parse_interval("0s"), std::invalid_argument);
  CHECK_THROWS_AS(parse_interval("often"), std::invalid_argument);
}

TEST_CASE("durations read in the unit that fits") {
  CHECK(long_duration_text(Seconds(6.6e6)) == "76.4 days");
  CHECK(long_duration_text(Seconds(11135)) == "3.09 h");
  CHECK(long_duration_text(Seconds(1635)) == "27.2 min");
  CHECK(long_duration_text(Seconds(2.84)) == "2.8 s");
  CHECK(long_duration_text(Seconds(0.0069)) == "6.9 ms");
  CHECK(token_text(15e12) == "15 T");
}

TEST_CASE("a duration written as a setting reads back") {
  CHECK(parse_long_duration(duration_setting(Seconds(90))) == Seconds(90));
  CHECK(parse_long_duration(duration_setting(Seconds(0.125))) == Seconds(0.125));
}

}  // namespace
}  // namespace trainyard
