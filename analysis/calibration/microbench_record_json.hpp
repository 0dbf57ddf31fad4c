// One line of a microbenchmark's records, with its checks.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "analysis/calibration/measurements.hpp"

namespace trainyard {

class MicrobenchRecord {
 public:
  // InputError if the line is no JSON object or has no "record".
  MicrobenchRecord(std::string_view line, SourceLocation where);

  const std::string& kind() const { return kind_; }
  const SourceLocation& where() const { return where_; }
  [[noreturn]] void fail(const std::string& what) const;

  std::string text(const char* key) const;                          // required
  std::string text_or(const char* key, std::string missing) const;  // empty text if it is missing
  bool flag(const char* key, bool missing) const;
  double number(const char* key, double low, double high) const;  // required
  double number_or(const char* key, double missing) const;        // finite and not negative
  std::int64_t extent(const char* key) const;                     // from 1; products of three fit into 63 bits
  Seconds time(const char* key) const;                            // above 0
  Bytes bytes(const char* key) const;                             // above 0

 private:
  const nlohmann::json* find(const char* key) const;
  SourceLocation where_;
  nlohmann::json json_;
  std::string kind_;
};

// Adds the measurement to where it belongs; false if the kind is not known.
bool add_measurement(const MicrobenchRecord& record, Measurements& all);

}  // namespace trainyard
