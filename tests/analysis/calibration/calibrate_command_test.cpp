#include <fmt/format.h>
#include <unistd.h>

#include <boost/program_options/errors.hpp>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "models/profile_yaml.hpp"
#include "sim/base/errors.hpp"
#include "sim/cli/calibrate_command.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

struct Answer {
  int code = 0;
  std::string out;
  std::string err;
};

Answer calibrated(const std::vector<std::string>& args) {
  std::ostringstream out, err;
  const int code = calibrate_command(args, out, err);
  return {code, out.str(), err.str()};
}

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("trainyard_calibrate_test_{}", getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string at(const std::string& name) const { return (path_ / name).string(); }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(at(name), std::ios::binary) << text;
    return at(name);
  }

 private:
  fs::path path_;
};

// Of an H100: launches of 2.5 us, and copies of 1 GB in 400 us: 1e9 B / 397.5 us / 3352 GB/s = 0.7505 of the peak, in
// thousandths 0.751.
const std::string records =
    R"({"record":"environment","format":1,"program":"memory","device":"NVIDIA H100 80GB HBM3","driver":"580.1"})"
    "\n"
    R"({"record":"launch","kernel":"empty","time_s":2.5e-6})"
    "\n"
    R"({"record":"memory","kernel":"copy","bytes":1e9,"time_s":4e-4})"
    "\n"
    R"({"record":"end","measurements":2})"
    "\n";

}  // namespace

TEST_CASE("calibrate --help ends with examples") {
  const Answer answer = calibrated({"--help"});
  CHECK(answer.code == 0);
  CHECK_THAT(answer.out, Contains("usage: trainyard calibrate FILE...") && Contains("example:\n  trainyard calibrate"));
}

TEST_CASE("calibrate writes a profile that is read back with the numbers of its report") {
  const Folder folder;
  const Answer answer =
      calibrated({folder.file("memory.jsonl", records), "-o", folder.at("mine.yaml"), "--plot", folder.at("fit.svg")});
  CHECK(answer.code == 0);
  CHECK_THAT(answer.out, Contains("from h100-sxm-80gb") && Contains("fused_efficiency") && Contains("0.751") &&
                             Contains("2.50us") && Contains("layout_efficiency keeps"));
  CHECK_THAT(answer.err, Contains("2 constants written to"));
  const DeviceProfile mine = load_device_profile(folder.at("mine.yaml"));
  CHECK(mine.name == "mine");
  CHECK(mine.fused_efficiency == 0.751);
  CHECK(mine.kernel_launch.value == Approx(2.5e-6));
  CHECK(mine.layout_efficiency == load_device_profile("h100-sxm-80gb").layout_efficiency);
  CHECK(fs::file_size(folder.at("fit.svg")) > 100);
}

TEST_CASE("calibrate -o - prints the profile alone, the report goes to standard error") {
  const Folder folder;
  const Answer answer = calibrated({folder.file("memory.jsonl", records), "-o", "-", "--name", "n"});
  CHECK_THAT(answer.out, Catch::StartsWith("kind: device\nname: \"n\"\ninherits: \"h100-sxm-80gb\"\ndescription: "));
  CHECK_THAT(answer.out, Contains("driver 580.1") && !Contains("residuals"));
  CHECK_THAT(answer.err, Contains("fused_efficiency"));
}

TEST_CASE("calibrate --json is one object") {
  const Folder folder;
  const auto json = nlohmann::json::parse(calibrated({folder.file("memory.jsonl", records), "--json"}).out);
  CHECK(json["schema_version"] == 1);
  CHECK(json["device"]["base"] == "h100-sxm-80gb");
  CHECK(json["device"]["constants"][0]["name"] == "kernel_launch");
  CHECK(json["device"]["constants"][0]["before"] == "3us");
  CHECK(json["residuals"][0]["samples"] == 1);
}

