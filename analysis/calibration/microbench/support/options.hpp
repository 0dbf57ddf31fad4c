// The command line of a microbenchmark: "--name value", "--name=value" or "--name" for a flag (one-letter names take
// one dash: "-b 8M"). --help prints the usage on stdout and exits 0; an unknown, repeated or malformed option says
// which on stderr and exits 2. Values are checked against a range where they are read.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace microbench {

struct KnownOption {
  std::string name;           // without dashes
  std::string default_value;  // kFlag for an option without a value
  std::string meaning;
};

inline const std::string kFlag = "(flag)";

class Options {
 public:
  // `usage` opens the --help text. --device and --quick are known to every program.
  Options(int argc, char** argv, const std::string& usage, std::vector<KnownOption> known);

  int64_t get_int(const std::string& name, int64_t minimum, int64_t maximum) const;
  double get_double(const std::string& name, double minimum, double maximum) const;
  // A byte count with an optional binary suffix K, M or G: "64K" is 65536.
  int64_t get_bytes(const std::string& name, int64_t minimum, int64_t maximum) const;
  // `allowed` empty: any text.
  std::string get_string(const std::string& name, const std::vector<std::string>& allowed = {}) const;
  // Comma-separated; an empty list or item is an error.
  std::vector<int64_t> get_list(const std::string& name, int64_t minimum, int64_t maximum) const;
  std::vector<std::string> get_words(const std::string& name, const std::vector<std::string>& allowed = {}) const;
  bool flag(const std::string& name) const { return text(name) == "true"; }
  // Whether the user wrote the option (rather than its default holding).
  bool given(const std::string& name) const { return given_.count(name) > 0; }

  // For checks a program makes itself: says which option is wrong and why, and exits 2.
  [[noreturn]] static void refuse(const std::string& name, const std::string& why);

 private:
  static std::string dashed(const std::string& name) { return (name.size() == 1 ? "-" : "--") + name; }
  static int64_t parse_int(const std::string& name, const std::string& text, int64_t minimum, int64_t maximum);
  static void check_word(const std::string& name, const std::string& word, const std::vector<std::string>& allowed);
  const KnownOption* find(const std::string& name) const;
  const std::string& text(const std::string& name) const;
  void parse(int argc, char** argv, const std::string& usage);
  void print_help(const std::string& usage) const;
  std::vector<std::string> split(const std::string& name) const;

  std::vector<KnownOption> known_;
  std::map<std::string, std::string> given_;
};

inline Options::Options(int argc, char** argv, const std::string& usage, std::vector<KnownOption> known)
    : known_(std::move(known)) {
  known_.push_back({"device", "0", "index of the CUDA device"});
  known_.push_back({"quick", kFlag, "few and small cases: seconds rather than a minute"});
  parse(argc, argv, usage);
}

inline void Options::refuse(const std::string& name, const std::string& why) {
  std::fprintf(stderr, "%s: %s (--help lists the options)\n", dashed(name).c_str(), why.c_str());
  std::exit(2);
}

inline const KnownOption* Options::find(const std::string& name) const {
  for (const KnownOption& option : known_)
    if (option.name == name) return &option;
  return nullptr;
}

inline void Options::parse(int argc, char** argv, const std::string& usage) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help" || word == "-h") {
      print_help(usage);
      std::exit(0);
    }
    const size_t dashes = word.rfind("--", 0) == 0 ? 2 : 1;
    const size_t equals = word.find('=');
    const std::string name = word.size() > dashes && word[0] == '-' ? word.substr(dashes, equals - dashes) : "";
    const KnownOption* option = find(name);
    if (option == nullptr || dashed(name) != word.substr(0, equals)) {
      std::fprintf(stderr, "unknown option '%s' (--help lists the options)\n", word.c_str());
      std::exit(2);
    }
    if (given_.count(name) > 0) refuse(name, "given twice");
    const bool is_flag = option->default_value == kFlag;
    if (is_flag && equals != std::string::npos) refuse(name, "takes no value");
    if (!is_flag && equals == std::string::npos && i + 1 == argc) refuse(name, "needs a value");
    given_[name] = is_flag ? "true" : equals != std::string::npos ? word.substr(equals + 1) : argv[++i];
  }
}

