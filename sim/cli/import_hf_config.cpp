#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <istream>
#include <iterator>
#include <ostream>

#include "models/hugging_face_config.hpp"
#include "models/model_config.hpp"
#include "sim/cli/import_command.hpp"

namespace trainyard {

namespace po = boost::program_options;

int import_hf_config(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err) {
  po::options_description shown("Options");
  shown.add_options()("help,h", "show this help");
  po::options_description all = shown;
  all.add_options()("file", po::value<std::string>());
  po::positional_options_description positional;
  positional.add("file", 1);
  po::variables_map given;
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::store(po::command_line_parser(args).options(all).positional(positional).style(style).run(), given);
  if (given.count("help") > 0) {
    out << "Usage: trainyard import hf-config FILE|-\nWrites a Hugging Face config.json as a model YAML.\n\n"
        << shown << "\nExample:\n  trainyard import hf-config Llama-3.1-8B/config.json > my-model.yaml\n";
    return 0;
  }
  if (given.count("file") == 0) throw po::error("a FILE is missing: the config.json, or - for standard input");
  const auto& file = given["file"].as<std::string>();
  const ImportedModel model = file == "-"
                                  ? read_hugging_face_config({std::istreambuf_iterator<char>(in), {}}, "standard input")
                                  : load_hugging_face_config(file);
  out << to_yaml(model.shape);
  if (!model.defaulted.empty())
    err << fmt::format("not stated, the class default holds: {}\n", fmt::join(model.defaulted, ", "));
  if (!model.ignored.empty()) err << fmt::format("keys without a meaning here: {}\n", fmt::join(model.ignored, ", "));
  return 0;
}

}  // namespace trainyard
