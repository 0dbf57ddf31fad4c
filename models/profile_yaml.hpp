// Profiles from YAML. Each file is one part (kind: device, network or stack); every constant stands as
//   gemm.sustained: {value: 0.742, source: "…", sources: 1, residual: "8.2 % MAPE held out"}
// with units inside the value ("3352GB/s", "5.5us"). `inherits: NAME` (or a path, from the file's folder or the
// working directory) takes what the file does not set. A constant that
// is neither set nor inherited is an InputError that names it. A file of `kind: profile` holds several parts, at most
// one of each kind, as a list under `parts:`.
#pragma once

#include <string>

#include "models/profile.hpp"
#include "sim/base/yaml_reader.hpp"

namespace trainyard {

// A name in scenarios/profiles/{devices,networks,stacks} or a path.
DeviceProfile load_device_profile(const std::string& name_or_path);
NetworkProfile load_network_profile(const std::string& name_or_path);
StackProfile load_stack_profile(const std::string& name_or_path);

// The three together; an empty network name gives the profile "single-node".
Profile load_profile(const std::string& device, const std::string& network, const std::string& stack);

// Replaces the part, or the parts, that the file describes (--profile).
Profile with_profile_file(Profile profile, const std::string& path);

}  // namespace trainyard
