#include "sim/cli/collective_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <istream>
#include <ostream>

#include "analysis/calibration/nccl_log_ranks.hpp"
#include "analysis/collective_table.hpp"
#include "models/profile_yaml.hpp"
#include "sim/base/errors.hpp"
#include "sim/cli/cluster_input.hpp"
#include "topology/cluster_yaml.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;

constexpr std::int64_t most_rows = 1000;
// Who puts what on which link is kept for every rank of several communicators: some kilobytes each.
constexpr int most_simulated_ranks = 1 << 16;

CommandSyntax syntax() {
  CommandSyntax s(
      "collective OP --cluster C [options]",
      "What nccl-tests would print on a cluster: time, algorithm and bus bandwidth by size, with the algorithm and\n"
      "protocol that NCCL takes. OP: all_reduce, all_gather, reduce_scatter, alltoall, broadcast or sendrecv, also as\n"
      "the programs are called (all_reduce_perf). --groups runs several communicators at once, which share links.\n"
      "Sizes are powers of 1024 (8, 32K, 1M, 8G). `trainyard calibrate` reads the table.",
      "trainyard collective all_reduce --cluster dgx-h100 --nodes 2 -b 8 -e 8G -f 2\n"
      "trainyard collective all_gather --cluster dgx-h100 --nodes 4 --groups 8 -b 1M -e 1G\n"
      "trainyard collective alltoall --cluster topo.txt --set gpu=h100-sxm-80gb -b 32M -e 512M -i 32M --json");
  s.positional("OP", true);
  const auto text = [](const char* what) { return po::value<std::string>()->value_name(what); };
  s.option()("cluster", text("C"), "a preset (dgx-h100), a cluster YAML, a topology file, or {node: …}")(
      "nodes", text("N"), "of them; without: what the cluster says")("gpus-per-node", text("K"),
                                                                     "the first K GPUs of every node; without: all")(
      "groups", text("G"),
      "communicators at the same time; rank r is in communicator r mod G, as with "
      "NCCL_TESTS_SPLIT=\"MOD G\": data-parallel rings of tensor-parallel groups of G")(
      "group-order", text("WORD"), "strided: as above; consecutive: neighbours meet (NCCL_TESTS_SPLIT=\"DIV n/G\")")(
      "minbytes,b", text("SIZE"), "smallest size; 8")("maxbytes,e", text("SIZE"), "largest size; 8G")(
      "stepfactor,f", text("F"), "each size is F times the one before; 2")(
      "stepbytes,i", text("SIZE"), "or so much larger, where -f is not given or 1")(
      "datatype,d", text("TYPE"),
      "float; int8, uint8, int32, uint32, int64, uint64, half, double, bfloat16, f8e4m3, "
      "f8e5m2")("op,o", text("OP"), "sum, prod, min, max, avg: only printed")(
      "root,r", text("RANK"), "of a broadcast: only printed")("iters,n", text("N"), "only printed")(
      "warmup_iters,w", text("N"), "only printed")("check,c", text("0|1"), "whether results are checked: takes memory")(
      "ngpus,g", text("K"),
      "GPUs of a thread, which launches for them in turn; 1. Without --gpus-per-node there is one process per node if "
      "-t times -g is above 1")("nthreads,t", text("T"), "threads of a process; 1")(
      "set", po::value<std::vector<std::string>>()->composing()->value_name("KEY=VALUE"),
      "replace a value of the cluster, e.g. 'stragglers.links=[{node: 0, nic: 3, bandwidth: 0.5}]'; may be repeated")(
      "profile", text("FILE"), "a profile that replaces the calibrated constants")("json",
                                                                                   "one JSON object instead of text");
  return s;
}

// Numbers are taken as text: lexical casts would let "-1" wrap round and "nan" through.
std::int64_t whole(const po::variables_map& given, const char* option, std::int64_t low, std::int64_t high) {
  const auto& text = given[option].as<std::string>();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < low || number > high)
    throw po::error(fmt::format("--{} must be a whole number from {} to {}, not '{}'", option, low, high, text));
  return number;
}
int whole_or(const po::variables_map& given, const char* option, int missing, int low, int high) {
  return given.count(option) == 0 ? missing : static_cast<int>(whole(given, option, low, high));
}

