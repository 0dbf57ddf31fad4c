#include "sim/base/utf8.hpp"

#include <catch2/catch.hpp>

namespace trainyard {
namespace {

using namespace std::string_view_literals;

TEST_CASE("UTF-8 characters have the lengths of RFC 3629") {
  CHECK(utf8_length("a") == 1);
  CHECK(utf8_length("\0"sv) == 1);
  CHECK(utf8_length("\xc3\xa4x") == 2);         // U+00E4
  CHECK(utf8_length("\xe2\x82\xac") == 3);      // U+20AC
  CHECK(utf8_length("\xf0\x9f\x9a\x82") == 4);  // U+1F682
  CHECK(utf8_length("\xed\x9f\xbf") == 3);      // U+D7FF, the last before the surrogates
  CHECK(utf8_length("\xf4\x8f\xbf\xbf") == 4);  // U+10FFFF, the last of all
}

TEST_CASE("what is no UTF-8 has no length") {
  CHECK(utf8_length("\x80") == 0);  // a continuation alone
  CHECK(utf8_length("\xff") == 0);
  CHECK(utf8_length("\xc3") == 0);  // cut off
  CHECK(utf8_length("\xe2\x82") == 0);
  CHECK(utf8_length("\xc3(") == 0);
  CHECK(utf8_length("\xc0\xaf") == 0);          // '/' in two bytes
  CHECK(utf8_length("\xe0\x80\xaf") == 0);      // and in three
  CHECK(utf8_length("\xf0\x80\x80\xaf") == 0);  // and in four
  CHECK(utf8_length("\xed\xa0\x80") == 0);      // U+D800, half of a pair
  CHECK(utf8_length("\xf4\x90\x80\x80") == 0);  // U+110000
}

}  // namespace
}  // namespace trainyard