inline void Options::print_help(const std::string& usage) const {
  std::printf("%s\n\noptions:\n", usage.c_str());
  for (const KnownOption& option : known_) {
    const bool is_flag = option.default_value == kFlag;
    const std::string left = dashed(option.name) + (is_flag ? "" : " VALUE");
    const std::string shown = is_flag || option.default_value.empty() ? "" : " [" + option.default_value + "]";
    std::printf("  %-24s %s%s\n", left.c_str(), option.meaning.c_str(), shown.c_str());
  }
  std::printf("  %-24s %s\n", "--help", "this text");
}

inline const std::string& Options::text(const std::string& name) const {
  const auto found = given_.find(name);
  if (found != given_.end()) return found->second;
  const KnownOption* option = find(name);
  if (option == nullptr) refuse(name, "is not declared by this program");
  return option->default_value;
}

inline int64_t Options::parse_int(const std::string& name, const std::string& text, int64_t minimum, int64_t maximum) {
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || errno == ERANGE) refuse(name, "'" + text + "' is not a whole number");
  if (value < minimum || value > maximum)
    refuse(name, text + " is not in " + std::to_string(minimum) + " … " + std::to_string(maximum));
  return value;
}

inline int64_t Options::get_int(const std::string& name, int64_t minimum, int64_t maximum) const {
  return parse_int(name, text(name), minimum, maximum);
}

inline double Options::get_double(const std::string& name, double minimum, double maximum) const {
  const std::string& word = text(name);
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  if (word.empty() || *end != '\0' || !std::isfinite(value)) refuse(name, "'" + word + "' is not a number");
  if (value < minimum || value > maximum)
    refuse(name, word + " is not in " + std::to_string(minimum) + " … " + std::to_string(maximum));
  return value;
}

inline int64_t Options::get_bytes(const std::string& name, int64_t minimum, int64_t maximum) const {
  std::string digits = text(name);
  const std::string suffixes = "KMG";
  const size_t suffix = digits.empty() ? std::string::npos : suffixes.find(digits.back());
  const int shift = suffix == std::string::npos ? 0 : 10 * (static_cast<int>(suffix) + 1);
  if (shift > 0) digits.pop_back();
  const int64_t largest = INT64_MAX >> shift;
  const int64_t value = parse_int(name, digits, 0, largest) << shift;
  return parse_int(name, std::to_string(value), minimum, maximum);
}

inline void Options::check_word(const std::string& name, const std::string& word,
                                const std::vector<std::string>& allowed) {
  if (allowed.empty() || std::find(allowed.begin(), allowed.end(), word) != allowed.end()) return;
  std::string list;
  for (const std::string& candidate : allowed) list += (list.empty() ? "" : ", ") + candidate;
  refuse(name, "'" + word + "' is none of: " + list);
}

inline std::string Options::get_string(const std::string& name, const std::vector<std::string>& allowed) const {
  check_word(name, text(name), allowed);
  return text(name);
}

inline std::vector<std::string> Options::split(const std::string& name) const {
  const std::string& list = text(name);
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    items.push_back(list.substr(begin, end - begin));
    if (items.back().empty()) refuse(name, "has an empty item in '" + list + "'");
    begin = end + 1;
  }
  return items;
}

inline std::vector<int64_t> Options::get_list(const std::string& name, int64_t minimum, int64_t maximum) const {
  std::vector<int64_t> values;
  for (const std::string& item : split(name)) values.push_back(parse_int(name, item, minimum, maximum));
  return values;
}

inline std::vector<std::string> Options::get_words(const std::string& name,
                                                   const std::vector<std::string>& allowed) const {
  std::vector<std::string> words = split(name);
  for (const std::string& word : words) check_word(name, word, allowed);
  return words;
}

}  // namespace microbench
