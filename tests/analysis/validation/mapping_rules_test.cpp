#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "analysis/validation/mapping_rules.hpp"
#include "sim/base/errors.hpp"
#include "sim/base/scenario_files.hpp"

using namespace trainyard;

namespace {

std::string file_with(const std::string& text) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("trainyard_rules_{}.yaml", getpid());
  std::ofstream(path) << text;
  return path.string();
}

std::string software_error(const std::string& text) {
  try {
    read_software_rules(file_with(text));
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the first month of a date text") {
  CHECK(first_month("2023-07..2023-10") == "2023-07");
  CHECK(first_month("<=2024-07") == "2024-07");
  CHECK(first_month("2024-08-14") == "2024-08");
  CHECK(first_month("2024") == "");
  CHECK(first_month("2024-13") == "");
  CHECK(first_month("") == "");
}

TEST_CASE("the first rule that matches decides, bounds leave out rows without a date") {
  const auto rules =
      read_software_rules(file_with("stacks:\n  - {software: 'mega', before: 2022-01, stack: old}\n  - {software: "
                                    "'MEGA', stack: new}\n  - {stack: other}\n"));
  PublishedRun run;
  const auto stack = [&](const std::string& software, const std::string& date) {
    run.software = software;
    run.date = date;
    return software_rule_for(rules, run)->stack;
  };
  CHECK(stack("Megatron", "2021-12") == "old");
  CHECK(stack("Megatron", "2022-01") == "new");
  CHECK(stack("Megatron", "") == "new");
  CHECK(stack("", "") == "other");
}

TEST_CASE("a wrong rule file points at the fault") {
  CHECK_THAT(software_error("stacks:\n  - {software: '(', stack: a}\n"),
             Catch::Contains(":2:") && Catch::Contains("regular expression"));
  CHECK_THAT(software_error("stacks:\n  - {software: a}\n"), Catch::Contains("either 'stack' or 'skip'"));
  CHECK_THAT(software_error("stacks:\n  - {software: a, stack: b, skip: c}\n"),
             Catch::Contains("either 'stack' or 'skip'"));
  CHECK_THAT(software_error("stacks:\n  - {softwear: a, stack: b}\n"), Catch::Contains("softwear"));
  CHECK_THAT(software_error("stacks:\n  - {software: a, stack: b, since: 2021}\n"), Catch::Contains("not a month"));
  CHECK_THAT(software_error("stacks:\n  - {software: a, stack: b, attention: flash9}\n"), Catch::Contains("flash9"));
}

TEST_CASE("the shipped rules name presets that exist") {
  const MappingRules rules = shipped_mapping_rules();
  const auto known = [](std::string_view folder, const std::string& name) {
    const auto names = scenario_names(folder);
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const ClusterRule& rule : rules.hardware.clusters)
    if (rule.skip.empty()) {
      CAPTURE(rule.cluster);
      CHECK(known("clusters", rule.cluster));
    }
  for (const NetworkRule& rule : rules.hardware.networks) {
    CAPTURE(rule.profile);
    CHECK(known("profiles/networks", rule.profile));
  }
}
