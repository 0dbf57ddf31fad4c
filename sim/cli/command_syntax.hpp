// What a command accepts and how its help reads: options of Boost.Program_options taken strictly (no abbreviations),
// with a hint for a mistyped one.
#pragma once

#include <boost/program_options.hpp>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace trainyard {

class CommandSyntax {
 public:
  // `usage` without "usage: "; `example` one command line per line.
  CommandSyntax(std::string usage, std::string summary, std::string example);

  boost::program_options::options_description_easy_init option() { return options_.add_options(); }
  // A word without a dash, in order; read it like an option.
  void positional(const std::string& name, bool required);

  // The options given, or nullopt after --help went to `out`. Throws boost::program_options::error.
  std::optional<boost::program_options::variables_map> parse(const std::vector<std::string>& args,
                                                             std::ostream& out) const;

 private:
  std::string help() const;
  std::string hint_for(const std::string& unknown) const;

  std::string usage_;
  std::string summary_;
  std::string example_;
  boost::program_options::options_description options_;
  boost::program_options::options_description positional_values_;
  boost::program_options::positional_options_description positionals_;
  std::vector<std::string> required_;
};

}  // namespace trainyard
