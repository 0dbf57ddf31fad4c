// Which constants of a profile training steps may correct, and how far each is believed to be from its value. The list
// goes by the constants' names alone: what a row can teach does not depend on its model or its source. A constant is
// identified by the profile file that sets it, so that profiles which inherit it share what is learnt about it.
#pragma once

#include <array>
#include <compare>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/profile.hpp"

namespace trainyard {

enum class ProfilePart { device, network, stack };
std::string_view name(ProfilePart part);

// "device h100-sxm-80gb: training_derate"
struct ConstantId {
  ProfilePart part = ProfilePart::device;
  std::string set_by;    // the profile whose file sets it
  std::string constant;  // the name in the list of adaptable constants
  friend auto operator<=>(const ConstantId&, const ConstantId&) = default;
};
std::string to_text(const ConstantId& id);

// A row of the list. Constants that only occur together (host time forward and backward) are scaled by one factor.
struct AdaptableName {
  ProfilePart part;
  std::string_view name;                    // of the group; that of the member where there is one
  std::array<std::string_view, 2> members;  // as visit_constants calls them; the second may be empty
  double most;                              // upper bound of the value, where it has one; 0 = none
  std::string_view determined_by;           // what to measure for it
};
std::span<const AdaptableName> adaptable_names();

// One adaptable constant of a loaded profile.
struct AdaptableConstant {
  ConstantId id;
  double value = 0;   // of the first member: a number, seconds, or the efficiency of an attention kernel
  double centre = 0;  // ln(prior / value)
  double spread = 0;  // standard deviation of the logarithm
  double lowest = 0;  // bounds of ln(adapted / value)
  double highest = 0;
  int sources = 0;
  std::string unit;  // "" or "s"
  std::string determined_by;
  friend bool operator==(const AdaptableConstant&, const AdaptableConstant&) = default;
};

// Those of the three parts, in the order of the list. A constant that is 0 has no logarithm and is left out.
std::vector<AdaptableConstant> adaptable_constants(const Profile& profile);

// The spread of a constant that states none, from its number of independent sources (0 = judgement).
double default_spread(int sources);

// Multiplies the constant (all its members) by `factor`; the profile must be one that adaptable_constants named it for.
void scale_constant(Profile& profile, const ConstantId& id, double factor);

}  // namespace trainyard
