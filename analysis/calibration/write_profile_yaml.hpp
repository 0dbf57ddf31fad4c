// Fitted constants as a profile file that inherits the rest from another one.
#pragma once

#include <string>
#include <vector>

#include "analysis/calibration/fit_report.hpp"

namespace trainyard {

enum class ProfileKind { device, network };

struct ProfileDocument {
  ProfileKind kind = ProfileKind::device;
  std::string name;
  std::string inherits;     // a profile's name or path
  std::string description;  // one line; empty = none
  std::vector<FittedConstant> constants;
  friend bool operator==(const ProfileDocument&, const ProfileDocument&) = default;
};

// Every constant with its value as it stands in the report, its source, `sources: 1` and its residual.
std::string profile_yaml(const ProfileDocument& document);

// Reads the text back as a profile: InputError if a value is out of its bounds or a constant has another name.
void check_profile_text(const ProfileDocument& document, const std::string& text);

}  // namespace trainyard
