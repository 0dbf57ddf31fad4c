#include "sim/cli/command_syntax.hpp"

#include <fmt/format.h>

#include <ostream>
#include <sstream>
#include <utility>

#include "sim/base/errors.hpp"

namespace trainyard {

namespace po = boost::program_options;

CommandSyntax::CommandSyntax(std::string usage, std::string summary, std::string example)
    : usage_(std::move(usage)),
      summary_(std::move(summary)),
      example_(std::move(example)),
      options_("options", 100, 60) {
  options_.add_options()("help,h", "this text");
}

void CommandSyntax::positional(const std::string& name, bool required) {
  positional_values_.add_options()(name.c_str(), po::value<std::string>());
  positionals_.add(name.c_str(), 1);
  if (required) required_.push_back(name);
}

std::optional<po::variables_map> CommandSyntax::parse(const std::vector<std::string>& args, std::ostream& out) const {
  po::options_description all;
  all.add(options_).add(positional_values_);
  po::variables_map given;
  try {
    po::command_line_parser parser(args);
    po::store(parser.options(all)
                  .positional(positionals_)
                  .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
                  .run(),
              given);
  } catch (const po::unknown_option& e) {
    throw po::error(fmt::format("unknown option '{}'{}", e.get_option_name(), hint_for(e.get_option_name())));
  } catch (const po::too_many_positional_options_error&) {
    throw po::error("too many arguments");
  }
  if (given.count("help") != 0) {
    out << help();
    return std::nullopt;
  }
  for (const std::string& name : required_)
    if (given.count(name) == 0) throw po::error(fmt::format("{} is missing", name));
  return given;
}

std::string CommandSyntax::help() const {
  std::ostringstream text;
  text << "usage: trainyard " << usage_ << "\n\n" << summary_ << "\n\n" << options_ << "\nexample:\n";
  std::istringstream examples(example_);
  for (std::string line; std::getline(examples, line);) text << "  " << line << '\n';
  return text.str();
}

std::string CommandSyntax::hint_for(const std::string& unknown) const {
  std::vector<std::string> known;
  for (const auto& option : options_.options()) known.push_back("--" + option->long_name());
  const std::string hint = did_you_mean(unknown, known);
  return hint.empty() ? std::string{} : fmt::format(", {}", hint);
}

}  // namespace trainyard
