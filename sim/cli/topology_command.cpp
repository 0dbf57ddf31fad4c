#include "sim/cli/topology_command.hpp"

#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <istream>
#include <iterator>
#include <ostream>
#include <sstream>

#include "sim/base/errors.hpp"
#include "sim/base/scenario_files.hpp"
#include "sim/cli/command_syntax.hpp"
#include "topology/cluster_yaml.hpp"
#include "topology/describe.hpp"
#include "topology/topology_file.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;

CommandSyntax syntax() {
  CommandSyntax s(
      "topology FILE|- [options]",
      "Reads `nvidia-smi topo -m` (pasted, logged or escaped), an NCCL topology XML, a cluster YAML or a preset's "
      "name\n"
      "and shows the links, NVLink islands, PCIe and NUMA groups, nearest NICs, and oddities that a job would notice.",
      "nvidia-smi topo -m | trainyard topology -\n"
      "trainyard topology dgx-h100 --svg dgx-h100.svg");
  s.positional("FILE", true);
  s.option()("json", "print JSON")("dot", po::value<std::string>(),
                                   "write a Graphviz graph to this file (- for stdout)")(
      "svg", po::value<std::string>(), "write a drawing to this file (- for stdout)");
  return s;
}

// A cluster document says which node it consists of; a capture never has a line like that.
bool is_cluster_yaml(const std::string& text) {
  std::istringstream lines(text.substr(0, std::size_t{1} << 16));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("node:") || line.starts_with("{node:")) return true;
  return false;
}

TopologyDescription describe_text(const std::string& text, const std::string& name) {
  if (is_cluster_yaml(text)) return describe(read_cluster(read_yaml_text(text, name)));
  return describe(read_topology_text(text, name).node, name);
}

TopologyDescription describe_input(const std::string& file, std::istream& in) {
  if (file == "-") {
    constexpr std::size_t enough = std::size_t{8} << 20;  // more is refused by its size
    std::string text;
    for (std::istreambuf_iterator<char> c(in), end; c != end && text.size() < enough; ++c) text.push_back(*c);
    return describe_text(text, "stdin");
  }
  std::error_code none;
  if (std::filesystem::exists(file, none) && !std::filesystem::is_directory(file, none))
    return describe_text(read_input_file(file), file);
  return describe(read_cluster_file(file));
}

void write(const std::string& file, const std::string& text, std::ostream& out) {
  if (file == "-") {
    out << text;
    return;
  }
  std::ofstream to(file, std::ios::binary);
  to << text;
  to.flush();
  if (!to) throw InputError({file, 0, 0}, "cannot write the file");
}

}  // namespace

int topology_command(const std::vector<std::string>& args, std::istream& in, std::ostream& out, std::ostream&) {
  const auto given = syntax().parse(args, out);
  if (!given) return 0;
  const TopologyDescription description = describe_input((*given)["FILE"].as<std::string>(), in);
  bool drawn_to_stdout = false;
  struct Writer {
    const char* option;
    std::string (*text)(const TopologyDescription&);
  };
  for (const Writer& writer : std::array{Writer{"dot", topology_dot}, Writer{"svg", topology_svg}}) {
    if (given->count(writer.option) == 0) continue;
    const std::string& file = (*given)[writer.option].as<std::string>();
    drawn_to_stdout |= file == "-";
    write(file, writer.text(description), out);
  }
  if (given->count("json") != 0)
    out << topology_json(description);
  else if (!drawn_to_stdout)
    out << topology_text(description);
  return 0;
}

}  // namespace trainyard
