#include "models/layer_pattern.hpp"

#include <catch2/catch.hpp>

#include <string_view>

namespace trainyard {
namespace {

// "ddM" = two dense layers, then a mixture-of-experts layer.
std::optional<LayerPattern> pattern(std::string_view letters) {
  std::vector<bool> sparse;
  for (const char c : letters) sparse.push_back(c == 'M');
  return regular_pattern(sparse);
}

TEST_CASE("leading dense layers and a period describe a pattern") {
  CHECK(pattern("MMMM") == LayerPattern{0, 1});
  CHECK(pattern("dddMMM") == LayerPattern{3, 1});
  CHECK(pattern("dMdMdM") == LayerPattern{0, 2});
  CHECK(pattern("ddddMdM") == LayerPattern{3, 2});
  CHECK(pattern("dMdMd") == LayerPattern{0, 2});
}

TEST_CASE("a lone sparse layer needs a period that does not come round") {
  CHECK(pattern("dddM") == LayerPattern{3, 1});
  CHECK(pattern("ddMd") == LayerPattern{1, 2});
  CHECK(pattern("M") == LayerPattern{0, 1});
  CHECK_FALSE(pattern("Mddd"));
}

TEST_CASE("irregular patterns have no description") {
  CHECK_FALSE(pattern("MdMdMd"));
  CHECK_FALSE(pattern("MMdM"));
  CHECK_FALSE(pattern("dMMdMM"));
}

}  // namespace
}  // namespace trainyard
