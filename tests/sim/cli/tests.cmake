trainyard_test(cli_estimate_test
  SOURCES sim/cli/estimate_test.cpp sim/cli/import_test.cpp
  LINKS trainyard_cli)
if(TARGET trainyard)
  trainyard_test(command_line_test
    SOURCES sim/cli/command_line_test.cpp sim/cli/simulate_ranks_test.cpp
    LINKS nlohmann_json::nlohmann_json)
  target_compile_definitions(command_line_test PRIVATE TRAINYARD_BINARY="$<TARGET_FILE:trainyard>")
  add_dependencies(command_line_test trainyard)
endif()
trainyard_test(collective_command_test
  SOURCES sim/cli/collective_command_test.cpp
  LINKS trainyard_cli nlohmann_json::nlohmann_json)
if(TARGET trainyard)
  trainyard_test(sweep_command_test
    SOURCES sim/cli/sweep_command_test.cpp sim/cli/sweep_interrupt_test.cpp sim/cli/sweep_progress_test.cpp
            sim/cli/sweep_usage_test.cpp
    LINKS trainyard_cli nlohmann_json::nlohmann_json)
  target_compile_definitions(sweep_command_test PRIVATE TRAINYARD_BINARY="$<TARGET_FILE:trainyard>")
  add_dependencies(sweep_command_test trainyard)
endif()
