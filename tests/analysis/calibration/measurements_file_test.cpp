#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "analysis/calibration/measurements_file.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("trainyard_measurements_test_{}", getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return (path_ / name).string();
  }
  std::string gzip(const std::string& name, const std::string& text) const {
    const std::string path = (path_ / name).string();
    gzFile out = gzopen(path.c_str(), "wb");
    REQUIRE(out != nullptr);
    CHECK(gzwrite(out, text.data(), static_cast<unsigned>(text.size())) == static_cast<int>(text.size()));
    gzclose(out);
    return path;
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

std::string refusal(const std::string& path) {
  try {
    read_measurements_file(path, {});
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}

const std::string table = "dtype,m,n,k,latency_us\nbfloat16,1,32,32,2.4\n";
const std::string nccl =
    "    67108864      16777216     float     sum      -1    324.7  206.67  361.67      0    324.7  206.67  361.68     "
    " 0\n";
const std::string records = R"({"record":"environment","format":1,"program":"launch","device":"NVIDIA H200"})"
                            "\n"
                            R"({"record":"launch","kernel":"empty","time_s":2e-6})"
                            "\n"
                            R"({"record":"end","measurements":1})"
                            "\n";

}  // namespace

TEST_CASE("A file's format is told by its content, whatever its name") {
  const Folder folder;
  CHECK(read_measurements_file(folder.file("a.log", table), {}).gemms.size() == 1);
  CHECK(read_measurements_file(folder.gzip("b.dat", table), {}).gemms.size() == 1);
  CHECK(read_measurements_file(folder.file("c.csv", nccl), {}).collectives.size() == 2);
  CHECK(read_measurements_file(folder.file("d.txt", records), {}).launches.size() == 1);
}

TEST_CASE("What is no measurement is refused with the reason") {
  const Folder folder;
  CHECK_THAT(refusal(folder.path() + "/missing"), Contains("no such file"));
  CHECK_THAT(refusal(folder.path()), Contains("is a folder"));
  CHECK_THAT(refusal(folder.file("empty", "")), Contains("is empty"));
  CHECK_THAT(refusal(folder.file("blank", " \n\n")), Contains("is empty"));
  CHECK_THAT(refusal(folder.file("binary", std::string("\x7f"
                                                       "ELF\0\1\2",
                                                       7))),
             Contains("is binary"));
  CHECK_THAT(refusal(folder.file("prose", "the quick brown fox\n")), Contains("holds no row"));
  CHECK_THAT(refusal(folder.file("json", "{\"a\": 1}\n")), Contains("no results"));
  CHECK_THAT(refusal(folder.file("topo", "\tGPU0\tGPU1\tCPU Affinity\nGPU0\t X \tNV18\t0-47\n")), Contains("topology"));
}

TEST_CASE("A compressed file that is cut is refused") {
  const Folder folder;
  std::string rows = table;
  for (int i = 1; i < 5000; ++i) rows += fmt::format("bfloat16,{},32,{},{}.4\n", i, i * 7 % 97 + 1, i * 13 % 101 + 1);
  std::ifstream whole(folder.gzip("whole.csv.gz", rows), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(whole)), {});
  REQUIRE(bytes.size() > 1000);
  CHECK_THAT(refusal(folder.file("cut.csv.gz", bytes.substr(0, bytes.size() / 2))), Contains("compressed"));
  std::string damaged = bytes;
  for (std::size_t i = 400; i < 500; ++i) damaged[i] = static_cast<char>(damaged[i] ^ 0x5A);
  CHECK_THAT(refusal(folder.file("damaged.csv.gz", damaged)), Contains("compressed"));
}

TEST_CASE("Files of one GPU are added up, of two refused") {
  const Folder folder;
  const std::string a = folder.file("a", records), b = folder.file("b", table);
  std::string other = records;
  other.replace(other.find("H200"), 4, "B200");
  const std::string c = folder.file("c", other);
  const Measurements m = read_measurements({a, b, a}, {});
  CHECK(m.launches.size() == 2);
  CHECK(m.gemms.size() == 1);
  CHECK_THROWS_WITH(read_measurements({a, b, c}, {}), Contains("NVIDIA B200") && Contains("NVIDIA H200"));
}
