// The adapted constants as profile files: parts that inherit a shipped profile and set what changed.
#pragma once

#include <string>

#include "analysis/adaptation/own_runs.hpp"
#include "models/profile.hpp"

namespace trainyard {

// What was learnt put into a profile.
Profile adapted_profile(Profile profile, const OwnRuns& result);

// `kind: profile` with a part for each of device, network and stack that changed, named "NAME-device" and so on, each
// inheriting the part of `shipped` by its name. `origin` stands in every constant's source: "my_runs.csv, 3 measured
// steps".
std::string own_profile_yaml(const Profile& shipped, const OwnRuns& result, const std::string& name,
                             const std::string& origin);

}  // namespace trainyard
