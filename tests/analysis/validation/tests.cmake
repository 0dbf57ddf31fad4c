trainyard_test(validation_test
  SOURCES
    analysis/validation/coverage_test.cpp
    analysis/validation/mapping_rules_test.cpp
    analysis/validation/published_runs_test.cpp
    analysis/validation/residual_patterns_test.cpp
    analysis/validation/row_to_job_test.cpp
    analysis/validation/run_table_test.cpp
    analysis/validation/score_test.cpp
    analysis/validation/validation_test.cpp
  LINKS trainyard_validation nlohmann_json::nlohmann_json)
trainyard_test(validate_command_test SOURCES analysis/validation/validate_command_test.cpp LINKS trainyard_cli)
