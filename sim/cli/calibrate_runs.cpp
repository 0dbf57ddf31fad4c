#include "sim/cli/calibrate_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <thread>

#include "analysis/adaptation/adaptation_json.hpp"
#include "analysis/adaptation/own_profile.hpp"
#include "analysis/adaptation/own_runs.hpp"
#include "analysis/adaptation/own_runs_text.hpp"
#include "analysis/calibration/write_profile_yaml.hpp"
#include "analysis/validation/score_json.hpp"
#include "analysis/validation/shipped_presets.hpp"
#include "analysis/validation/simulated_prediction.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/output_files.hpp"
#include "sim/base/scenario_files.hpp"
#include "sim/base/yaml_reader.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

constexpr int nothing_learnt = 1;

std::optional<std::string> word(const po::variables_map& given, const char* option) {
  if (given.count(option) == 0) return std::nullopt;
  const std::string text = given[option].as<std::string>();
  if (text.empty()) throw po::error(fmt::format("--{} is empty", option));
  return text;
}

// The part that a file to start from replaces: one, as a file of several has no name that a part could inherit.
struct StartingPart {
  std::string kind;
  std::string file;
};
std::optional<StartingPart> starting_part(const std::optional<std::string>& profile) {
  if (!profile) return std::nullopt;
  YamlMapping top(read_yaml_file(*profile));
  const YamlValue kind = top.required("kind");
  if (kind.as_string() == "profile")
    kind.fail("several parts cannot be inherited from", "give --profile a file of one device, network or stack");
  return StartingPart{kind.as_string(), fs::absolute(*profile).string()};
}

void check_options(const po::variables_map& given) {
  for (const char* option : {"base", "device", "nccl", "nvlink-bandwidth", "network", "nic-bandwidth", "ranks", "nodes",
                             "operation", "plot"})
    if (given.count(option) != 0) throw po::error(fmt::format("--{} is for FILE, not for --runs", option));
}

bool shipped(std::string_view folder, const std::string& name) {
  const std::vector<std::string> names = scenario_names(folder);
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The profile of some rows as its files have it, each part named by what a file can inherit.
Profile base_of(const OwnProfile& rows, const Presets& presets, const std::optional<StartingPart>& start) {
  const std::string stack = shipped("profiles/stacks", rows.stack) ? rows.stack : "megatron-core";  // replaced anyway
  Profile base = presets.profile(rows.gpu, rows.fabric, stack).value();
  if (!start) return base;
  if (start->kind == "device") base.device.name = start->file;
  if (start->kind == "network") base.network.name = start->file;
  if (start->kind == "stack") base.stack.name = start->file;
  return base;
}

// "mine.yaml" for most rows, "mine.a100-sxm-80gb.megatron-core.yaml" for others.
std::string file_of(const std::string& output, const OwnProfile& rows, bool first) {
  if (first) return output;
  const fs::path path(output);
  const std::string name = fmt::format("{}.{}.{}.{}{}", path.stem().string(), rows.device, rows.network, rows.stack,
                                       path.extension().string());
  return (path.parent_path() / name).string();
}

struct Output {
  std::string file;
  std::string text;
};

std::vector<Output> outputs_of(const po::variables_map& given, const OwnRuns& result, const Presets& presets,
                               const std::optional<StartingPart>& start) {
  const std::optional<std::string> output = word(given, "output");
  if (!output) return {};
  if (*output == "-" && result.profiles.size() > 1)
    throw po::error(fmt::format("-o - is one profile; these rows have {}: name a file", result.profiles.size()));
  const std::string table = fs::path(*word(given, "runs")).filename().string();
  const std::string title = word(given, "name").value_or(*output == "-" ? "own" : fs::path(*output).stem().string());
  const std::string origin =
      fmt::format("{}, {} measured step{}", table, result.rows.size(), result.rows.size() == 1 ? "" : "s");
  std::vector<Output> outputs;
  for (const OwnProfile& rows : result.profiles)
    outputs.push_back({file_of(*output, rows, outputs.empty()),
                       own_profile_yaml(base_of(rows, presets, start), result, title, origin)});
  return outputs;
}

void write_outputs(const std::vector<Output>& outputs, std::ostream& out, std::ostream& err) {
  for (const Output& o : outputs) {
    if (o.file == "-") {
      out << o.text;
      continue;
    }
    write_whole_file(o.file, o.text);
    err << fmt::format("profile written to {}\n", o.file);
  }
}

}  // namespace

int calibrate_runs(const po::variables_map& given, std::ostream& out, std::ostream& err) {
  check_options(given);
  const std::string table = word(given, "runs").value();
  const std::optional<std::string> profile = word(given, "profile");
  const std::optional<StartingPart> start = starting_part(profile);
  if (const std::string file = word(given, "output").value_or("-"); file != "-")
    require_separate_files({table, profile.value_or(table)}, {file});
  const Presets presets = shipped_presets(profile);
  const AdaptationProblem problem = adaptation_problem(read_runs(table), shipped_mapping_rules(), presets);
  const OwnRuns result =
      adapt_to_runs(problem, simulated_prediction(), std::max(1U, std::thread::hardware_concurrency()));
  std::ostream& report = word(given, "output") == "-" ? err : out;
  const std::vector<Output> outputs = outputs_of(given, result, presets, start);
  if (given.count("json") != 0)
    report << json_text(own_runs_json(result));
  else
    report << finished(own_runs_text(result, style_of(report)), style_of(report));
  if (result.rows.empty()) return nothing_learnt;
  write_outputs(outputs, out, err);
  return 0;
}

}  // namespace trainyard
