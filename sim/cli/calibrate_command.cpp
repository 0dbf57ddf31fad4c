#include "sim/cli/calibrate_command.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <ostream>
#include <stdexcept>

#include "analysis/calibration/calibrate.hpp"
#include "analysis/calibration/calibrate_base.hpp"
#include "analysis/calibration/calibrate_report.hpp"
#include "analysis/calibration/fit_plot_svg.hpp"
#include "analysis/calibration/measurements_file.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/output_files.hpp"
#include "sim/cli/calibrate_runs.hpp"
#include "sim/cli/command_syntax.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

constexpr int most_ranks = 1'000'000;
constexpr int nothing_fitted = 1;

constexpr int most_files = 64;

// Words without a dash are read one by one.
std::string file_option(int i) { return i == 0 ? "FILE" : fmt::format("FILE {}", i + 1); }

CommandSyntax syntax() {
  CommandSyntax s(
      "calibrate FILE... [-o PROFILE.yaml] [options]",
      "Fits the constants of a device profile to what was measured on a machine and writes a profile that inherits\n"
      "the rest. FILE is the output of the microbenchmarks or of nccl-tests (text or JSON), or a table of kernel\n"
      "times, gzip-compressed or not; - is standard input. Exit code 1 says that nothing could be fitted.",
      "trainyard calibrate gemm.jsonl memory.jsonl all_reduce.txt -o my-h100.yaml --plot fit.svg\n"
      "trainyard simulate llama3-70b-64xh100 --profile my-h100.yaml\n"
      "trainyard calibrate --runs my-runs.csv -o my-stack.yaml\n"
      "trainyard calibrate two-nodes.txt -o my-h100.yaml --network infiniband --nic-bandwidth 400Gbps");
  for (int i = 0; i < most_files; ++i) s.positional(file_option(i), false);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  const auto number = [] { return po::value<int>()->value_name("N"); };
  s.option()  //
      ("output,o", text("PROFILE.yaml"),
       "the profile; - is standard output, the report then goes to standard error")                                //
      ("base", text("PROFILE"), "device profile to start from, a name or a file; else by the name of the GPU")     //
      ("name", text("NAME"), "of the new profile; else that of its file")                                          //
      ("device", text("GPU"), "which rows of a table of several GPUs, and the GPU where the files do not say it")  //
      ("nccl", text("VERSION"), "of several NCCL versions the newest up to this one: 2.27")                        //
      ("nvlink-bandwidth", text("RATE"), "nominal, per GPU and direction, where the collectives ran: 450GB/s")     //
      ("network", text("PROFILE"),
       "network profile to start from: collectives over several nodes are fitted too, to a "
       "second file whose name ends in -network")                                                               //
      ("nic-bandwidth", text("RATE"), "nominal, each GPU's share, for --network: 400Gbps")                      //
      ("ranks", number(), "of nccl-tests that do not tell")                                                     //
      ("nodes", number(), "of nccl-tests; 1 for hosts that share one NVLink domain")                            //
      ("operation", text("OP"), "of nccl-tests that do not tell: all_reduce, all_gather, alltoall ...")         //
      ("runs", text("RUNS.csv"), "instead of FILE: own measured training steps, a table as validate reads it")  //
      ("profile", text("P.yaml"), "for --runs: the profile part to start from")                                 //
      ("plot", text("FIT.svg"), "draw what was measured and what was fitted")                                   //
      ("json", "print the report as one JSON object");
  return s;
}

std::string word(const po::variables_map& given, const char* option) {
  return given.count(option) != 0 ? given[option].as<std::string>() : std::string();
}

int positive(const po::variables_map& given, const char* option) {
  if (given.count(option) == 0) return 0;
  const int value = given[option].as<int>();
  if (value < 1 || value > most_ranks) throw po::error(fmt::format("--{} must be 1 to {}", option, most_ranks));
  return value;
}

BytesPerSecond bandwidth(const po::variables_map& given, const char* option) {
  if (given.count(option) == 0) return {};
  try {
    const BytesPerSecond rate = parse_bandwidth(given[option].as<std::string>());
    if (rate.value <= 0) throw std::invalid_argument("it must be above 0");
    return rate;
  } catch (const std::invalid_argument& e) {
    throw po::error(fmt::format("--{}: {}", option, e.what()));
  }
}

std::vector<std::string> files_of(const po::variables_map& given) {
  std::vector<std::string> files;
  for (int i = 0; i < most_files && given.count(file_option(i)) != 0; ++i)
    files.push_back(word(given, file_option(i).c_str()));
  return files;
}

MeasurementChoices choices_of(const po::variables_map& given) {
  MeasurementChoices choices;
  choices.ranks = positive(given, "ranks");
  choices.nodes = positive(given, "nodes");
  choices.operation = word(given, "operation");
  choices.device = word(given, "device");
  return choices;
}

