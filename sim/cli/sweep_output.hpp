// Printing the answer of a sweep, for `sweep`, `sweep merge` and `sweep show`.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "analysis/sweep/answer.hpp"
#include "analysis/sweep/result_store.hpp"
#include "sim/base/units.hpp"
#include "sim/cli/command_syntax.hpp"

namespace trainyard {

// What differs between two runs of one sweep, and so is no part of its answer.
struct RunFigures {
  Seconds wall_time{};     // of the whole command
  std::int64_t plans = 0;  // done by it, dismissed ones included, excluded ones not
};

double plans_per_second(const RunFigures& figures);

struct AnswerOutput {
  bool json = false;
  std::optional<std::string> csv;          // a file, or - for standard output in place of the text
  std::optional<std::string> report;       // a file
  std::vector<std::string> files() const;  // that are written
};

// --json, --csv and --report.
void add_answer_options(CommandSyntax& syntax);
AnswerOutput answer_output(const boost::program_options::variables_map& given);

// Prints the answer, `stored` as answer_json wrote it, and returns the exit code: 3 if nothing is feasible and fits.
// `store` holds the plans behind it, which the report shows.
int print_answer(const std::string& stored, const ResultStore& store, const AnswerOutput& output,
                 const std::optional<RunFigures>& figures, std::ostream& out);

}  // namespace trainyard
