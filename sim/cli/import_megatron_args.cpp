#include "sim/cli/import_megatron_args.hpp"

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <string_view>

#include "models/model_config.hpp"
#include "sim/base/errors.hpp"
#include "sim/plan/megatron_args.hpp"
#include "sim/plan/plan_yaml.hpp"

namespace trainyard {
namespace {

constexpr std::string_view usage =
    "usage: trainyard import megatron-args FILE|-\n"
    "\n"
    "Reads a Megatron-LM launch script (or its arguments alone) and writes a scenario to stdout.\n"
    "What was defaulted or not understood is said on stderr. The cluster is a placeholder.\n"
    "\n"
    "example: trainyard import megatron-args train_gpt3_175b.sh > scenario.yaml\n";

constexpr int placeholder_gpus_per_node = 8;  // of dgx-h100

std::string text_of(std::istream& stream, const std::string& name) {
  std::ostringstream text;
  text << stream.rdbuf();
  if (text.str().empty()) throw InputError({name, 0, 0}, "cannot read it, or it is empty");
  return text.str();
}

std::string read_script(const std::string& path, std::istream& in) {
  if (path == "-") return text_of(in, "stdin");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw InputError({path, 0, 0}, "cannot open the file");
  return text_of(file, path);
}

std::string indented(const std::string& block) {
  std::istringstream lines(block);
  std::string text;
  for (std::string line; std::getline(lines, line);) text += line.empty() ? "\n" : "  " + line + "\n";
  return text;
}

void write_cluster(const MegatronImport& import, std::ostream& out, std::ostream& err) {
  out << "cluster: dgx-h100\n";
  err << "# cluster: dgx-h100 is a placeholder: put yours\n";
  if (!import.world_size) {
    err << "# nodes: the number of GPUs is not in the command: set it\n";
    out << "nodes: 1\n";
    return;
  }
  out << fmt::format("nodes: {}\n", (*import.world_size + placeholder_gpus_per_node - 1) / placeholder_gpus_per_node);
  const int per_node = import.gpus_per_node.value_or(placeholder_gpus_per_node);
  if (*import.world_size % placeholder_gpus_per_node != 0 || per_node != placeholder_gpus_per_node)
    err << fmt::format("# nodes: the command starts {} ranks{}, but dgx-h100 has {} GPUs per node\n",
                       *import.world_size, import.gpus_per_node ? fmt::format(", {} per node", per_node) : "",
                       placeholder_gpus_per_node);
}

}  // namespace

int import_megatron_args(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream& err) {
  if (args.size() == 1 && (args.front() == "--help" || args.front() == "-h")) {
    out << usage;
    return 0;
  }
  if (args.size() != 1 || (args.front().starts_with('-') && args.front() != "-")) {
    err << usage;
    return 2;
  }
  const std::string& path = args.front();
  const MegatronImport import = read_megatron_args(read_script(path, in), path == "-" ? "stdin" : path);
  out << "model:\n" << indented(to_yaml(import.model));
  write_cluster(import, out, err);
  out << to_yaml(import.plan, import.workload);
  for (const std::string& text : import.defaulted) err << "# defaulted: " << text << '\n';
  for (const std::string& text : import.not_understood) err << "# not understood: " << text << '\n';
  return 0;
}

}  // namespace trainyard