void check_usage(const po::variables_map& given) {
  const bool network = given.count("network") != 0;
  if (network != (given.count("nic-bandwidth") != 0)) throw po::error("--network and --nic-bandwidth belong together");
  if (network && word(given, "output") == "-") throw po::error("-o - is one profile; --network makes two: name a file");
  if (word(given, "plot") == "-") throw po::error("--plot needs a file; standard output is for the report");
  for (const char* option : {"output", "base", "name", "network", "plot"})
    if (given.count(option) != 0 && word(given, option).empty()) throw po::error(fmt::format("--{} is empty", option));
}

// "my-h100.yaml" -> "my-h100-network.yaml"
std::string network_file(const std::string& device_file) {
  const fs::path path(device_file);
  return (path.parent_path() / (path.stem().string() + "-network" + path.extension().string())).string();
}

void check_files(const po::variables_map& given, std::vector<std::string> read) {
  for (const char* option : {"base", "network"})
    if (given.count(option) != 0) read.push_back(word(given, option));
  std::vector<std::string> written;
  if (const std::string file = word(given, "output"); !file.empty() && file != "-") {
    written.push_back(file);
    if (given.count("network") != 0) written.push_back(network_file(file));
  }
  if (given.count("plot") != 0) written.push_back(word(given, "plot"));
  require_separate_files(read, written);
}

CalibrationRequest request_of(const po::variables_map& given, const Measurements& measured) {
  CalibrationRequest request;
  request.base = given.count("base") != 0 ? word(given, "base") : base_profile_for(measured, word(given, "device"));
  request.network = word(given, "network");
  request.nic_bandwidth = bandwidth(given, "nic-bandwidth");
  request.collectives = {bandwidth(given, "nvlink-bandwidth"), word(given, "nccl")};
  return request;
}

std::string name_of(const po::variables_map& given, const std::string& file) {
  const std::string name = word(given, "name");
  if (!name.empty()) return name;
  return file == "-" ? "measured" : fs::path(file).stem().string();
}

std::string description_of(const std::vector<std::string>& files, const Measurements& measured) {
  std::vector<std::string> names;
  for (const std::string& file : files)
    names.push_back(file == "-" ? "standard input" : fs::path(file).filename().string());
  const std::string machine = machine_text(measured);
  return fmt::format("Fitted by trainyard calibrate to {}{}{}", fmt::join(names, ", "), machine.empty() ? "" : "; ",
                     machine);
}

struct Output {
  std::string file;
  ProfileDocument document;
};

// What is to be written; every text is read back before the first file changes.
std::vector<Output> outputs_of(const po::variables_map& given, const Calibration& result,
                               const std::string& description) {
  std::vector<Output> outputs;
  const std::string file = word(given, "output");
  if (file.empty()) return outputs;
  const std::string name = name_of(given, file);
  if (!result.device.constants.empty()) outputs.push_back({file, document_of(result.device, name, description)});
  if (result.network && !result.network->constants.empty())
    outputs.push_back({network_file(file), document_of(*result.network, name + "-network", description)});
  for (const Output& o : outputs) check_profile_text(o.document, profile_yaml(o.document));
  return outputs;
}

void write_outputs(const std::vector<Output>& outputs, std::ostream& out, std::ostream& err) {
  for (const Output& o : outputs) {
    if (o.file == "-") {
      out << profile_yaml(o.document);
      continue;
    }
    write_whole_file(o.file, profile_yaml(o.document));
    err << fmt::format("{} constants written to {}\n", o.document.constants.size(), o.file);
  }
}

void print_report(const po::variables_map& given, const Calibration& result, std::ostream& out) {
  out << (given.count("json") != 0 ? calibration_json(result) : calibration_text(result, style_of(out)));
}

bool learnt_something(const Calibration& result) {
  return !result.device.constants.empty() || (result.network && !result.network->constants.empty());
}

}  // namespace

int calibrate_command(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  const std::optional<po::variables_map> parsed = syntax().parse(args, out);
  if (!parsed) return 0;
  const po::variables_map& given = *parsed;
  const std::vector<std::string> files = files_of(given);
  if (given.count("runs") != 0) {
    if (!files.empty()) throw po::error("--runs and FILE exclude each other: calibrate with one, then with the other");
    return calibrate_runs(given, out, err);
  }
  if (files.empty()) throw po::error("FILE is missing");
  if (given.count("profile") != 0) throw po::error("--profile is for --runs; the base of FILE is --base");
  check_usage(given);
  check_files(given, files);
  const Measurements measured = read_measurements(files, choices_of(given));
  const Calibration result = calibrate(measured, request_of(given, measured));
  const std::vector<Output> outputs = outputs_of(given, result, description_of(files, measured));
  print_report(given, result, word(given, "output") == "-" ? err : out);
  if (!learnt_something(result)) {
    err << "no constant is determined by these measurements; the notes say what to measure\n";
    return nothing_fitted;
  }
  write_outputs(outputs, out, err);
  if (given.count("plot") != 0) write_whole_file(word(given, "plot"), fit_plot_svg(result.curves));
  return 0;
}

}  // namespace trainyard
