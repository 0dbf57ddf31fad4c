#include "sim/cli/validate_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <set>
#include <thread>
#include <utility>

#include "analysis/adaptation/adaptation_json.hpp"
#include "analysis/adaptation/leave_one_out.hpp"
#include "analysis/adaptation/leave_one_out_text.hpp"
#include "analysis/adaptation/residuals_page.hpp"
#include "analysis/adaptation/scatter_svg.hpp"
#include "analysis/validation/mapping_rules.hpp"
#include "analysis/validation/residual_json.hpp"
#include "analysis/validation/residual_text.hpp"
#include "analysis/validation/run_table.hpp"
#include "analysis/validation/score.hpp"
#include "analysis/validation/score_json.hpp"
#include "analysis/validation/score_text.hpp"
#include "analysis/validation/shipped_presets.hpp"
#include "analysis/validation/simulated_prediction.hpp"
#include "analysis/validation/validation.hpp"
#include "sim/base/errors.hpp"
#include "sim/cli/command_syntax.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;

CommandSyntax syntax() {
  CommandSyntax s(
      "validate RUNS.csv [options]",
      "Predicts every run of the table and compares with what was measured, per split_group. The columns are\n"
      "those of scenarios/published/training_runs.csv; an empty cell takes the documented default of the row's\n"
      "software. RUNS.csv may be -, standard input.",
      "trainyard validate scenarios/published/training_runs.csv --tier A --details --group korthikanti");
  s.positional("RUNS", true);
  s.option()                                                                                                         //
      ("predictions", po::value<std::string>()->value_name("OUT.csv"), "write one predicted line per row")           //
      ("profile", po::value<std::string>()->value_name("P.yaml"), "replace the parts that P.yaml has for each row")  //
      ("group", po::value<std::string>()->value_name("G,..."), "only these split_groups")                            //
      ("tier", po::value<std::string>()->value_name("A,..."), "only rows of these tiers")                            //
      ("rows", po::value<std::string>()->value_name("ID,..."), "only these rows")                                    //
      ("details", "print every row: plan, measured, predicted, error")                                               //
      ("explain", "which rows are wrong together, errors by axis, and all that the next two print")                  //
      ("explain-skips", "say why rows have no prediction")                                                           //
      ("assumptions", "say what was assumed where rows do not say")                                                  //
      ("spread", "per stack: measured over predicted against its step_time_p10 and step_time_p90")                   //
      ("leave-one-out", "predict each source with constants fitted to the others only; takes minutes")               //
      ("page", po::value<std::string>()->value_name("FOLDER"),
       "write RESIDUALS.md and predicted_against_measured.svg there; includes --leave-one-out")  //
      ("json", "print the scores as JSON")                                                       //
      ("markdown", "print the scores as Markdown tables");
  return s;
}

// The words of a comma-separated option; nothing if it was not given.
std::optional<std::set<std::string>> listed(const po::variables_map& given, const char* option) {
  if (given.count(option) == 0) return std::nullopt;
  const auto& text = given[option].as<std::string>();
  std::set<std::string> words;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    if (end > start) words.insert(text.substr(start, end - start));
    start = end + 1;
  }
  if (words.empty()) throw po::error(fmt::format("--{} names nothing", option));
  return words;
}

// A word that selects nothing is a mistake worth an error.
void keep(std::vector<PublishedRun>& runs, const po::variables_map& given, const char* option,
          std::string PublishedRun::*column) {
  const std::optional<std::set<std::string>> wanted = listed(given, option);
  if (!wanted) return;
  std::set<std::string> known;
  for (const PublishedRun& run : runs) known.insert(run.*column);
  for (const std::string& word : *wanted)
    if (!known.contains(word))
      throw po::error(fmt::format("--{}: no such row here: '{}' {}", option, word,
                                  did_you_mean(word, {known.begin(), known.end()})));
  std::erase_if(runs, [&](const PublishedRun& run) { return !wanted->contains(run.*column); });
}

std::vector<PublishedRun> chosen_runs(const po::variables_map& given) {
  std::vector<PublishedRun> runs = read_runs(given["RUNS"].as<std::string>());
  keep(runs, given, "tier", &PublishedRun::tier);
  keep(runs, given, "group", &PublishedRun::split_group);
  keep(runs, given, "rows", &PublishedRun::id);
  return runs;
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text << std::flush;
  if (!file) throw InputError({path, 0, 0}, "cannot be written");
}

// What the command was asked and what it found.
struct Answer {
  const po::variables_map& given;
  std::vector<ValidatedRun> rows;
  std::optional<LeaveOneOut> study;
  bool asked(const char* option) const { return given.count(option) != 0; }
};

