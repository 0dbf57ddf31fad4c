// --report of `simulate` and `sweep`, as a user gives it.
#include <unistd.h>

#include <fmt/format.h>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/process.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;
using testing::ProcessResult;
using testing::run_process;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("trainyard_report_option_{}", getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

ProcessResult trainyard(std::vector<std::string> args) {
  args.insert(args.begin(), TRAINYARD_BINARY);
  return run_process(args);
}
ProcessResult simulated_into(const std::string& file) {
  return trainyard({"simulate", "llama3-70b-64xh100", "--no-experiments", "--report", file});
}

TEST_CASE("simulate writes the same report for the same step, and its text as ever") {
  const Folder folder;
  const ProcessResult first = simulated_into(folder.file("a.html"));
  CHECK(first.exit_code == 0);
  CHECK(first.out.find("Where the step goes") != std::string::npos);
  CHECK(simulated_into(folder.file("b.html")).exit_code == 0);
  const std::string report = text_of(folder.file("a.html"));
  CHECK(report.rfind("<!DOCTYPE html>", 0) == 0);
  CHECK(report == text_of(folder.file("b.html")));
}

TEST_CASE("a report that cannot be written is an error that names it, and leaves what was there") {
  const Folder folder;
  for (const std::string& path : {folder.file("absent/a.html"), folder.file("")}) {
    const ProcessResult result = simulated_into(path);
    INFO(result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.err.find(path) != std::string::npos);
  }
  std::ofstream(folder.file("kept.html")) << "mine";
  CHECK(trainyard({"simulate", "llama3-70b-64xh100", "--set", "plan.tp=0", "--report", folder.file("kept.html")})
            .exit_code == 2);
  CHECK(text_of(folder.file("kept.html")) == "mine");
  CHECK(simulated_into(folder.file("kept.html")).exit_code == 0);
  CHECK(text_of(folder.file("kept.html")).size() > 10000);
}

TEST_CASE("an empty path is refused") { CHECK(simulated_into("").exit_code == 2); }

TEST_CASE("simulate writes over nothing that it reads, and no file twice") {
  const Folder folder;
  const std::string scenario = text_of(std::string(TRAINYARD_SOURCE_DIR) + "/scenarios/llama3-70b-64xh100.yaml");
  for (const char* name : {"my.yaml", "my.json"}) std::ofstream(folder.file(name)) << scenario;
  const auto refused = [](const std::vector<std::string>& args) { return trainyard(args).exit_code == 2; };
  CHECK(refused({"simulate", folder.file("my.yaml"), "--no-experiments", "--report", folder.file("my.yaml")}));
  CHECK(refused({"simulate", folder.file("my.json"), "--no-experiments", "--trace", folder.file("my.json")}));
  for (const char* name : {"my.yaml", "my.json"}) CHECK(text_of(folder.file(name)) == scenario);
  CHECK(refused({"simulate", "llama3-70b-64xh100", "--no-experiments", "--trace", folder.file("a.json"), "--report",
                 folder.file("a.json")}));
  CHECK_FALSE(fs::exists(folder.file("a.json")));
}

TEST_CASE("sweep and sweep show write the same report") {
  const Folder folder;
  const ProcessResult swept =
      trainyard({"sweep", "tiny", "--quiet", "-o", folder.file("r.db"), "--report", folder.file("a.html")});
  INFO(swept.err);
  CHECK(swept.exit_code == 0);
  CHECK(trainyard({"sweep", "show", folder.file("r.db"), "--report", folder.file("b.html")}).exit_code == 0);
  CHECK(text_of(folder.file("a.html")).size() > 10000);
  CHECK(text_of(folder.file("a.html")) == text_of(folder.file("b.html")));
}

TEST_CASE("a sweep's report may not overwrite what the command reads or writes") {
  const Folder folder;
  CHECK(trainyard({"sweep", "tiny", "--quiet", "-o", folder.file("r.db")}).exit_code == 0);
  const std::string store = text_of(folder.file("r.db"));
  CHECK(trainyard({"sweep", "show", folder.file("r.db"), "--report", folder.file("r.db")}).exit_code == 2);
  CHECK(trainyard({"sweep", "tiny", "--quiet", "-o", folder.file("r.db"), "--report", folder.file("r.db")}).exit_code ==
        2);
  CHECK(trainyard({"sweep", "tiny", "--quiet", "--csv", folder.file("x"), "--report", folder.file("x")}).exit_code ==
        2);
  CHECK(trainyard({"sweep", "tiny", "--quiet", "--report", folder.file("absent/x.html")}).exit_code == 2);
  CHECK(text_of(folder.file("r.db")) == store);
}

TEST_CASE("a shard has no report") {
  const Folder folder;
  const ProcessResult result = trainyard(
      {"sweep", "tiny", "--quiet", "-o", folder.file("r.db"), "--shard", "0/2", "--report", folder.file("a.html")});
  CHECK(result.exit_code == 2);
  CHECK_FALSE(fs::exists(folder.file("a.html")));
}

}  // namespace
}  // namespace trainyard
