// `trainyard compare SCENARIO TRACE…` and `simulate --trace-kineto` as a user calls them.
#include <boost/program_options/errors.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "sim/base/errors.hpp"
#include "sim/cli/command.hpp"
#include "tests/analysis/trace/kineto_files.hpp"

using namespace trainyard;
using namespace trainyard::testing;

namespace {

struct Answer {
  int code = 0;
  std::string out;
};
Answer run(const std::string& command, const std::vector<std::string>& args) {
  std::istringstream in;
  std::ostringstream out, err;
  const int code = find_command(command)->run(args, in, out, err);
  return {code, out.str()};
}

const std::vector<std::string> small = {"llama3-70b-64xh100", "--set", "plan.gbs=16",       "--set",
                                        "plan.vpp=1",         "--set", "plan.schedule=1f1b"};
std::vector<std::string> with(std::vector<std::string> args, const std::vector<std::string>& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

class Folder : public TemporaryFolder {
 public:
  Folder() : TemporaryFolder("trainyard-real-command") {}
};

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

}  // namespace

TEST_CASE("simulate writes a file per stage, or of the ranks asked for") {
  const Folder folder;
  CHECK(run("simulate", with(small, {"--no-experiments", "--trace-kineto", folder.file("stages")})).code == 0);
  CHECK(names_in(folder.file("stages")) ==
        std::set<std::string>{"rank-0.json.gz", "rank-16.json.gz", "rank-32.json.gz", "rank-48.json.gz"});
  run("simulate", with(small, {"--no-experiments", "--trace-kineto", folder.file("two"), "--trace-ranks", "3,17"}));
  CHECK(names_in(folder.file("two")) == std::set<std::string>{"rank-17.json.gz", "rank-3.json.gz"});
  CHECK_THROWS_AS(
      run("simulate", with(small, {"--no-experiments", "--trace-kineto", folder.file("far"), "--trace-ranks", "64"})),
      InputError);
}

TEST_CASE("compare takes what simulate wrote: a file, several, a folder") {
  const Folder folder;
  run("simulate", with(small, {"--no-experiments", "--trace-kineto", folder.path(), "--trace-ranks", "0,63"}));
  const std::string first = folder.file("rank-0.json.gz"), last = folder.file("rank-63.json.gz");
  for (const std::vector<std::string>& traces :
       {std::vector<std::string>{first}, {first, last}, std::vector<std::string>{folder.path()}}) {
    const Answer answer = run("compare", with(with({small.front()}, traces), {small.begin() + 1, small.end()}));
    CHECK(answer.code == 0);
    CHECK_THAT(answer.out, Catch::Contains("no part of the step differs"));
  }
  const Answer json = run("compare", with(small, {first, "--json"}));
  const Json object = Json::parse(json.out);
  CHECK(object["traces"][0]["rank"] == 0);
  CHECK(object["terms"][0]["term"] == "step_time");
}

TEST_CASE("compare keeps scenarios and traces apart") {
  const Folder folder;
  const std::string trace = folder.file("rank-0.json");
  std::ofstream(trace) << R"({"traceEvents": [{"ph": "X", "cat": "kernel", "name": "gemm", "ts": 1, "dur": 1}]})";
  CHECK(run("compare", {"llama3-70b-64xh100", trace}).code == 0);
  using boost::program_options::error;
  CHECK_THROWS_WITH(run("compare", {"llama3-70b-64xh100", trace, "--set-b", "plan.tp=4"}),
                    Catch::Contains("--set-b changes a second scenario"));
  CHECK_THROWS_WITH(run("compare", {"llama3-70b-64xh100", "mixtral-8x7b-64xh100", trace}),
                    Catch::Contains("too many arguments"));
  CHECK_THROWS_AS(run("compare", {"llama3-70b-64xh100", folder.file("none.json")}), InputError);
  std::filesystem::create_directory(folder.file("empty"));
  CHECK_THROWS_WITH(run("compare", {"llama3-70b-64xh100", folder.file("empty")}), Catch::Contains("holds no trace"));
  CHECK_THROWS_WITH(run("compare", {"llama3-70b-64xh100", trace, trace}), Catch::Contains("one trace per rank"));
  CHECK(run("compare", {"llama3-70b-64xh100", "--set", "plan.tp=7", trace}).code == 3);
}