TEST_CASE("calibrate starts from a calibrated profile too, wherever that is read from") {
  const Folder folder;
  const std::string file = folder.file("memory.jsonl", records);
  calibrated({file, "-o", folder.at("first.yaml")});
  calibrated({file, "-o", folder.at("second.yaml"), "--base", folder.at("first.yaml")});
  CHECK(load_device_profile(folder.at("second.yaml")).fused_efficiency == 0.751);
}

TEST_CASE("calibrate says with exit code 1 that nothing could be fitted, and writes nothing") {
  const Folder folder;
  const std::string file =
      folder.file("copy.jsonl", R"({"record":"environment","format":1,"device":"NVIDIA H100 80GB HBM3"})"
                                "\n"
                                R"({"record":"copy","direction":"host_to_device","bytes":1e9,"time_s":0.02})"
                                "\n"
                                R"({"record":"end","measurements":1})"
                                "\n");
  const Answer answer = calibrated({file, "-o", folder.at("mine.yaml")});
  CHECK(answer.code == 1);
  CHECK_THAT(answer.out, Contains("PCIe"));
  CHECK_FALSE(fs::exists(folder.at("mine.yaml")));
}

TEST_CASE("calibrate overwrites nothing that it reads, and no result with another") {
  const Folder folder;
  const std::string file = folder.file("memory.jsonl", records);
  const std::string mine = folder.at("mine.yaml");
  calibrated({file, "-o", mine});
  CHECK_THROWS_WITH(calibrated({file, "-o", file}), Contains("would be overwritten"));
  CHECK_THROWS_WITH(calibrated({file, "-o", folder.at("./memory.jsonl")}), Contains("would be overwritten"));
  CHECK_THROWS_WITH(calibrated({file, "-o", mine, "--base", mine}), Contains("would be overwritten"));
  CHECK_THROWS_WITH(calibrated({file, "--plot", file}), Contains("would be overwritten"));
  CHECK_THROWS_WITH(calibrated({file, "-o", folder.at("a"), "--plot", folder.at("a")}), Contains("written twice"));
  CHECK_THROWS_AS(calibrated({file, "--plot", "-"}), boost::program_options::error);
  CHECK(fs::file_size(file) == records.size());
  CHECK(calibrated({file, "-o", "/dev/null", "--plot", "/dev/null"}).code == 0);
}

TEST_CASE("calibrate: usage and input errors") {
  const Folder folder;
  const std::string file = folder.file("memory.jsonl", records);
  using boost::program_options::error;
  CHECK_THROWS_AS(calibrated({}), error);
  CHECK_THROWS_AS(calibrated({file, "--bse", "x"}), error);
  CHECK_THROWS_AS(calibrated({file, "--ranks", "0"}), error);
  CHECK_THROWS_AS(calibrated({file, "--ranks", "-8"}), error);
  CHECK_THROWS_AS(calibrated({file, "--nodes", "many"}), error);
  CHECK_THROWS_AS(calibrated({file, "--network", "infiniband"}), error);
  CHECK_THROWS_AS(calibrated({file, "--network", "infiniband", "--nic-bandwidth", "fast"}), error);
  CHECK_THROWS_AS(calibrated({file, "--network", "infiniband", "--nic-bandwidth", "400Gbps", "-o", "-"}), error);
  CHECK_THROWS_AS(calibrated({file, "-o", ""}), error);
  CHECK_THROWS_AS(calibrated({file, "--base", "no-such"}), InputError);
  CHECK_THROWS_AS(calibrated({file, "--network", "no-such", "--nic-bandwidth", "400Gbps"}), InputError);
  CHECK_THAT(calibrated({file, "--network", "infiniband", "--nic-bandwidth", "400Gbps"}).out,
             Contains("no collective over several nodes"));
  CHECK_THROWS_AS(calibrated({folder.at("missing.txt")}), InputError);
  CHECK_THROWS_AS(calibrated({file, "-o", folder.at("no/such/folder.yaml")}), InputError);
}
