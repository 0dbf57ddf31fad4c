// The answer of `trainyard job`, for people and as one JSON object. Functions of values.
#pragma once

#include <string>
#include <vector>

#include "analysis/job/job_simulation.hpp"
#include "analysis/text_layout.hpp"

namespace trainyard {

inline constexpr int job_json_schema_version = 1;

// What the report says about where its step comes from.
struct JobHeading {
  std::string scenario;
  std::string model;
  std::string cluster;
  std::vector<std::string> warnings;
  friend bool operator==(const JobHeading&, const JobHeading&) = default;
};

// Ends with a newline. A job that never finishes gets its inputs and the reason.
std::string job_text(const JobHeading& heading, const JobRequest& request, const JobResult& result,
                     const TextStyle& style);

// Units in the key names, keys only ever added, numbers to nine significant digits; what does not apply is null.
std::string job_json(const JobHeading& heading, const JobRequest& request, const JobResult& result);

}  // namespace trainyard
