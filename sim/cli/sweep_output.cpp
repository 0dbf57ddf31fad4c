#include "sim/cli/sweep_output.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <system_error>

#include "analysis/report/report.hpp"
#include "analysis/sweep/answer_text_counts.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/output_files.hpp"
#include "sim/cli/scenario_input.hpp"
#include "sim/cli/terminal.hpp"

namespace trainyard {
namespace {

namespace po = boost::program_options;
namespace fs = std::filesystem;

// Before hours of simulation rather than after.
void require_folder_of(const std::string& file) {
  const fs::path folder = fs::absolute(file).parent_path();
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw InputError({file, 0, 0}, fmt::format("cannot be written: there is no folder {}", folder.string()));
}

std::string json_with(const std::string& stored, const RunFigures& figures) {
  nlohmann::ordered_json answer = nlohmann::ordered_json::parse(stored);
  answer["wall_time_s"] = figures.wall_time.value;
  answer["plans_per_s"] = plans_per_second(figures);
  return answer.dump(2) + '\n';
}

std::string figures_text(const RunFigures& figures) {
  if (figures.plans == 0) return "";
  return fmt::format("\n{} in {}: {:.0f} plans/s\n", plans_in_words(figures.plans), to_text(figures.wall_time),
                     plans_per_second(figures));
}

}  // namespace

double plans_per_second(const RunFigures& figures) {
  return figures.wall_time.value > 0 ? static_cast<double>(figures.plans) / figures.wall_time.value : 0;
}

std::vector<std::string> AnswerOutput::files() const {
  std::vector<std::string> written;
  if (csv && *csv != "-") written.push_back(*csv);
  if (report) written.push_back(*report);
  return written;
}

void add_answer_options(CommandSyntax& syntax) {
  syntax.option()("json", "the answer as one JSON object instead of text")(
      "csv", po::value<std::string>()->value_name("FILE"),
      "write the best plans and the Pareto front as a table; - is standard output, instead of text")(
      "report", po::value<std::string>()->value_name("FILE.html"), "write a report to share: one self-contained page");
}

AnswerOutput answer_output(const po::variables_map& given) {
  const AnswerOutput output{given.count("json") != 0, text_of(given, "csv"), text_of(given, "report")};
  if (output.report && output.report->empty()) throw po::error("--report is empty");
  if (output.csv && output.csv->empty()) throw po::error("--csv is empty");
  if (output.csv == "-" && output.json) throw po::error("--json and --csv - both want standard output");
  for (const std::string& file : output.files()) require_folder_of(file);
  return output;
}

int print_answer(const std::string& stored, const ResultStore& store, const AnswerOutput& output,
                 const std::optional<RunFigures>& figures, std::ostream& out) {
  const SweepAnswer answer = answer_from_json(stored);
  if (output.csv && *output.csv != "-") write_whole_file(*output.csv, answer_csv(answer));
  if (output.report) write_whole_file(*output.report, sweep_report_html(answer, store.fastest(most_plans_shown)));
  if (output.csv == "-")
    out << answer_csv(answer);
  else if (output.json)
    out << (figures ? json_with(stored, *figures) : stored);
  else
    out << answer_text(answer, style_of(out)) << (figures ? figures_text(*figures) : "");
  return answer.best.empty() ? infeasible_exit_code : 0;
}

}  // namespace trainyard
