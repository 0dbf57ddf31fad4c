#include "analysis/adaptation/adaptable_constants.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <set>

#include "models/profile_constants.hpp"
#include "models/profile_yaml.hpp"

using namespace trainyard;

namespace {

const AdaptableConstant* constant(const std::vector<AdaptableConstant>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.id.constant == name; });
  return found == all.end() ? nullptr : &*found;
}

Profile small_profile() {
  Profile profile;
  profile.device.name = "child";
  profile.device.training_derate = 0.8;
  profile.device.attention_forward[3].efficiency = 0.5;
  profile.stack.host_forward = 2_ms;
  profile.stack.host_backward = 3_ms;
  profile.stack.contention = 0;
  profile.device.provenance = {{"training_derate", "0.8", "s", 1, {}, 0, 0.9, "parent"},
                               {"attention.flash3.forward", "[0.5, 200, 1]", "s", 2, {}, 0.5, 0, "child"}};
  profile.stack.provenance = {{"host_forward", "2ms", "s", 0, {}, 0, 0, "eager"},
                              {"host_backward", "3ms", "s", 0, {}, 0, 0, "eager"},
                              {"contention", "0", "s", 2, {}, 0, 0, "eager"}};
  return profile;
}

}  // namespace

TEST_CASE("a constant knows who set it, its prior, its spread and its bounds") {
  const std::vector<AdaptableConstant> all = adaptable_constants(small_profile());
  REQUIRE(all.size() == 3);  // contention is 0: it has no logarithm
  const AdaptableConstant& derate = *constant(all, "training_derate");
  CHECK(to_text(derate.id) == "device parent: training_derate");
  CHECK(derate.value == 0.8);
  CHECK(derate.centre == Approx(std::log(0.9 / 0.8)));
  CHECK(derate.spread == default_spread(1));
  CHECK(derate.lowest == Approx(-std::log(3.0)));
  CHECK(std::exp(derate.highest) * derate.value == Approx(1.25));
  CHECK(constant(all, "attention.flash3.forward")->spread == 0.5);                     // as the file says
  CHECK(std::exp(constant(all, "attention.flash3.forward")->highest) == Approx(2.0));  // a share of the peak: at most 1
  CHECK(constant(all, "host_layer")->unit == "s");
  CHECK(constant(all, "host_layer")->centre == 0);
}

TEST_CASE("fewer sources, wider belief") {
  CHECK(default_spread(3) <= default_spread(2));
  CHECK(default_spread(2) < default_spread(1));
  CHECK(default_spread(1) < default_spread(0));
  CHECK(default_spread(2) <= 0.10);
  CHECK(default_spread(0) >= 0.3);
}

TEST_CASE("scaling a constant multiplies all its members and nothing else") {
  Profile profile = small_profile();
  const std::vector<AdaptableConstant> all = adaptable_constants(profile);
  scale_constant(profile, constant(all, "host_layer")->id, 1.5);
  scale_constant(profile, constant(all, "attention.flash3.forward")->id, 0.5);
  Profile expected = small_profile();
  expected.stack.host_forward = 3_ms;
  expected.stack.host_backward = 4.5_ms;
  expected.device.attention_forward[3].efficiency = 0.25;
  CHECK(profile.stack.host_forward.value == Approx(expected.stack.host_forward.value));
  CHECK(profile.stack.host_backward.value == Approx(expected.stack.host_backward.value));
  profile.stack.host_forward = expected.stack.host_forward;
  profile.stack.host_backward = expected.stack.host_backward;
  CHECK(profile == expected);
}

TEST_CASE("every name of the list is one that profiles have") {
  std::set<std::string> known;
  Profile profile;
  const auto note = [&](const char* key, auto&) { known.insert(key); };
  visit_constants(profile.device, note);
  visit_constants(profile.network, note);
  visit_constants(profile.stack, note);
  std::set<std::string> names;
  for (const AdaptableName& entry : adaptable_names()) {
    INFO(entry.name);
    CHECK(known.contains(std::string(entry.members[0])));
    CHECK((entry.members[1].empty() || known.contains(std::string(entry.members[1]))));
    CHECK_FALSE(entry.determined_by.empty());
    CHECK(names.insert(std::string(name(entry.part)) + std::string(entry.name)).second);
  }
}

TEST_CASE("a profile that inherits shares what is learnt about its parent's constants") {
  const auto h100 = adaptable_constants(load_profile("h100-sxm-80gb", "", "megatron-core"));
  const auto h200 = adaptable_constants(load_profile("h200-sxm-141gb", "", "nemo"));
  REQUIRE(constant(h100, "training_derate") != nullptr);
  CHECK(constant(h200, "training_derate")->id == constant(h100, "training_derate")->id);
  CHECK(constant(h200, "loss_bytes_per_logit")->id.set_by == "nemo");
  CHECK(constant(h100, "loss_bytes_per_logit")->id.set_by == "megatron-core");
}
