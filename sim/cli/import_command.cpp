#include "sim/cli/import_command.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/program_options.hpp>
#include <istream>
#include <ostream>
#include <string_view>

#include "sim/base/errors.hpp"
#include "sim/cli/import_megatron_args.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;

struct Import {
  std::string_view name;
  std::string_view summary;
  int (*run)(const std::vector<std::string>&, std::istream&, std::ostream&, std::ostream&);
};
constexpr std::array imports = {
    Import{"hf-config", "a Hugging Face config.json as a model YAML", import_hf_config},
    Import{"megatron-args", "a Megatron-LM command line as a scenario YAML", import_megatron_args}};

void print_overview(std::ostream& out) {
  out << "Usage: trainyard import WHAT FILE|-\nTurns another program's configuration into YAML on stdout.\n\n";
  for (const Import& i : imports) out << fmt::format("  {:<16}{}\n", i.name, i.summary);
  out << "\nExample:\n  trainyard import hf-config Llama-3.1-8B/config.json > my-model.yaml\n";
}

}  // namespace

int import_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err) {
  std::vector<std::string> names;
  for (const Import& i : imports) names.emplace_back(i.name);
  if (args.empty()) throw po::error(fmt::format("say what to import: {}", fmt::join(names, ", ")));
  if (args.front() == "--help" || args.front() == "-h") {
    print_overview(out);
    return 0;
  }
  for (const Import& i : imports)
    if (i.name == args.front()) return i.run({args.begin() + 1, args.end()}, in, out, err);
  std::string hint = did_you_mean(args.front(), names);
  if (hint.empty()) hint = fmt::format("known: {}", fmt::join(names, ", "));
  throw po::error(fmt::format("cannot import '{}' ({})", args.front(), hint));
}

}  // namespace trainyard