std::int64_t size_or(const po::variables_map& given, const char* option, std::int64_t missing) {
  if (given.count(option) == 0) return missing;
  const auto& text = given[option].as<std::string>();
  const auto bytes = parse_message_size(text);
  if (!bytes) throw po::error(fmt::format("--{} must be a size such as 8, 32K, 1M or 8G, not '{}'", option, text));
  return *bytes;
}

CollectiveKind kind_of(const std::string& given) {
  constexpr std::string_view suffix = "_perf";
  std::string word = given.substr(given.find_last_of('/') + 1);
  if (word.ends_with(suffix)) word.resize(word.size() - suffix.size());
  if (const auto kind = collective_from(word)) return *kind;
  std::vector<std::string> known;
  for (const CollectiveKind kind :
       {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter,
        CollectiveKind::all_to_all, CollectiveKind::broadcast, CollectiveKind::send_receive})
    known.emplace_back(nccl_tests_name(kind));
  if (is_collective_word(word))
    throw po::error(fmt::format("'{}' is no collective of training steps, and not modelled (one of {})", given,
                                fmt::join(known, ", ")));
  std::string hint = did_you_mean(word, known);
  if (hint.empty()) hint = fmt::format("one of {}", fmt::join(known, ", "));
  throw po::error(fmt::format("there is no collective '{}' ({})", given, hint));
}

SizeRange sizes_of(const po::variables_map& given) {
  constexpr std::int64_t largest_factor = 1'000'000'000;
  SizeRange sizes;
  sizes.first = size_or(given, "minbytes", sizes.first);
  sizes.last = size_or(given, "maxbytes", std::max(sizes.first, sizes.last));
  sizes.step = size_or(given, "stepbytes", sizes.step);
  if (given.count("stepfactor") != 0)
    sizes.factor = whole(given, "stepfactor", 1, largest_factor);
  else if (given.count("stepbytes") != 0)
    sizes.factor = 1;
  if (sizes.first > sizes.last)
    throw po::error(fmt::format("invalid sizes for 'minbytes' and 'maxbytes': {} > {}", sizes.first, sizes.last));
  return sizes;
}

std::string word_of(const po::variables_map& given, const char* option, const std::vector<std::string>& words) {
  if (given.count(option) == 0) return words.front();
  const auto& text = given[option].as<std::string>();
  if (std::find(words.begin(), words.end(), text) != words.end()) return text;
  throw po::error(fmt::format("--{} must be one of {}, not '{}'", option, fmt::join(words, ", "), text));
}

ElementType type_of(const po::variables_map& given) {
  std::vector<std::string> names = {"float"};
  for (const ElementType& type : element_types())
    if (type.name != names.front()) names.emplace_back(type.name);
  return *element_type(word_of(given, "datatype", names));
}

NcclTestsArguments arguments_of(const po::variables_map& given) {
  constexpr int most_iterations = 1'000'000'000;
  NcclTestsArguments a;
  a.sizes = sizes_of(given);
  a.type = type_of(given);
  a.reduction = word_of(given, "op", {"sum", "prod", "max", "min", "avg"});
  a.warmup_iterations = whole_or(given, "warmup_iters", a.warmup_iterations, 0, most_iterations);
  a.iterations = whole_or(given, "iters", a.iterations, 1, most_iterations);
  constexpr int most_gpus = 1024;  // of a node; the cluster's number is checked later
  a.threads = whole_or(given, "nthreads", 1, 1, most_gpus);
  a.gpus_of_thread = whole_or(given, "ngpus", 1, 1, most_gpus);
  a.check = whole_or(given, "check", 1, 0, most_iterations) != 0;
  return a;
}

