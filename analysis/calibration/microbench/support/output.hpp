// Results as JSON Lines on stdout, one object per line; messages go to stderr. Each line is flushed, so a run that is
// cut off keeps what it measured, and the missing "end" record tells that it was cut off.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace microbench {

inline std::string json_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    char escaped[8];
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20) {
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

// One JSON object. Fields appear in the order in which they are added.
class Record {
 public:
  explicit Record(const std::string& kind) : line_("{\"record\":" + json_text(kind)) {}

  Record& add(const std::string& name, const std::string& value) { return append(name, json_text(value)); }
  Record& add(const std::string& name, const char* value) { return append(name, json_text(value)); }
  Record& add(const std::string& name, bool value) {
    if (name == "verified") verified_ = value;
    return append(name, value ? "true" : "false");
  }
  Record& add(const std::string& name, int value) { return append(name, std::to_string(value)); }
  Record& add(const std::string& name, int64_t value) { return append(name, std::to_string(value)); }
  Record& add(const std::string& name, size_t value) { return append(name, std::to_string(value)); }
  // JSON has no NaN and no infinity: a value that is not finite is a defect of the program and ends it.
  Record& add(const std::string& name, double value);

  std::string line() const { return line_ + "}"; }
  bool verified() const { return verified_; }

 private:
  Record& append(const std::string& name, const std::string& value) {
    line_ += "," + json_text(name) + ":" + value;
    return *this;
  }

  std::string line_;
  bool verified_ = true;
};

inline Record& Record::add(const std::string& name, double value) {
  if (!std::isfinite(value)) {
    std::fprintf(stderr, "%s: the value of %s is not a finite number\n", line().c_str(), name.c_str());
    std::exit(1);
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return append(name, text);
}

inline void print_line(const Record& record) {
  std::printf("%s\n", record.line().c_str());
  std::fflush(stdout);
}

struct PrintedMeasurements {
  int64_t all = 0;
  int64_t not_verified = 0;
};

inline PrintedMeasurements& printed_measurements() {
  static PrintedMeasurements printed;
  return printed;
}

// Prints a measurement and counts it for the last line.
inline void print(const Record& record) {
  print_line(record);
  ++printed_measurements().all;
  if (!record.verified()) ++printed_measurements().not_verified;
}

// Prints the last line and returns the program's exit code: 1 where a result was wrong or stdout could not be written.
inline int finish(const std::string& program) {
  const PrintedMeasurements& printed = printed_measurements();
  print_line(Record("end").add("program", program).add("measurements", printed.all));
  if (printed.not_verified > 0)
    std::fprintf(stderr, "%s: %lld of %lld measurements computed a wrong result\n", program.c_str(),
                 static_cast<long long>(printed.not_verified), static_cast<long long>(printed.all));
  if (std::ferror(stdout)) std::fprintf(stderr, "%s: cannot write the results\n", program.c_str());
  return printed.not_verified > 0 || std::ferror(stdout) ? 1 : 0;
}

}  // namespace microbench
