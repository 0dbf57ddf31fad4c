#include <catch2/catch.hpp>

#include "analysis/validation/csv_table.hpp"
#include "analysis/validation/run_table.hpp"
#include "sim/base/errors.hpp"

using namespace trainyard;

namespace {

std::string error_of(const std::string& csv) {
  try {
    parse_runs(csv, "runs.csv");
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

// The required columns and one row, with one more column.
std::string with_column(const std::string& name, const std::string& cell) {
  return "id,hardware,gpus,seq_len,tp,pp," + name + "\nr1,H100,8,2048,1,1," + cell + "\n";
}

}  // namespace

TEST_CASE("a quoted field may hold commas, doubled quotes and line ends") {
  const CsvTable table = parse_csv("a,b\r\n\"x, \"\"y\"\"\nz\",2\r\n", "t.csv");
  REQUIRE(table.records.size() == 1);
  CHECK(table.records[0].fields == std::vector<std::string>{"x, \"y\"\nz", "2"});
  CHECK(csv_field("x, \"y\"") == "\"x, \"\"y\"\"\"");
  CHECK(csv_field("plain") == "plain");
}

TEST_CASE("line numbers count the lines inside quoted fields") {
  const CsvTable table = parse_csv("a,b\n\"1\n2\",x\n3,y\n", "t.csv");
  REQUIRE(table.records.size() == 2);
  CHECK(table.records[0].line == 2);
  CHECK(table.records[1].line == 4);
}

TEST_CASE("a byte order mark, blank lines and a missing last line end are no errors") {
  const CsvTable table = parse_csv(
      "\xEF\xBB\xBF"
      "a,b\n\n1,\n\r\n,2",
      "t.csv");
  CHECK(table.header == std::vector<std::string>{"a", "b"});
  REQUIRE(table.records.size() == 2);
  CHECK(table.records[0].fields == std::vector<std::string>{"1", ""});
  CHECK(table.records[1].fields == std::vector<std::string>{"", "2"});
}

TEST_CASE("what is no CSV is refused where it goes wrong") {
  CHECK_THAT(error_of(""), Catch::Contains("empty"));
  CHECK_THAT(error_of("a,b\n1\n"), Catch::Contains("runs.csv:2") && Catch::Contains("1 fields where the header has 2"));
  CHECK_THAT(error_of("a,b\n1,2,3\n"), Catch::Contains("runs.csv:2"));
  CHECK_THAT(error_of("a,b\n1,x\"y\n"), Catch::Contains("runs.csv:2") && Catch::Contains("quote"));
  CHECK_THAT(error_of("a,b\n1,\"x\"y\n"), Catch::Contains("text after a closing quote"));
  CHECK_THAT(error_of("a,b\n1,\"x\n\n"), Catch::Contains("runs.csv:2") && Catch::Contains("never closed"));
  CHECK_THAT(error_of("a,b\r1,2\r"), Catch::Contains("carriage return"));
  CHECK_THAT(error_of(std::string("a,b\n1,\0\n", 8)), Catch::Contains("NUL"));
  CHECK_THAT(error_of("a,b,a\n1,2,3\n"), Catch::Contains("'a' occurs twice"));
  CHECK_THAT(error_of("a,,b\n1,2,3\n"), Catch::Contains("column 2 has no name"));
}

TEST_CASE("missing required columns are named, unknown ones ignored") {
  CHECK_THAT(error_of("id,gpus,nonsense\nr1,8,x\n"),
             Catch::Contains("hardware, seq_len, tp, pp") && !Catch::Contains("nonsense"));
  CHECK(error_of(with_column("nonsense", "x")) == "no error");
}

TEST_CASE("columns are found by name, in any order, and empty cells are absent") {
  const auto runs = parse_runs(
      "pp,tp,seq_len,gpus,hardware,id,micro_batch,sp,outcome,step_time_s\n"
      "2,4,2048,8.0,H100,r1,,True,ok,1.5\n",
      "runs.csv");
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].pp == 2);
  CHECK(runs[0].tp == 4);
  CHECK(runs[0].gpus == 8);
  CHECK(!runs[0].micro_batch);
  CHECK(runs[0].sp == true);
  CHECK(runs[0].outcome == Outcome::ok);
  CHECK(runs[0].step_time == Seconds(1.5));
  CHECK(runs[0].split_group == "-");
}

TEST_CASE("a number that cannot be is refused with its line and column") {
  for (const char* cell : {"0", "-4", "nan", "inf", "1e400", "4x", "0x10", "2.5", "99999999999", "four"}) {
    CAPTURE(cell);
    CHECK_THAT(error_of(with_column("micro_batch", cell)),
               Catch::Contains("runs.csv:2") && Catch::Contains("column micro_batch"));
  }
  for (const char* cell : {"0", "-1.5", "nan", "inf", "1e12"}) {
    CAPTURE(cell);
    CHECK_THAT(error_of(with_column("step_time_s", cell)), Catch::Contains("column step_time_s"));
  }
  CHECK_THAT(error_of(with_column("sp", "perhaps")), Catch::Contains("column sp") && Catch::Contains("'perhaps'"));
  CHECK_THAT(error_of(with_column("outcome", "crashed")), Catch::Contains("column outcome"));
}

TEST_CASE("ids are there and unique") {
  const std::string header = "id,hardware,gpus,seq_len,tp,pp\n";
  CHECK_THAT(error_of(header + ",H100,8,2048,1,1\n"), Catch::Contains("column id"));
  CHECK_THAT(error_of(header + "r1,H100,8,2048,1,1\nr2,H100,8,2048,1,1\nr1,H100,8,2048,1,1\n"),
             Catch::Contains("runs.csv:4") && Catch::Contains("first on line 2"));
}

TEST_CASE("tokens per second give the step time that was not published") {
  PublishedRun run;
  run.global_batch = 128;
  run.seq_len = 4096;
  run.gpus = 64;
  run.tokens_per_second_per_gpu = 4096;
  CHECK(run.measured_step_time() == Seconds(2));  // 128 * 4096 tokens / (4096/s * 64)
  run.step_time = Seconds(3);
  CHECK(run.measured_step_time() == Seconds(3));
  run.outcome = Outcome::oom;
  CHECK(!run.measured_step_time());
}

TEST_CASE("a table that cannot be read is an input error") {
  CHECK_THROWS_AS(read_runs("/nonexistent/runs.csv"), InputError);
  CHECK_THROWS_AS(read_runs("/"), InputError);
}

TEST_CASE("a number too small to be meant is refused, and so is a folder") {
  for (const char* cell : {"1e-310", "1e-10"})
    CHECK_THAT(error_of(with_column("step_time_s", cell)), Catch::Contains("implausibly small"));
  CHECK(error_of(with_column("step_time_s", "1e-9")) == "no error");
  CHECK_THROWS_WITH(read_runs("."), Catch::Contains("cannot be read"));
}