std::string answer_json(const Answer& answer) {
  nlohmann::ordered_json all = score_object(score_groups(answer.rows));
  all["coverage"] = coverage_json(answer.rows);
  if (answer.asked("explain")) {
    all["patterns"] = patterns_json(residual_patterns(answer.rows));
    all["axes"] = axes_json(values_by_axis(answer.rows));
  }
  if (answer.study) all["leave_one_out"] = leave_one_out_json(*answer.study);
  return json_text(all);
}

std::string answer_markdown(const Answer& answer) {
  std::string text = score_markdown(score_groups(answer.rows));
  if (answer.asked("explain")) text += fmt::format("\n{}", patterns_markdown(residual_patterns(answer.rows)));
  if (answer.study) text += fmt::format("\n{}", leave_one_out_markdown(*answer.study));
  return text;
}

std::string answer_text(const Answer& answer, const TextStyle& style) {
  TextStyle wide = style;
  wide.width = 240;  // a row's details are for wide terminals, pagers and grep
  std::string text = answer.asked("details") ? fmt::format("{}\n", details_table(answer.rows, wide)) : std::string();
  text += score_table(score_groups(answer.rows), style) + coverage_sentence(answer.rows);
  const bool explain = answer.asked("explain");
  if (explain)
    text += fmt::format("\n{}\n{}", patterns_text(residual_patterns(answer.rows), wide),
                        axes_text(values_by_axis(answer.rows), wide));
  if (explain || answer.asked("explain-skips")) text += fmt::format("\n{}", skips_text(answer.rows));
  if (explain || answer.asked("assumptions")) text += fmt::format("\n{}", assumptions_text(answer.rows));
  if (answer.asked("spread")) text += fmt::format("\n{}", coverage_table(answer.rows, style));
  if (answer.study) text += fmt::format("\n{}", leave_one_out_text(*answer.study, wide));
  return finished(std::move(text), style);
}

std::string answer_of(const Answer& answer, const TextStyle& style) {
  if (answer.asked("json")) return answer_json(answer);
  return answer.asked("markdown") ? answer_markdown(answer) : answer_text(answer, style);
}

LeaveOneOut studied(const AdaptationProblem& problem, unsigned threads, std::ostream& err) {
  LeaveOneOutOptions options;
  options.threads = threads;
  options.progress = [&err](const std::string& what) { err << fmt::format("leave one out: {}\n", what) << std::flush; };
  return leave_one_out(problem, simulated_prediction(), options);
}

constexpr const char* picture = "predicted_against_measured.svg";

// Before the study, which takes minutes: a folder that cannot be written to shows at once.
void write_picture(const std::string& folder, const Answer& answer) {
  write_file((std::filesystem::path(folder) / picture).string(), scatter_svg(answer.rows));
}

void write_page(const std::string& folder, const Answer& answer, const AdaptationProblem& problem, std::ostream& err) {
  const std::filesystem::path page = std::filesystem::path(folder) / "RESIDUALS.md";
  write_file(page.string(), residuals_page(answer.rows, *answer.study, problem.constants, picture));
  err << fmt::format("written to {}\n", page.string());
}

void check_usage(const po::variables_map& given) {
  if (given.count("json") != 0 && given.count("markdown") != 0)
    throw po::error("--json and --markdown exclude each other");
  if (given.count("page") == 0) return;
  const auto& folder = given["page"].as<std::string>();
  if (folder.empty()) throw po::error("--page is empty");
  if (!std::filesystem::is_directory(folder)) throw InputError({folder, 0, 0}, "is not a folder");
}

}  // namespace

int validate_command(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  const std::optional<po::variables_map> parsed = syntax().parse(args, out);
  if (!parsed) return 0;
  const po::variables_map& given = *parsed;
  check_usage(given);
  const std::vector<PublishedRun> runs = chosen_runs(given);
  std::optional<std::string> profile;
  if (given.count("profile") != 0) profile = given["profile"].as<std::string>();
  const MappingRules rules = shipped_mapping_rules();
  const Presets presets = shipped_presets(profile);
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  Answer answer{given, validate(runs, rules, presets, simulated_prediction(), threads), std::nullopt};
  if (answer.asked("predictions")) {
    const auto& file = given["predictions"].as<std::string>();
    write_file(file, predictions_csv(answer.rows));
    err << fmt::format("{} rows written to {}\n", answer.rows.size(), file);
  }
  if (answer.asked("leave-one-out") || answer.asked("page")) {
    const AdaptationProblem problem = adaptation_problem(runs, rules, presets);
    if (answer.asked("page")) write_picture(given["page"].as<std::string>(), answer);
    answer.study = studied(problem, threads, err);
    if (answer.asked("page")) write_page(given["page"].as<std::string>(), answer, problem, err);
  }
  out << answer_of(answer, style_of(out));
  return 0;
}

}  // namespace trainyard
