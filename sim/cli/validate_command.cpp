#include "sim/cli/validate_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <fstream>
#include <optional>
#include <ostream>
#include <set>
#include <thread>
#include <utility>

#include "analysis/validation/mapping_rules.hpp"
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
      ("profile", po::value<std::string>()->value_name("P.yaml"), "replace the profile part that P.yaml describes")  //
      ("group", po::value<std::string>()->value_name("G,..."), "only these split_groups")                            //
      ("tier", po::value<std::string>()->value_name("A,..."), "only rows of these tiers")                            //
      ("rows", po::value<std::string>()->value_name("ID,..."), "only these rows")                                    //
      ("details", "print every row: plan, measured, predicted, error")                                               //
      ("explain-skips", "say why rows have no prediction")                                                           //
      ("explain", "as --explain-skips, and what was assumed where rows do not say")                                  //
      ("json", "print the scores as JSON")                                                                           //
      ("markdown", "print the scores as a Markdown table");
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

void print_answer(const po::variables_map& given, const std::vector<ValidatedRun>& rows, std::ostream& out) {
  const std::vector<GroupScore> scores = score_groups(rows);
  if (given.count("json") != 0) {
    out << score_json(scores);
    return;
  }
  if (given.count("markdown") != 0) {
    out << score_markdown(scores);
    return;
  }
  const TextStyle style = style_of(out);
  TextStyle wide = style;
  wide.width = 240;  // a row's details are for wide terminals, pagers and grep
  std::string text = given.count("details") != 0 ? fmt::format("{}\n", details_table(rows, wide)) : std::string();
  text += score_table(scores, style);
  if (given.count("explain-skips") != 0 || given.count("explain") != 0) text += fmt::format("\n{}", skips_text(rows));
  if (given.count("explain") != 0) text += fmt::format("\n{}", assumptions_text(rows));
  out << finished(std::move(text), style);
}

}  // namespace

int validate_command(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  const std::optional<po::variables_map> parsed = syntax().parse(args, out);
  if (!parsed) return 0;
  const po::variables_map& given = *parsed;
  if (given.count("json") != 0 && given.count("markdown") != 0)
    throw po::error("--json and --markdown exclude each other");
  const std::vector<PublishedRun> runs = chosen_runs(given);
  std::optional<std::string> profile;
  if (given.count("profile") != 0) profile = given["profile"].as<std::string>();
  const std::vector<ValidatedRun> rows =
      validate(runs, shipped_mapping_rules(), shipped_presets(profile), simulated_prediction(),
               std::max(1U, std::thread::hardware_concurrency()));
  if (given.count("predictions") != 0) {
    const auto& file = given["predictions"].as<std::string>();
    write_file(file, predictions_csv(rows));
    err << fmt::format("{} rows written to {}\n", rows.size(), file);
  }
  print_answer(given, rows, out);
  return 0;
}

}  // namespace trainyard
