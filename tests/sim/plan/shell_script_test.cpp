#include "sim/plan/shell_script.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "sim/plan/shell_arithmetic.hpp"

using namespace trainyard;
using Catch::Contains;

namespace {

// The commands, one per line, words in brackets, unknowns as written: "[echo] [a b]".
std::string commands(const std::string& text) {
  const ShellScript script = read_shell_script(text, "run.sh");
  std::string all;
  for (const ShellCommand& command : script.commands) {
    if (!all.empty()) all += '\n';
    for (const ShellWord& word : command)
      all += fmt::format("{}[{}]", &word == &command.front() ? "" : " ", script.shown(word.text));
  }
  return all;
}

std::string error(const std::string& text) {
  try {
    read_shell_script(text, "run.sh");
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("words are split at blanks, lines joined by a backslash, comments dropped") {
  CHECK(commands("a  b \\\n  c # d e\nf#g\\ h") == "[a] [b] [c]\n[f#g h]");
  CHECK(commands("a \\\r\n b\r\n") == "[a] [b]");
}

TEST_CASE("quotes keep blanks and single quotes keep dollars") {
  CHECK(commands(R"(a "b  c" 'd $e "f"' g"h i"j "")") == R"([a] [b  c] [d $e "f"] [gh ij] [])");
}

TEST_CASE("separators end commands and redirections are dropped") {
  CHECK(commands("a; b && c | d & e > out.txt 2>&1 f") == "[a]\n[b]\n[c]\n[d]\n[e] [f]");
}

TEST_CASE("variables expand, and split unless quoted") {
  CHECK(commands("A=1 B=\"x  $A\"\necho $B \"$B\" ${B}y") == "[echo] [x] [1] [x  1] [x] [1y]");
  CHECK(commands("export A=1\necho $A") == "[export]\n[echo] [1]");
  CHECK(commands("A=x\nA+=y\necho $A") == "[echo] [xy]");
}

TEST_CASE("arrays expand to their words, may grow and hold comments") {
  CHECK(commands("A=(\n --a 1 # one\n '--b c'\n)\nA+=(--d)\nrun ${A[@]} \"${A[@]}\"") ==
        "[run] [--a] [1] [--b] [c] [--d] [--a] [1] [--b c] [--d]");
}

TEST_CASE("defaults stand in for what is not assigned") {
  CHECK(commands("B=2\necho ${A:-1} ${B:-1} ${C:-$B} ${1:-\"x\"}") == "[echo] [1] [2] [2] [x]");
}

TEST_CASE("arithmetic is evaluated") {
  CHECK(commands("G=8\nN=4\necho $(($G*$N)) $(( (G + 2) * N - 10 / 3 % 2 ))") == "[echo] [32] [39]");
  const auto none = [](std::string_view) { return std::optional<std::int64_t>(); };
  CHECK(shell_arithmetic("7", none) == 7);
  CHECK(shell_arithmetic("-2 * -(3)", none) == 6);
  for (const char* wrong : {"", "1 +", "1 / 0", "x", "1 << 2", "9223372036854775807 + 1", "99999999999999999999", "(1"})
    CHECK_FALSE(shell_arithmetic(wrong, none));
}

TEST_CASE("what only running could tell is an unknown that names itself") {
  const ShellScript script =
      read_shell_script("A=$1\nrun --x $A --y ${HOST%%.*} --z $(nproc) `date` $MISSING", "run.sh");
  const ShellCommand& command = script.commands.front();
  CHECK(script.shown(command[2].text) == "$1");
  CHECK(script.shown(command[4].text) == "${HOST%%.*}");
  CHECK(script.shown(command[6].text) == "$(nproc)");
  CHECK(script.shown(command[7].text) == "`date`");
  CHECK(script.unknown_in(command[8].text)->reason == "$MISSING has no value in this script");
  CHECK_FALSE(script.unknown_in(command[1].text));
}

TEST_CASE("a condition on known values is decided") {
  CHECK(commands("T=fp8\nif [[ \"$T\" == \"fp8\" ]]; then\n A=1\nelse\n A=2\nfi\necho $A") == "[echo] [1]");
  CHECK(commands("N=4\nif [ $N -gt 8 ]; then A=1; elif [ $N -gt 2 ]; then A=2; else A=3; fi; echo $A") == "[echo] [2]");
  CHECK(commands("A=1; if [ $A = 2 ] || [[ $A == 1 ]]; then B=3; fi; echo $B") == "[echo] [3]");
  CHECK(commands("A=1; if [ $A = 1 ] && [ -z \"$(ls)\" ] || [ $A = 1 ]; then B=3; fi; echo $B") == "[echo] [3]");
  CHECK(commands("A=1; B=0; if [ $A = 2 ] && [ -d x ]; then B=3; fi; echo $B") == "[echo] [0]");
  CHECK(commands("N=1\nif [ -z \"$M\" ]; then A=1; fi") == "");
}

TEST_CASE("a value that depends on an undecided condition is an unknown") {
  const ShellScript script = read_shell_script("A=1\nif [ -d $DIR ]; then\nA=2\nfi\necho $A", "run.sh");
  const ShellWord& value = script.commands.back()[1];
  REQUIRE(script.unknown_in(value.text));
  CHECK_THAT(script.unknown_in(value.text)->reason, Contains("depends on a condition of the script at line 3"));
}

TEST_CASE("bash -c and eval are read through") {
  CHECK(commands("CMD=\"run --a 1\"\nsrun -n 8 bash -c \"${CMD} --b 'c d'\"") == "[run] [--a] [1] [--b] [c d]");
  CHECK(commands("CMD='run --a'\neval $CMD") == "[run] [--a]");
}

TEST_CASE("words know their line") {
  const ShellScript script = read_shell_script("\n\nA=(\n --x\n 1)\nrun \\\n  ${A[@]} \\\n --y", "run.sh");
  CHECK(script.commands.front()[0].line == 6);
  CHECK(script.commands.front()[3].line == 8);
}

TEST_CASE("what is never closed is an error at its beginning") {
  CHECK(error("a\nb \"c\nd") == "run.sh:2: a double quote is never closed");
  CHECK(error("a 'b") == "run.sh:1: a single quote is never closed");
  CHECK(error("A=( b\n c") == "run.sh:1: the array A=( is never closed");
  CHECK(error("a ${b") == "run.sh:1: '{' is never closed");
  CHECK_THAT(error("A=( b ; c )"), Contains("';' does not belong into the array A"));
}

TEST_CASE("hostile scripts end") {
  std::string doubling = "A=xxxxxxxxxxxxxxxx\n";
  for (int i = 0; i < 60; ++i) doubling += "A=$A$A\n";
  CHECK_THAT(error(doubling), Contains("grows beyond"));
  std::string nested;
  for (int i = 0; i < 1000; ++i) nested += "${A:-";
  CHECK(error(nested) != "");
  CHECK(commands("\v\f a \x01 0 \x02") == "[a] [0]");
  CHECK(commands("fi done } esac else then ) ( ;;") == "");
  CHECK(error("A='bash -c \"$A\"'; bash -c \"$A\"") == "run.sh:1: the commands are nested too deeply");
}