// --gpus-per-node, or what one process per node drives (-t times -g).
int gpus_per_node(const po::variables_map& given, const NcclTestsArguments& arguments, int all) {
  const int chosen = whole_or(given, "gpus-per-node", 0, 1, all);
  const int of_process = arguments.threads * arguments.gpus_of_thread;
  if (of_process > all)
    throw po::error(fmt::format("--nthreads times --ngpus is {}, but a node has {} GPUs", of_process, all));
  if (chosen > 0 && chosen % of_process != 0)
    throw po::error(
        fmt::format("--gpus-per-node {} is no multiple of the {} GPUs of a process (-t times -g)", chosen, of_process));
  if (chosen > 0) return chosen;
  return of_process > 1 ? of_process : all;
}

void check_groups(const CollectiveTest& test, int ranks) {
  if (ranks < 2) throw po::error("one rank communicates with nobody: more --nodes or --gpus-per-node");
  if (ranks % test.groups != 0)
    throw po::error(fmt::format("--groups {} does not divide the {} ranks", test.groups, ranks));
  if (ranks / test.groups < 2)
    throw po::error(
        fmt::format("--groups {} leaves one rank to a communicator, which communicates with nobody (at "
                    "most {} groups of {} ranks)",
                    test.groups, ranks / 2, ranks));
  if (test.groups > 1 && ranks > most_simulated_ranks)
    throw po::error(
        fmt::format("--groups needs every rank simulated: at most {} ranks, not {}", most_simulated_ranks, ranks));
}

CollectiveTest test_of(const po::variables_map& given, CollectiveKind kind, const Cluster& cluster) {
  CollectiveTest test;
  test.kind = kind;
  test.arguments = fitting(arguments_of(given), cluster.gpu_memory);
  const std::int64_t rows = size_count(test.arguments.sizes);
  if (rows > most_rows)
    throw po::error(fmt::format("these sizes make {} rows, more than {} (a larger --stepbytes, or --stepfactor 2)",
                                rows, most_rows));
  test.gpus_per_node = gpus_per_node(given, test.arguments, cluster.gpus_per_node());
  const int ranks = test.gpus_per_node * cluster.nodes;
  test.groups = whole_or(given, "groups", 1, 1, most_nodes);
  check_groups(test, ranks);
  test.order = word_of(given, "group-order", {"strided", "consecutive"}) == "strided" ? GroupOrder::strided
                                                                                      : GroupOrder::consecutive;
  test.arguments.root = whole_or(given, "root", 0, 0, ranks / test.groups - 1);
  return test;
}

Profile profile_of(const po::variables_map& given, const Cluster& cluster, std::ostream& err) {
  // Collectives do not depend on the software stack.
  Profile profile = load_profile(cluster.gpu, cluster.fabric.network, "megatron-core");
  const auto file = text_of(given, "profile");
  if (!file) return profile;
  const FlopsPerSecond peak = profile.device.peak_half;
  profile = with_profile_file(std::move(profile), *file);
  if (profile.device.peak_half != peak)
    err << fmt::format("warning: device profile '{}' is of another GPU than the cluster's {}\n", profile.device.name,
                       cluster.gpu);
  return profile;
}

}  // namespace

int collective_command(const std::vector<std::string>& args, std::istream&, std::ostream& out, std::ostream& err) {
  const auto given = syntax().parse(args, out);
  if (!given) return 0;
  const CollectiveKind kind = kind_of((*given)["OP"].as<std::string>());
  if (given->count("cluster") == 0)
    throw po::error(fmt::format("--cluster is missing: a preset such as dgx-h100, or a file"));
  std::optional<int> nodes;
  if (given->count("nodes") != 0) nodes = static_cast<int>(whole(*given, "nodes", 1, most_nodes));
  const Cluster cluster = read_cluster_word((*given)["cluster"].as<std::string>(), nodes, overrides_of(*given, "set"));
  const CollectiveTest test = test_of(*given, kind, cluster);
  const Profile profile = profile_of(*given, cluster, err);
  for (const std::string& warning : cluster.node.warnings) err << "warning: " << warning << '\n';
  const CollectiveTable table = collective_table(test, Routes(cluster), profile);
  out << (given->count("json") != 0 ? collective_json(table) : collective_text(table));
  return 0;
}

}  // namespace trainyard
